"""Which share of an index a face belongs to: a pure function of its number."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import true

_PRIME = 2**31 - 1
_GOLDEN = 1_327_217_884
"""The whole number that is nearest to `_PRIME` times the golden ratio's fraction."""


def shards_of(face_ids: Any, shards: int) -> Any:
    """The shard of each face.

    The number is multiplied by the golden ratio, and the fraction of that says the share (Knuth,
    The Art of Computer Programming, volume 3, section 6.4: Fibonacci hashing), so that shares are
    even whatever pattern a tenant's numbers have. Each step stays below 2^63 and knows only whole
    numbers that are not negative, so that NumPy, SQLite and PostgreSQL agree on it.

    Args:
        face_ids: int64 (n,), or a column of a database.
        shards: in all.

    Returns:
        int64 (n,), each from 0 to ``shards - 1``; for a column, the expression of it.
    """
    return face_ids % _PRIME * _GOLDEN % _PRIME * shards // _PRIME


@dataclass(frozen=True)
class FaceShare:
    """A part of the faces.

    Attributes:
        shard: which.
        shards: of so many.
    """

    shard: int = 0
    shards: int = 1

    def __post_init__(self) -> None:
        assert 0 <= self.shard < self.shards

    def holds(self, face_ids: Any) -> Any:
        """Which of these faces belong to it: a mask, or for a column the condition."""
        if self.shards == 1:
            return np.ones(len(face_ids), bool) if isinstance(face_ids, np.ndarray) else true()
        return shards_of(face_ids, self.shards) == self.shard
