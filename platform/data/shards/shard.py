"""Shards: Arrow IPC files of samples and labels, each written whole or not at all.

Any Arrow reader opens one; they are memory-mapped here, after their hash was checked.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from striate.core.errors import DataError
from striate.core.files import sha256_of
from striate.data.shards.arrow_file import gather, record_batch
from striate.data.shards.manifest import Columns, ShardEntry
from striate.data.shards.schema import (
    Sample,
    Skipped,
    dense_classes,
)
from striate.data.storage import Source, Target

_CHUNK = 4 << 20
DAMAGED_REMEDY = (
    "Run `striate data ingest` again (with --recheck for a bucket): it mends what is damaged and"
    " keeps the rest."
)


class Shard:
    """An open shard, mapped into memory: what is not looked at is not read.

    Attributes:
        rows: samples in it.
        columns: what each of them has.
        batch: all of it, as Arrow.
        held: what keeps the file from being evicted, where it comes from the cache.
    """

    def __init__(self, batch: pa.RecordBatch, columns: Columns, held: object | None = None) -> None:
        self.batch = batch
        self.held = held
        self.columns = columns
        self.rows = int(batch.num_rows)
        self._payloads = _bytes_of(batch.column("payload"), self.rows)
        dense = columns.label.kind == "dense"
        self._dense = _bytes_of(batch.column("label"), self.rows) if dense else None

    @cached_property
    def images(self) -> NDArray[np.uint8]:
        """(rows, channels, height, width) uint8, a view of the file; for raw payloads."""
        kind = self.columns.payload
        if not self.rows:
            return np.zeros((0, *kind.raw_shape), np.uint8)
        pixels = np.frombuffer(self._payloads.content, np.uint8, self.rows * kind.size_bytes)
        return pixels.reshape(self.rows, *kind.raw_shape)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """(rows,) int64; for labels of one class each."""
        assert self.columns.label.kind == "class", "asked other labels for one class each"
        return np.asarray(self.batch.column("label").to_numpy(), np.int64)

    @cached_property
    def units(self) -> NDArray[np.int64]:
        """(rows,) int64: units of the order in each row."""
        if not self.columns.has_units:
            return np.ones(self.rows, np.int64)
        return np.asarray(self.batch.column("units").to_numpy(), np.int64)

    def payload(self, row: int) -> memoryview:
        """A sample's bytes, a view of the file."""
        return self._payloads.of(row)

    def text(self, row: int, column: str) -> bytes:
        """A sample's text in one of `Columns.texts`, UTF-8."""
        if column == self.columns.text_name:
            return bytes(self.payload(row))
        return bytes(self.batch.column(column)[row].as_buffer() or b"")

    def text_sizes(self, column: str) -> NDArray[np.int64]:
        """(rows,) bytes of the text in each row, out of its offsets: no text is read."""
        if column == self.columns.text_name:
            return np.diff(self._payloads.offsets)[: self.rows]
        return np.asarray(pc.binary_length(self.batch.column(column)).to_numpy(), np.int64)

    def label(self, row: int) -> int | NDArray[np.int32] | memoryview:
        """A sample's label: an int, an array of ints, a view of int16, or −1 without labels."""
        kind = self.columns.label.kind
        if self._dense is not None:
            return self._dense.of(row)
        if kind == "none":
            return -1
        if kind == "class":
            return int(self.labels[row])
        return np.asarray(self.batch.column("label")[row].values.to_numpy())

    def dense_label(self, row: int) -> NDArray[np.int16]:
        """A sample's classes, one for each pixel, row by row: a view of the file."""
        assert self._dense is not None, "asked other labels for a class of each pixel"
        return dense_classes(self._dense.of(row))

    def key(self, row: int) -> str:
        """A sample's name in the source."""
        return str(self.batch.column("key")[row].as_py())

    def fields(self, row: int) -> Mapping[str, object]:
        """A sample's further columns."""
        return {name: self.batch.column(name)[row].as_py() for name in self.columns.fields}


@dataclass(frozen=True)
class _Views:
    """A binary column without a copy: `content`, and where each value starts and ends in it."""

    content: memoryview
    offsets: NDArray[np.int64]

    def of(self, row: int) -> memoryview:
        return self.content[int(self.offsets[row]) : int(self.offsets[row + 1])]


def _bytes_of(column: pa.Array, rows: int) -> _Views:
    if not rows:
        return _Views(memoryview(b""), np.zeros(1, np.int64))
    buffers = column.buffers()
    if pa.types.is_fixed_size_binary(column.type):
        offsets = np.arange(rows + 1, dtype=np.int64) * column.type.byte_width
    else:
        offsets = np.frombuffer(buffers[1], np.int64, rows + 1)
    return _Views(memoryview(buffers[-1]), offsets)


def write_shard(
    target: Target,
    file: str,
    split: str,
    columns: Columns,
    classes: int,
    items: Iterable[Sample | Skipped],
) -> ShardEntry:
    """Write the items of one shard.

    Args:
        target: where it goes.
        file: its name there.
        split: the split that the items belong to.
        columns: what each sample has.
        classes: number of classes or states.
        items: the samples, and those left out.

    Returns:
        The shard's entry in the manifest.

    Raises:
        PlatformError: the disk is full, or the target is lost or refuses; no file of that name
            appears.
    """
    found = gather(columns, classes, items)
    batch = record_batch(columns, found)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    content = memoryview(sink.getvalue())
    target.write(file, content)
    return ShardEntry(
        file=file,
        split=split,
        rows=found.rows,
        units=sum(found.columns["units"]) if columns.has_units else None,
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        skipped=dict(sorted(found.counts.items())),
        skipped_keys={name: tuple(keys) for name, keys in sorted(found.skipped.items())},
        flaws=dict(sorted(found.flaws.items())),
        flawed_keys={name: tuple(keys) for name, keys in sorted(found.flawed.items())},
    )


def is_whole(target: Source, entry: ShardEntry, hashed: bool = True) -> bool:
    """Whether a shard is there with the size, and when `hashed` the hash, that its entry says."""
    if not target.exists(entry.file) or target.size(entry.file) != entry.bytes:
        return False
    if not hashed:
        return True
    with target.open(entry.file) as file:
        digest = hashlib.sha256()
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest() == entry.sha256


def open_shard(target: Path, entry: ShardEntry, columns: Columns) -> Shard:
    """Check a shard's hash and map it into memory.

    Raises:
        DataError: the shard is missing or damaged; the message names it.
    """
    path = target / entry.file
    if not path.is_file():
        raise DataError(f"The shard {path} is missing.", DAMAGED_REMEDY)
    if path.stat().st_size != entry.bytes or sha256_of(path) != entry.sha256:
        raise DataError(f"The shard {path} is damaged: its hash differs.", DAMAGED_REMEDY)
    return read_shard(path, entry, columns)


def read_shard(
    path: Path, entry: ShardEntry, columns: Columns, held: object | None = None
) -> Shard:
    """Map a shard into memory whose hash has been checked.

    Raises:
        DataError: it has another number of rows.
    """
    with pa.memory_map(str(path)) as file:
        return shard_of(file, str(path), entry, columns, held)


def shard_of(
    file: pa.NativeFile, name: str, entry: ShardEntry, columns: Columns, held: object | None = None
) -> Shard:
    """A shard from an open file of it.

    Raises:
        DataError: it has another number of rows.
    """
    batch = pa.ipc.open_file(file).get_batch(0)
    if batch.num_rows != entry.rows:
        raise DataError(
            f"The shard {name} has {batch.num_rows} rows, not {entry.rows}.", DAMAGED_REMEDY
        )
    return Shard(batch, columns, held)
