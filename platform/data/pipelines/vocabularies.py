"""Vocabularies of shards: tokenisers of what their texts say, made once on each machine and kept.

What is made is a function of the shards and of what is asked for, so every node and every restart
has the same one without being sent it.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from striate.core.errors import BundleError, DataError, UnknownName
from striate.core.files import write_atomic
from striate.core.locks import hold_lock
from striate.core.settings import Settings
from striate.data.shards.folder import ShardFolder
from striate.data.transforms.text.clean import MOST_BYTES
from striate.data.transforms.text.tokenizer import Tokenizer
from striate.data.transforms.text.training import TokenizerSpec, train_tokenizer

MOST_ROWS = 1_000_000
"""Rows that a vocabulary is made from: of more, ones from all over the split."""


def check_columns(folder: ShardFolder, columns: Sequence[str]) -> None:
    """Hold names against the columns of text that shards have.

    Raises:
        DataError: they have none.
        UnknownName: there is no such column.
    """
    known = folder.manifest.columns.texts
    if not known:
        raise DataError(
            f"The shards in {folder.place} hold no text.",
            "Ingest a corpus of text, or name another pipeline.",
        )
    for column in columns:
        if column not in known:
            raise UnknownName.of("column of text", column, known)


def vocabulary_of(
    folder: ShardFolder, split: str, columns: Sequence[str], spec: TokenizerSpec
) -> Tokenizer:
    """The tokeniser of what the columns of a split say.

    Made by the first process that asks for it, and kept in the platform's home.

    Args:
        folder: the shards.
        split: name of the split.
        columns: of text.
        spec: what it is to be.

    Raises:
        DataError: a shard is missing or damaged, or there is no word in them.
        UnknownName: no such split or column.
        PlatformError: the disk is full.
    """
    check_columns(folder, columns)
    hashes = [entry.sha256 for entry in folder.manifest.split_shards(split)]
    said = repr((hashes, tuple(columns), spec.model_dump_json()))
    name = hashlib.sha256(said.encode()).hexdigest()
    kept = Settings.load().home / "cache" / "tokenizers" / f"{name}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with hold_lock(kept.with_suffix(".lock")):
        if (found := _read(kept)) is not None:
            return found
        made = train_tokenizer(SplitTexts(folder, split, tuple(columns)), spec)
        write_atomic(kept, made.to_text().encode())
        return made


@dataclass(frozen=True)
class SplitTexts:
    """The texts of a split, at most `MOST_ROWS` of its rows; can be gone through again.

    Attributes:
        folder: the shards.
        split: name of the split.
        columns: of text.
    """

    folder: ShardFolder
    split: str
    columns: tuple[str, ...]

    def __iter__(self) -> Iterator[str]:
        step = -(-self.folder.manifest.rows(self.split) // MOST_ROWS)
        first = 0
        for entry in self.folder.manifest.split_shards(self.split):
            shard = self.folder.open(entry)
            for row in range(-first % step, entry.rows, step):
                for column in self.columns:
                    text = shard.text(row, column)
                    if len(text) <= MOST_BYTES:
                        yield text.decode("utf-8", "replace")
            first += entry.rows


def _read(path: Path) -> Tokenizer | None:
    """A tokeniser that was kept; None where there is none that can be used."""
    with suppress(OSError, UnicodeDecodeError, BundleError):
        return Tokenizer(path.read_text(encoding="utf-8"))
    return None
