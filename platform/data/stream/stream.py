"""Batches for training: the seeded order made into tensors, ahead of their use."""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np

from striate.core.errors import UsageError
from striate.data.pipelines.base import Pipeline, Places, Preparing
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
from striate.data.stream.evaluation import check_batches, evaluation_batches, pipeline_for
from striate.data.stream.order import Integers, Order, default_window
from striate.data.stream.reader import SplitReader
from striate.data.stream.shard_prefetch import FETCHES, ShardsAhead, shards_at_hand

__all__ = ["Batch", "Stream", "evaluation_batches"]


class Stream:
    """An endless iterator of one rank's batches.

    The global batches depend on the seed and the manifest alone; rank r of w takes the positions
    r, r + w, … of each, so sizes may differ by one between ranks. Batches are made ahead, in
    order, by threads that share the work on each and end with `close`; an error in one is raised
    by the iterator.

    A damaged sample is named in `damaged`, and the next good one of the order stands in for it:
    the same one for every world and every restart.

    Memory: `prefetch` + 1 batches (raw images: `threads` × `prefetch` + 1) of tensors, one window
    of row ids, 256 MB of prepared rows for pipelines that prepare them, and mapped pages of the
    shards of two windows of the order (remote: no more than the cache holds), which the kernel
    takes back when it needs them.

    Args:
        target: path or URI of shards, or an open folder of them.
        split: name of the split.
        batch_size: samples in a global batch.
        seed: seed of the order and of the augmentation.
        rank: this worker's number, from 0.
        world: number of workers.
        cursor: samples seen since the start of training, to go on from.
        augment: name in `AUGMENTATIONS`, or None; for raw images without a `pipeline`.
        preprocessing: the model's steps; see `striate.data.transforms.image.preprocess`; likewise.
        pipeline: what makes tensors of samples; see `striate.data.pipelines.registry`.
        threads: worker threads; with 0 batches are made when they are asked for.
        prefetch: batches made ahead; of raw images, by each thread.
        window: units shuffled among each other; see `Order`. None: `default_window`.
        max_damaged: damaged rows that this worker gets over.
        decode: ``local``, or ``remote``: on other nodes of the cluster, see
            `striate.data.stream.remote_decoders`; threads then only wait.
        decoders: processes that decode remotely for this worker.

    Raises:
        DataError: no usable manifest; on iteration, a damaged shard, or too many damaged samples.
        UnknownName: no such split or augmentation.
        RecipeError: wrong preprocessing, or shards that do not fit it.
        UsageError: a size, rank or cursor that cannot be meant.
        PlacementError: nowhere to decode remotely.
    """

    def __init__(
        self,
        target: Path | str | ShardFolder,
        split: str,
        *,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        cursor: int = 0,
        augment: str | None = None,
        preprocessing: Sequence[Mapping[str, Any]] = (),
        pipeline: Pipeline | None = None,
        threads: int = 1,
        prefetch: int = 2,
        window: int | None = None,
        max_damaged: int = 0,
        decode: Literal["local", "remote"] = "local",
        decoders: int = 2,
    ) -> None:
        check_batches(batch_size, rank, world)
        if cursor < 0:
            raise UsageError(f"The cursor {cursor} is below 0.", "Start from 0.")
        self.reader, pipeline = pipeline_for(target, split, pipeline, augment, preprocessing)
        self.manifest = self.reader.manifest
        self.order = Order(self.reader.shard_units, seed, window or _window(self.reader))
        self.batch_size, self.rank, self.world = batch_size, rank, world
        self.cursor = self._begun = cursor
        self.wait_s = 0.0
        self.max_damaged = max_damaged
        self._met: dict[int, Damage] = {}
        self.reader.keep = shards_at_hand(self.reader, self.order, FETCHES)
        self._decoder, threads = _decoder(self.reader, pipeline, threads, decode, decoders)
        size = len(range(rank, batch_size, world))
        self._size, self._parts = size, parts_of(size, *_cut(pipeline, threads))
        self._depth = prefetch if len(self._parts) > 1 else threads * prefetch
        self._pending: deque[tuple[int, Pending]] = deque()
        self._workers = Workers(threads if self._depth else 0)
        here = self._workers.threads if decode == "local" else None
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
            self._begun += self.batch_size
        cursor, pending = self._pending.popleft()
        tensors, damaged = pending.result()
        self.wait_s += time.perf_counter() - began
        self._met.update((damage.row, damage) for damage in damaged)
        check_damage(self._met, self.max_damaged)
        self.cursor = cursor + self.batch_size
        epoch = cursor // self.rows_per_epoch
        return Batch(tensors, self.cursor, epoch, self.batch_size, damaged)

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
        cursors, ids, places = self._share(cursor)
        return decode_whole(
            self._decoder,
            self.order,
            cursors[part],
            ids[part],
            places_at(places, part),
            self.max_damaged,
        )

    def _share(self, cursor: int) -> tuple[Integers, Integers, Places]:
        """Cursors, ids and places of this rank's samples of a global batch."""
        cursors = np.arange(cursor, cursor + self.batch_size, dtype=np.int64)
        mine = slice(self.rank, None, self.world)
        epochs, positions = self.order.positions(cursor, self.batch_size)
        ids = np.ascontiguousarray(self.order.rows(cursor, self.batch_size)[mine])
        return cursors[mine], ids, Places(self.order.seed, epochs[mine], positions[mine])


def _shards_ahead(reader: SplitReader, order: Order, threads: int | None) -> ShardsAhead | None:
    """Remote shards are always fetched ahead, local ones where threads were asked for.

    With None nothing is: samples are decoded elsewhere, and shards are read there.
    """
    if threads is None:
        return None
    remote = reader.folder.cache is not None
    return ShardsAhead(reader, order, FETCHES if remote else 1) if remote or threads else None


def _window(reader: SplitReader) -> int:
    return default_window(reader.units, sum(entry.bytes for entry in reader.entries))


def _cut(pipeline: Pipeline, threads: int) -> tuple[int, int | None]:
    """How many threads share a batch, and the samples of a part.

    Raw images are made as whole batches: they cost less than handing them out would.
    """
    if isinstance(pipeline, RawImages):
        return 1, None
    return threads, None if isinstance(pipeline, Preparing) else PART


def _decoder(
    reader: SplitReader, pipeline: Pipeline, threads: int, decode: str, decoders: int
) -> tuple[Decoder, int]:
    """What decodes, and the threads to call it from."""
    if decode == "local":
        return LocalDecoder(reader, pipeline), threads
    from striate.data.stream.remote_decoders import IN_FLIGHT, RemoteDecoders

    return RemoteDecoders(reader, pipeline, decoders), decoders * IN_FLIGHT
