"""How often each word of a vocabulary comes in a split: counted once on each machine, and kept."""

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from striate.core.arrays import Integers
from striate.core.errors import PayloadTooLarge
from striate.core.files import write_atomic
from striate.core.locks import hold_lock
from striate.core.settings import Settings
from striate.data.pipelines.vocabularies import SplitTexts
from striate.data.shards.folder import ShardFolder
from striate.data.transforms.text.tokenizer import Tokenizer

_TOGETHER = 1 << 20


def count_words(
    folder: ShardFolder, split: str, columns: Sequence[str], tokenizer: Tokenizer
) -> Integers:
    """(vocabulary,) how often each word comes in the columns of a split.

    Counted by the first process that asks for it, and kept in the platform's home.

    Raises:
        DataError: a shard is missing or damaged.
        UnknownName: no such split.
        PlatformError: the disk is full.
    """
    hashes = [entry.sha256 for entry in folder.manifest.split_shards(split)]
    said = repr((hashes, tuple(columns), tokenizer.to_text()))
    name = hashlib.sha256(said.encode()).hexdigest()
    kept = Settings.load().home / "cache" / "tokenizers" / f"{name}.counts.npy"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with hold_lock(kept.with_suffix(".lock")):
        if (found := _read(kept, tokenizer.size)) is not None:
            return found
        counts = np.zeros(tokenizer.size, np.int64)
        for ids in _encoded(SplitTexts(folder, split, tuple(columns)), tokenizer):
            counts += np.bincount(ids, minlength=tokenizer.size)
        content = io.BytesIO()
        np.save(content, counts, allow_pickle=False)
        write_atomic(kept, content.getvalue())
        return counts


def _encoded(texts: SplitTexts, tokenizer: Tokenizer) -> Iterator[Integers]:
    """The ids of some texts, many at a time."""
    ids: list[int] = []
    for text in texts:
        with suppress(PayloadTooLarge):  # it is left out of the training as well
            ids += tokenizer.encode(text)
        if len(ids) >= _TOGETHER:
            yield np.array(ids, np.int64)
            ids = []
    yield np.array(ids, np.int64)


def _read(path: Path, size: int) -> Integers | None:
    """Counts that were kept; None where there are none that can be used."""
    with suppress(OSError, ValueError, EOFError):
        found = np.load(path, allow_pickle=False)
        if found.shape == (size,) and found.dtype == np.int64:
            return np.asarray(found, np.int64)
    return None
