"""Batches for training: the seeded order made into tensors, ahead of their use."""

import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from striate.core.arrays import Integers
from striate.core.errors import UsageError
from striate.data.pipelines.base import OfSequences, Pipeline, Places, Preparing
from striate.data.pipelines.raw import RawImages
from striate.data.shards.folder import ShardFolder
from striate.data.stream.batch import Batch
from striate.data.stream.batch_threads import PART, Pending, Workers, parts_of
from striate.data.stream.decoding import (
    Damage,
    Decoded,
    Decoder,
    LocalDecoder,
    check_damage,
    decode_whole,
    places_at,
)
from striate.data.stream.evaluation import evaluation_batches, open_split
from striate.data.stream.length_order import LengthOrder
from striate.data.stream.order import Order, default_window
from striate.data.stream.reader import SplitReader
from striate.data.stream.shard_prefetch import FETCHES, ShardPrefetcher, shards_at_hand
from striate.data.stream.spec import ALONE, Share, StreamSpec

__all__ = ["Batch", "Stream", "evaluation_batches"]


class Stream:
    """An endless iterator of one rank's batches.

    The global batches depend on the seed and the manifest alone; `share` says which positions of
    each this rank has. Batches are made ahead, in order, by threads that share the work on each
    and end with `close`; an error in one is raised by the iterator.

    A damaged sample is named in `damaged`, and the next good one of the order stands in for it:
    the same one for every world and every restart.

    Memory: `prefetch` + 1 batches (raw images: `threads` × `prefetch` + 1) of tensors, one window
    of row ids, 256 MB of prepared rows for pipelines that prepare them, and mapped pages of the
    shards of two windows of the order (remote: no more than the cache holds), which the kernel
    takes back when it needs them.

    Args:
        target: path or URI of shards, or an open folder of them.
        spec: what the batches are made of and how.
        share: which part of each this process has.
        cursor: samples seen since the start of training, to go on from.

    Raises:
        DataError: no usable manifest; on iteration, a damaged shard, or too many damaged samples.
        UnknownName: no such split or augmentation.
        RecipeError: wrong preprocessing, or shards that do not fit it.
        UsageError: a cursor that cannot be meant.
        PlacementError: nowhere to decode remotely.
    """

    def __init__(
        self,
        target: Path | str | ShardFolder,
        spec: StreamSpec,
        share: Share = ALONE,
        *,
        cursor: int = 0,
    ) -> None:
        if cursor < 0:
            raise UsageError(f"The cursor {cursor} is below 0.", "Start from 0.")
        self.spec, self.share = spec, share
        self.reader, pipeline = open_split(target, spec)
        self.manifest = self.reader.manifest
        window = spec.window or _window(self.reader)
        self.order = _order(self.reader, pipeline, spec, window)
        self.cursor = self._begun = cursor
        self.wait_s = 0.0
        self._met: dict[int, Damage] = {}
        self._trim = pipeline.trim if isinstance(pipeline, OfSequences) else None
        self.reader.keep = shards_at_hand(self.reader, self.order, FETCHES)
        self._decoder, threads = _decoder(self.reader, pipeline, spec)
        self._size = share.size(spec.batch_size)
        self._parts = parts_of(self._size, *_cut(pipeline, threads))
        self._depth = spec.prefetch if len(self._parts) > 1 else threads * spec.prefetch
        self._pending: deque[tuple[int, Pending]] = deque()
        self._workers = Workers(threads if self._depth else 0)
        here = self._workers.threads if spec.decode == "local" else None
        self._shards = _shards_ahead(self.reader, self.order, here)

    @property
    def rows_per_epoch(self) -> int:
        """Samples of an epoch."""
        return self.order.rows_per_epoch

    @property
    def damaged(self) -> dict[str, str]:
        """Name → reason of the damaged samples met so far, in batches that were taken."""
        return {met.key or f"row {met.row}": met.reason for met in self._met.values()}

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        began = time.perf_counter()
        while len(self._pending) < max(1, self._depth):
            self._pending.append((self._begun, self._begin(self._begun)))
            self._begun += self.spec.batch_size
        cursor, pending = self._pending.popleft()
        tensors, damaged = pending.result()
        self.wait_s += time.perf_counter() - began
        self._met.update((damage.row, damage) for damage in damaged)
        check_damage(self._met, self.spec.max_damaged)
        if self._trim is not None and tensors:
            tensors = self._trim(tensors)
        self.cursor = cursor + self.spec.batch_size
        epoch = cursor // self.rows_per_epoch
        return Batch(tensors, self.cursor, epoch, self.spec.batch_size, damaged)

    def close(self) -> None:
        """End the worker threads; batches made ahead are dropped."""
        self._workers.close()
        self._pending.clear()
        self._decoder.close()
        if self._shards is not None:
            self._shards.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(self, cursor: int) -> Pending:
        if self._shards is not None:
            self._shards.advance(cursor)
        return self._workers.begin(self._size, self._parts, lambda part: self._make(cursor, part))

    def _make(self, cursor: int, part: slice) -> Decoded:
        cursors, ids, places = self._samples(cursor)
        return decode_whole(
            self._decoder,
            self.order,
            cursors[part],
            ids[part],
            places_at(places, part),
            self.spec.max_damaged,
        )

    def _samples(self, cursor: int) -> tuple[Integers, Integers, Places]:
        """Cursors, ids and places of this rank's samples of a global batch."""
        cursors = np.arange(cursor, cursor + self.spec.batch_size, dtype=np.int64)
        mine = self.share.positions
        epochs, positions = self.order.positions(cursor, self.spec.batch_size)
        ids = np.ascontiguousarray(self.order.rows(cursor, self.spec.batch_size)[mine])
        return cursors[mine], ids, Places(self.order.seed, epochs[mine], positions[mine])


def _shards_ahead(reader: SplitReader, order: Order, threads: int | None) -> ShardPrefetcher | None:
    """Remote shards are always fetched ahead, local ones where threads were asked for.

    With None nothing is: samples are decoded elsewhere, and shards are read there.
    """
    if threads is None:
        return None
    remote = reader.folder.cache is not None
    return ShardPrefetcher(reader, order, FETCHES if remote else 1) if remote or threads else None


def _order(reader: SplitReader, pipeline: Pipeline, spec: StreamSpec, window: int) -> Order:
    """The order of the units, by length where the pipeline wants that."""
    columns = pipeline.length_columns if isinstance(pipeline, OfSequences) else ()
    if not columns:
        return Order(reader.shard_units, spec.seed, window)

    def lengths(rows: Integers) -> Integers:
        return reader.text_sizes(rows, columns)

    return LengthOrder(reader.shard_units, spec.seed, window, spec.batch_size, lengths)


def _window(reader: SplitReader) -> int:
    return default_window(reader.units, sum(entry.bytes for entry in reader.entries))


def _cut(pipeline: Pipeline, threads: int) -> tuple[int, int | None]:
    """How many threads share a batch, and the samples of a part.

    Raw images are made as whole batches: they cost less than handing them out would.
    """
    if isinstance(pipeline, RawImages):
        return 1, None
    return threads, None if isinstance(pipeline, Preparing) else PART


def _decoder(reader: SplitReader, pipeline: Pipeline, spec: StreamSpec) -> tuple[Decoder, int]:
    """What decodes, and the threads to call it from."""
    if spec.decode == "local":
        return LocalDecoder(reader, pipeline), spec.threads
    from striate.data.stream.remote_decoders import IN_FLIGHT, RemoteDecoders

    return RemoteDecoders(reader, pipeline, spec.decoders), spec.decoders * IN_FLIGHT
