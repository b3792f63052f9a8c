"""Rows of a split by global id, from shards that are checked and mapped on first use."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.data.manifest import Manifest
from striate.data.shards import Shard, open_shard


class SplitReader:
    """The rows of one split of a folder of shards.

    A shard's hash is checked once, when its first row is asked for. Two threads that ask for the
    same shard at the same time both open it, which does no harm.

    Args:
        target: folder of shards.
        split: name of the split.

    Raises:
        DataError: no manifest, or a damaged one.
        UnknownName: there is no such split.
    """

    def __init__(self, target: Path | str, split: str) -> None:
        self.folder = Path(target)
        self.manifest = Manifest.load(self.folder)
        self.entries = self.manifest.split_shards(split)
        self.shard_rows = tuple(entry.rows for entry in self.entries)
        self._ends = np.cumsum(self.shard_rows, dtype=np.int64)
        self._shards: dict[int, Shard] = {}

    @property
    def rows(self) -> int:
        """Samples in the split."""
        return sum(self.shard_rows)

    def take(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Images (n, channels, height, width) and labels (n,) of global row ids.

        Raises:
            DataError: a shard is missing or damaged; the message names it.
        """
        if len(self.entries) == 1:
            shard = self._shard(0)
            return shard.images[rows], shard.labels[rows]
        images = np.empty((len(rows), *self.manifest.columns.payload.raw_shape), np.uint8)
        labels = np.empty(len(rows), np.int64)
        holders = np.searchsorted(self._ends, rows, side="right")
        for index in np.unique(holders).tolist():
            here = holders == index
            local = rows[here] - (self._ends[index] - self.shard_rows[index])
            shard = self._shard(index)
            images[here], labels[here] = shard.images[local], shard.labels[local]
        return images, labels

    def _shard(self, index: int) -> Shard:
        shard = self._shards.get(index)
        if shard is None:
            shard = open_shard(self.folder, self.entries[index], self.manifest.columns)
            self._shards[index] = shard
        return shard
