"""Nearest codes as arrays, and how answers of parts become one in the same order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

NOBODY = -1
"""The face of a place that no row fills, and its distance."""
_ID_BITS = 53
_NOTHING = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Nearest:
    """The nearest faces of each query, by distance, then by face number.

    Attributes:
        face_ids: int64 (queries, k); `NOBODY` behind the last row.
        distances: int32 (queries, k), bits that differ, from 0 to 256; `NOBODY` there too.
        missing_shards: parts of the index that did not answer; whoever they hold is not in it.
    """

    face_ids: np.ndarray
    distances: np.ndarray
    missing_shards: tuple[int, ...] = ()

    @property
    def partial(self) -> bool:
        """Whether a part of the index did not answer."""
        return bool(self.missing_shards)

    @classmethod
    def nothing(cls, queries: int, k: int, missing_shards: tuple[int, ...] = ()) -> Self:
        """No row for any query."""
        return cls(
            np.full((queries, k), NOBODY, np.int64),
            np.full((queries, k), NOBODY, np.int32),
            missing_shards,
        )

    @classmethod
    def from_keys(cls, keys: np.ndarray, k: int, missing_shards: tuple[int, ...] = ()) -> Self:
        """Out of keys of `keys_of`, (queries, any), in any order."""
        if keys.shape[1] > k:
            keys = np.partition(keys, k - 1, axis=1)[:, :k] if k else keys[:, :0]
        keys = np.sort(keys, axis=1)
        found = cls.nothing(len(keys), k, missing_shards)
        width = keys.shape[1]
        real = keys != _NOTHING
        found.face_ids[:, :width][real] = keys[real] & ((1 << _ID_BITS) - 1)
        found.distances[:, :width][real] = keys[real] >> _ID_BITS
        return found

    def keys(self) -> np.ndarray:
        """One number a row, which sorts as rows do: (queries, k)."""
        return keys_of(self.distances, self.face_ids)


def keys_of(distances: np.ndarray, face_ids: np.ndarray) -> np.ndarray:
    """Distances and face numbers as one number each, int64; `NOBODY` sorts last.

    A distance of 9 bits and a number of 53 fill the 62 that a positive int64 has and one may lose.
    """
    keys = (distances.astype(np.int64) << _ID_BITS) | face_ids
    return np.where(face_ids == NOBODY, _NOTHING, keys)


def merge_nearest(
    parts: Sequence[Nearest], queries: int, k: int, missing_shards: Sequence[int] = ()
) -> Nearest:
    """One answer out of those of disjoint parts: as if they had been searched as one.

    Args:
        parts: each has the `k` nearest of its own rows.
        queries: how many.
        k: rows a query.
        missing_shards: parts that did not answer.
    """
    missing = tuple(sorted(missing_shards))
    if not parts:
        return Nearest.nothing(queries, k, missing)
    return Nearest.from_keys(np.concatenate([part.keys() for part in parts], axis=1), k, missing)
