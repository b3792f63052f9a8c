"""Which entities a name stands for, as it is written or within one edit of it.

Two sorted tables on disk: hashes of all names, and hashes of what is left of each when one of its
characters is taken out (`striate.data.knowledge.spelling`).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from striate.data.knowledge.columns import numbers_of, read_columns, write_columns
from striate.data.knowledge.manifest import NAMES, SPELLINGS
from striate.data.knowledge.spelling import hash_deletions, hash_texts, one_edit
from striate.data.storage import Source

MOST_WORDS, MOST_LETTERS = 8, 80
"""Of a name that an entity can be found by: a longer one is a sentence."""

LEAST_SPELT, MOST_SPELT = 5, 40
"""Characters of a name that is found within one edit; of a shorter one that is another name."""

_MOST_ALIKE = 64  # names of one hash that are looked at


class Names:
    """The names of a knowledge base, open.

    Attributes:
        keys: folded names in the order of their hashes, equal ones together, that of the likeliest
            entity first.
        entities: (names,) which entity each stands for.
    """

    def __init__(self, names: pa.RecordBatch, spellings: pa.RecordBatch) -> None:
        self.keys = names.column("key")
        self.entities: NDArray[np.int32] = numbers_of(names, "entity")
        self._hashes = numbers_of(names, "hash")
        self._spelt = numbers_of(spellings, "hash")
        self._spelt_rows = numbers_of(spellings, "name")

    @classmethod
    def open(cls, place: Source) -> Self:
        """The tables of a folder.

        Raises:
            DataError: one is no Arrow file.
        """
        return cls(read_columns(place, NAMES), read_columns(place, SPELLINGS))

    def __len__(self) -> int:
        return len(self.entities)

    def find(self, keys: Sequence[str]) -> list[tuple[int, ...]]:
        """For each folded name the entities that it stands for, the likeliest first."""
        found: list[tuple[int, ...]] = [()] * len(keys)
        if not keys:
            return found
        hashes = hash_texts(keys)
        first = np.searchsorted(self._hashes, hashes, "left")
        last = np.searchsorted(self._hashes, hashes, "right")
        for at in np.flatnonzero(last > first).tolist():
            rows = range(int(first[at]), int(last[at]))
            found[at] = tuple(int(self.entities[row]) for row in rows if self._is(row, keys[at]))
        return found

    def find_near(self, keys: Sequence[str]) -> list[tuple[str, ...]]:
        """For each folded text the names within one edit of it, in the order of the alphabet.

        Names shorter than `LEAST_SPELT` or longer than `MOST_SPELT` characters are none.
        """
        fit = [LEAST_SPELT - 1 <= len(key) <= MOST_SPELT + 1 for key in keys]
        looked = [key for key, fits in zip(keys, fit, strict=True) if fits]
        found = iter(self._near(looked) if looked else ())
        return [next(found) if fits else () for fits in fit]

    def _near(self, keys: Sequence[str]) -> list[tuple[str, ...]]:
        less, owners = hash_deletions(keys)
        hashes = np.concatenate([hash_texts(keys), less])
        owners = np.concatenate([np.arange(len(keys)), owners])
        first = np.searchsorted(self._spelt, hashes, "left")
        last = np.searchsorted(self._spelt, hashes, "right")
        near: list[set[str]] = [set() for _ in keys]
        for at in np.flatnonzero(last > first).tolist():
            key, start = keys[owners[at]], int(first[at])
            for row in self._spelt_rows[start : min(int(last[at]), start + _MOST_ALIKE)].tolist():
                name = str(self.keys[row])
                if one_edit(key, name):
                    near[owners[at]].add(name)
        return [tuple(sorted(some)) for some in near]

    def _is(self, row: int, key: str) -> bool:
        return str(self.keys[row]) == key


def is_findable(key: str) -> bool:
    """Whether a folded name is short enough to be looked for in questions, and not empty."""
    return 0 < len(key) <= MOST_LETTERS and key.count(" ") < MOST_WORDS


def write_names(folder: Path, names: Sequence[tuple[str, int, int]]) -> int:
    """Write both tables.

    Args:
        folder: where to.
        names: folded name, rank among what it stands for (the least is the likeliest), entity.

    Returns:
        How many there are; what is said twice counts once.
    """
    kept = list(_once(names))
    keys = [key for key, _, _ in kept]
    hashes = hash_texts(keys)
    order = np.argsort(hashes, kind="stable")
    entities = np.fromiter((entity for _, _, entity in kept), np.int32, len(kept))
    columns = {
        "hash": pa.array(hashes[order]),
        "key": pa.array([keys[at] for at in order.tolist()], pa.large_string()),
        "entity": pa.array(entities[order]),
    }
    write_columns(folder / NAMES, columns)
    _write_spellings(folder, [keys[at] for at in order.tolist()])
    return len(kept)


def _once(names: Sequence[tuple[str, int, int]]) -> Iterator[tuple[str, int, int]]:
    """Each name with each of its entities once, by its best rank, in the order of both."""
    seen: set[int] = set()
    last = ""
    for key, rank, entity in sorted(names):
        if key != last:
            seen, last = set(), key
        if entity not in seen:
            seen.add(entity)
            yield key, rank, entity


def _write_spellings(folder: Path, keys: Sequence[str]) -> None:
    """The table of spellings; of equal names the first row stands for all."""
    rows = [
        row
        for row, key in enumerate(keys)
        if LEAST_SPELT <= len(key) <= MOST_SPELT and (row == 0 or keys[row - 1] != key)
    ]
    spelt = [keys[row] for row in rows]
    less, owners = hash_deletions(spelt)
    hashes = np.concatenate([hash_texts(spelt), less])
    owners = np.concatenate([np.arange(len(spelt)), owners])
    order = np.lexsort((owners, hashes))
    names = np.array(rows, np.int32)[owners[order]] if rows else np.empty(0, np.int32)
    write_columns(folder / SPELLINGS, {"hash": pa.array(hashes[order]), "name": pa.array(names)})
