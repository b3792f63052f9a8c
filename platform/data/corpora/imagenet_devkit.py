"""ImageNet's development kit: its classes, and the classes of its validation images.

``ILSVRC2012_devkit_t12.tar.gz`` holds ``data/meta.mat``, a table of synsets in which the leaves
(``num_children == 0``) are the classes, and ``data/ILSVRC2012_validation_ground_truth.txt``, one
ILSVRC id a line. These ids start at 1 and do not follow the alphabet (torchvision, `imagenet.py`).
"""

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import DataError
from striate.core.text import decode_text, numbered_lines
from striate.data.storage import Source

DEVKIT = "ILSVRC2012_devkit_t12"
DEVKIT_TAR = f"{DEVKIT}.tar.gz"
META = "data/meta.mat"
TRUTH = "data/ILSVRC2012_validation_ground_truth.txt"
_MAT_HEADER = b"MATLAB 5.0 MAT-file, written by Striate"  # scipy's own holds the time of day
_MAT_HEADER_BYTES = 116
_REMEDY = f"Fetch {DEVKIT_TAR} again."


@dataclass(frozen=True)
class Synset:
    """A row of ``meta.mat``; `children` are ILSVRC ids, and a class has none."""

    ilsvrc_id: int
    wnid: str
    words: str
    gloss: str = ""
    children: tuple[int, ...] = ()
    train_images: int = 0


@dataclass(frozen=True)
class Devkit:
    """The classes and the ground truth.

    A class's index is its place among the wnids in alphabetical order, as in every published
    model, and neither its ILSVRC id nor that less one.

    Attributes:
        classes: the leaves, sorted by wnid.
        truth: (validation images,) int64, the ILSVRC id of each, as the file says.
        sha256: hash of both files.
    """

    classes: tuple[Synset, ...]
    truth: NDArray[np.int64]
    sha256: str

    @property
    def labels(self) -> tuple[str, ...]:
        """``n01440764 tench, Tinca tinca``: words alone are not unique, there are two cranes."""
        return tuple(f"{synset.wnid} {synset.words}" for synset in self.classes)

    @property
    def wnids(self) -> tuple[str, ...]:
        """The classes' WordNet ids."""
        return tuple(synset.wnid for synset in self.classes)

    @cached_property
    def truth_index(self) -> NDArray[np.int64]:
        """(validation images,) class index of each."""
        index_of = {synset.ilsvrc_id: index for index, synset in enumerate(self.classes)}
        return np.array([index_of.get(int(number), -1) for number in self.truth], np.int64)


def read_devkit(source: Source) -> Devkit | None:
    """The development kit that lies in a source, packed or unpacked; None where there is none.

    Raises:
        DataError: a file of it is missing or damaged, two synsets have one id, or the ground truth
            has an id that no class has, which proves that its other ids are not to be trusted.
    """
    found = _read_files(source)
    if found is None:
        return None
    meta, truth = found
    synsets = decode_meta(meta, source.named(META))
    leaves = sorted((s for s in synsets if not s.children), key=lambda synset: synset.wnid)
    _refuse_twins(leaves, source)
    digest = hashlib.sha256(meta)
    digest.update(truth)
    ids, lines = _decode_truth(truth, source)
    devkit = Devkit(tuple(leaves), ids, digest.hexdigest())
    _refuse_impossible(devkit, lines, source)
    return devkit


def decode_meta(content: bytes, name: str) -> list[Synset]:
    """The synsets of a ``meta.mat``.

    Raises:
        DataError: it is damaged, or another table; the message has `name`.
    """
    from scipy.io import loadmat

    try:
        rows = np.atleast_1d(loadmat(io.BytesIO(content), squeeze_me=True)["synsets"])
        return [_synset(row) for row in rows]
    except Exception as error:  # the reader raises whatever the damaged bytes lead it into
        raise DataError(
            f"{name} is damaged, or no table of synsets: {type(error).__name__}.", _REMEDY
        ) from None


def encode_meta(synsets: Sequence[Synset]) -> bytes:
    """A ``meta.mat`` with all fields of the published one."""
    from scipy.io import savemat

    names = (
        "ILSVRC2012_ID", "WNID", "words", "gloss",
        "num_children", "children", "wordnet_height", "num_train_images",
    )  # fmt: skip
    table = np.empty((len(synsets), 1), [(name, object) for name in names])
    for row, s in zip(table[:, 0], synsets, strict=True):
        children = np.array(s.children, np.float64)
        height = 1.0 if s.children else 0.0
        values = (float(s.ilsvrc_id), s.wnid, s.words, s.gloss)
        for name, value in zip(
            names,
            (*values, float(len(children)), children, height, float(s.train_images)),
            strict=True,
        ):
            row[name] = value
    out = io.BytesIO()
    savemat(out, {"synsets": table}, do_compression=True)
    return _MAT_HEADER.ljust(_MAT_HEADER_BYTES) + out.getvalue()[_MAT_HEADER_BYTES:]


def write_devkit(folder: Path, synsets: Sequence[Synset], truth: Sequence[int]) -> None:
    """Write ``ILSVRC2012_devkit_t12.tar.gz`` into a folder: the same bytes for the same content.

    Args:
        folder: where to.
        synsets: the classes and what stands above them.
        truth: ILSVRC id of each validation image.
    """
    files = {META: encode_meta(synsets), TRUTH: "".join(f"{i}\n" for i in truth).encode()}
    with (
        (folder / DEVKIT_TAR).open("wb") as file,
        gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, content in files.items():
            info = tarfile.TarInfo(f"{DEVKIT}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def _read_files(source: Source) -> tuple[bytes, bytes] | None:
    if source.exists(DEVKIT_TAR):
        return _unpack(source)
    for folder in (f"{DEVKIT}/", ""):
        if source.exists(folder + META):
            return source.read(folder + META), source.read(folder + TRUTH)
    return None


def _unpack(source: Source) -> tuple[bytes, bytes]:
    found: dict[str, bytes] = {}
    try:
        with (
            source.open(DEVKIT_TAR) as file,
            tarfile.open(fileobj=file, mode="r:gz") as tar,
        ):
            for info in tar:
                name = "/".join(PurePosixPath(info.name).parts[-2:])
                member = tar.extractfile(info) if name in (META, TRUTH) else None
                if member is not None:
                    found[name] = member.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(
            f"{source.named(DEVKIT_TAR)} is truncated or damaged: {error}.", _REMEDY
        ) from None
    for name in (META, TRUTH):
        if name not in found:
            raise DataError(f"{source.named(DEVKIT_TAR)} holds no {name}.", _REMEDY)
    return found[META], found[TRUTH]


def _synset(row: Any) -> Synset:
    children = tuple(int(child) for child in np.atleast_1d(row["children"]))
    return Synset(
        ilsvrc_id=int(row["ILSVRC2012_ID"]),
        wnid=str(row["WNID"]),
        words=str(row["words"]),
        gloss=str(row["gloss"]),
        children=children[: int(row["num_children"])],
        train_images=int(row["num_train_images"]),
    )


def _refuse_twins(classes: Sequence[Synset], source: Source) -> None:
    for what, values in (
        ("ILSVRC id", [str(synset.ilsvrc_id) for synset in classes]),
        ("wnid", [synset.wnid for synset in classes]),
    ):
        twins = sorted({value for value in values if values.count(value) > 1})
        if twins:
            raise DataError(
                f"{source.named(META)} gives the {what} {twins[0]} to several classes.", _REMEDY
            )


def _refuse_impossible(devkit: Devkit, lines: Sequence[int], source: Source) -> None:
    """A list that begins at 0 fits all images but those of one class, and each of them wrongly."""
    wrong = np.flatnonzero(devkit.truth_index < 0)
    if not len(wrong):
        return
    number = int(devkit.truth[wrong[0]])
    begins = " It seems to count classes from 0." if 0 in devkit.truth else ""
    raise DataError(
        f"{source.named(TRUTH)} line {lines[wrong[0]]} has the id {number}, which no class has:"
        f" none of its labels can be trusted.{begins}",
        "Use the published file, of ILSVRC ids from 1.",
    )


def _decode_truth(content: bytes, source: Source) -> tuple[NDArray[np.int64], list[int]]:
    """The ids, and the line that each stands in."""
    name = source.named(TRUTH)
    ids, lines = [], []
    for number, line in numbered_lines(decode_text(content, name)):
        try:
            found = [np.int64(word) for word in line.split()]
        except (ValueError, OverflowError):
            raise DataError(f"{name} line {number} is no whole number.", _REMEDY) from None
        ids += found
        lines += [number] * len(found)
    return np.array(ids, np.int64), lines
