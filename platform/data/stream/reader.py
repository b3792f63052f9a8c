"""Samples of a split by their id in the order, from shards that are checked and mapped on use."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.core.arrays import Integers
from striate.core.errors import DataError
from striate.data.pipelines.base import Stored
from striate.data.pipelines.companions import LabelIndex
from striate.data.shards.folder import ShardFolder
from striate.data.shards.shard import Shard, read_shard

KEEP_OPEN = 64


class SplitReader:
    """The samples of one split of a folder of shards.

    A shard is opened, which fetches it if it is remote and checks its hash, when its first sample
    is asked for, and closed when more than `keep` others were used since. Safe to use from several
    threads.

    Args:
        target: path or URI of shards, or an open folder of them.
        split: name of the split.
        units_per_row: units that each row is to the order; None: what the column `units` says.

    Attributes:
        keep: shards that stay open.
        opened: shards opened so far.

    Raises:
        DataError: no manifest, a damaged one, or no column `units` where it is needed.
        UnknownName: there is no such split.
        PlatformError: the place does not answer or refuses.
    """

    def __init__(
        self,
        target: Path | str | ShardFolder,
        split: str,
        units_per_row: int | None = 1,
    ) -> None:
        self.folder = target if isinstance(target, ShardFolder) else ShardFolder.of(target)
        self.split = split
        self.manifest = self.folder.manifest
        self.entries = self.manifest.split_shards(split)
        self.units_per_row = units_per_row
        self.keep = KEEP_OPEN
        self.opened = 0
        if units_per_row is None and not self.manifest.columns.has_units:
            raise DataError(f"The shards in {self.folder.place} have no column of units.")
        self.shard_rows = tuple(entry.rows for entry in self.entries)
        self.shard_units = tuple(
            entry.rows * units_per_row if units_per_row is not None else entry.units or 0
            for entry in self.entries
        )
        self._row_starts = _starts(self.shard_rows)
        self._unit_ends = np.cumsum(self.shard_units, dtype=np.int64)
        self._unit_starts = _starts(self.shard_units)
        self._shards: OrderedDict[int, Shard] = OrderedDict()
        self._opening = [threading.Lock() for _ in self.entries]
        self._lock = threading.Lock()
        self._checked: set[int] = set()

    @property
    def target(self) -> str:
        """Where the shards are, for another process; may hold keys of a bucket."""
        return self.folder.place.uri

    @property
    def rows(self) -> int:
        """Rows of the split."""
        return sum(self.shard_rows)

    @property
    def units(self) -> int:
        """Samples of the order in an epoch."""
        return sum(self.shard_units)

    @cached_property
    def label_index(self) -> LabelIndex:
        """The rows of the split by class; every shard is opened for it once.

        Raises:
            DataError: the rows have no class each, or a shard is missing or damaged.
        """
        if self.manifest.columns.label.kind != "class":
            raise DataError(f"The rows of the shards in {self.folder.place} have no class each.")
        shards = (self.shard(index) for index in range(len(self.entries)))
        return LabelIndex.of(np.concatenate([shard.labels for shard in shards]))

    def take(self, rows: Integers) -> tuple[NDArray[np.uint8], Integers]:
        """Raw images (n, channels, height, width) and labels (n,) of global row ids.

        Raises:
            DataError: a shard is missing or damaged; the message names it.
        """
        if len(self.entries) == 1:
            shard = self.shard(0)
            return shard.images[rows], shard.labels[rows]
        images = np.empty((len(rows), *self.manifest.columns.payload.raw_shape), np.uint8)
        labels = np.empty(len(rows), np.int64)
        for shard, start, here in self._by_shard(rows):
            local = rows[here] - start
            images[here], labels[here] = shard.images[local], shard.labels[local]
        return images, labels

    def stored(self, ids: Integers) -> list[Stored]:
        """The samples of (n,) ids of the order, as their shards hold them.

        Payloads are views of the mapped shards: nothing is read until they are looked at.

        Raises:
            DataError: a shard is missing or damaged; the message names it.
        """
        found: dict[int, Stored] = {}
        for index, here in self._holders(ids):
            shard = self.shard(index)
            rows, units = self._rows_in(shard, ids[here] - self._unit_starts[index])
            first, whole = int(self._row_starts[index]), {}
            for at, row, unit in zip(here.tolist(), rows.tolist(), units.tolist(), strict=True):
                if row not in whole:
                    whole[row] = _stored(shard, row, first)
                found[at] = whole[row].with_unit(unit)
        return [found[at] for at in range(len(ids))]

    def text_sizes(self, rows: Integers, columns: Sequence[str]) -> Integers:
        """(n,) bytes of the longest of some columns of text, for (n,) global row ids.

        Raises:
            DataError: a shard is missing or damaged; the message names it.
        """
        sizes = np.zeros(len(rows), np.int64)
        for shard, start, here in self._by_shard(rows):
            for column in columns:
                sizes[here] = np.maximum(sizes[here], shard.text_sizes(column)[rows[here] - start])
        return sizes

    def shard(self, index: int) -> Shard:
        """The open shard of that number in the split.

        Raises:
            DataError: it is missing or damaged; the message names it.
        """
        shard = self._shards.get(index)
        if shard is None:
            with self._opening[index]:
                shard = self._shards.get(index) or self._open(index)
        with self._lock:
            if index in self._shards:
                self._shards.move_to_end(index)
        return shard

    def _open(self, index: int) -> Shard:
        entry, local = self.entries[index], self.folder.place.local
        if local is not None and index in self._checked:  # its hash was right in this process
            shard = read_shard(local / entry.file, entry, self.manifest.columns)
        else:
            shard = self.folder.open(entry)
        with self._lock:
            self._checked.add(index)
            self._shards[index] = shard
            self.opened += 1
            while len(self._shards) > self.keep:
                self._shards.popitem(last=False)
        return shard

    def _holders(self, ids: Integers) -> Iterator[tuple[int, Integers]]:
        """Each shard that holds some of the ids, and which of them: indices into `ids`."""
        holders = np.searchsorted(self._unit_ends, ids, side="right")
        for index in np.unique(holders).tolist():
            yield index, np.flatnonzero(holders == index)

    def _by_shard(self, ids: Integers) -> Iterator[tuple[Shard, int, Integers]]:
        for index, here in self._holders(ids):
            yield self.shard(index), int(self._unit_starts[index]), here

    def _rows_in(self, shard: Shard, units: Integers) -> tuple[Integers, Integers]:
        """Unit numbers within a shard to (row in the shard, unit in the row)."""
        if self.units_per_row is not None:
            return units // self.units_per_row, units % self.units_per_row
        ends = np.cumsum(shard.units)
        rows = np.searchsorted(ends, units, side="right")
        return rows, units - (ends[rows] - shard.units[rows])


def _stored(shard: Shard, row: int, first: int) -> Stored:
    return Stored(
        row=first + row,
        unit=0,
        payload=shard.payload(row),
        label=shard.label(row),
        key=shard.key(row),
        fields=shard.fields(row),
    )


def _starts(sizes: tuple[int, ...]) -> Integers:
    return np.cumsum(sizes, dtype=np.int64) - np.asarray(sizes, np.int64)
