"""Checksums under which corpora are published, checked when a user asks for it."""

import hashlib
from collections.abc import Callable, Mapping
from functools import partial

from striate.core.errors import DataError, UsageError
from striate.data.storage import Source

_CHUNK = 1 << 22

PUBLISHED_MD5: Mapping[str, Mapping[str, str]] = {
    "imagenet": {
        "ILSVRC2012_devkit_t12.tar.gz": "fa75699e90414af021442c21a62c3abf",
        "ILSVRC2012_img_val.tar": "29b22e2961454d5413ddabcf34fc5622",
        "ILSVRC2012_img_train.tar": "1d675b47d978889d74fa0da5fadfb00e",
    },
    "lfw": {"lfw.tgz": "a17d05bd522c52d84eca14327a23d494"},
}
"""Corpus → file → MD5 in hexadecimal, smallest file first.

Source: torchvision, `imagenet.py` and `lfw.py`.
"""


def check_md5(
    corpus: str, source: Source, progress: Callable[[int, int], None] | None = None
) -> tuple[str, ...]:
    """Hold a corpus's files against the checksums published for them.

    Args:
        corpus: name in `striate.data.corpora.CORPORA`.
        source: its place.
        progress: called with (bytes done, bytes in all).

    Returns:
        Names of the files checked: those of the published ones that are there.

    Raises:
        UsageError: no checksums are published for this corpus.
        DataError: none of the published files is there, or one differs; the message names it.
    """
    if corpus not in PUBLISHED_MD5:
        known = ", ".join(sorted(PUBLISHED_MD5))
        raise UsageError(
            f"No checksums of the corpus {corpus} are known.", f"They are known for: {known}."
        )
    there = [name for name in PUBLISHED_MD5[corpus] if source.exists(name)]
    if not there:
        raise DataError(
            f"{source.name} has none of the files that {corpus} is published in.",
            f"Checksums are for {', '.join(PUBLISHED_MD5[corpus])}, not for what was unpacked.",
        )
    sizes = [source.size(name) for name in there]
    for index, name in enumerate(there):
        report = partial(_add, progress or _quiet, sum(sizes[:index]), sum(sizes))
        found = _md5(source, name, report)
        if found != PUBLISHED_MD5[corpus][name]:
            raise DataError(
                f"{source.named(name)} has the MD5 {found}, published is"
                f" {PUBLISHED_MD5[corpus][name]}.",
                "Fetch the file again.",
            )
    return tuple(there)


def _md5(source: Source, name: str, done: Callable[[int], None]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    total = 0
    with source.open(name) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            total += len(chunk)
            done(total)
    return digest.hexdigest()


def _add(progress: Callable[[int, int], None], before: int, total: int, done: int) -> None:
    progress(before + done, total)


def _quiet(done: int, total: int) -> None:
    del done, total
