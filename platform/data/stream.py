"""Batches for training and evaluation: the seeded order made into tensors, ahead of their use."""

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from striate.core.errors import UnknownName, UsageError
from striate.data.order import DEFAULT_WINDOW, Integers, Order
from striate.data.reader import SplitReader
from striate.data.transforms.augment import AUGMENTATIONS, Places
from striate.data.transforms.preprocess import apply, check_stored


@dataclass(frozen=True)
class Batch:
    """One rank's part of a global batch.

    Attributes:
        images: (n, channels, height, width) float32, preprocessed.
        labels: (n,) int64.
        rows: (n,) int64, global row ids in the split.
        cursor: the cursor after the whole global batch.
        epoch: epoch of the global batch's first sample.
        global_size: samples in the global batch, over all ranks.
    """

    images: Tensor
    labels: Tensor
    rows: Tensor
    cursor: int
    epoch: int
    global_size: int


class Stream:
    """An endless iterator of one rank's batches.

    The global batches depend on the seed and the manifest alone; rank r of w takes the positions
    r, r + w, … of each, so sizes may differ by one between ranks. Batches are made ahead, in
    order, by worker threads that end with `close`; an error in one is raised by the iterator.

    Args:
        target: folder of shards.
        split: name of the split.
        batch_size: samples in a global batch.
        seed: seed of the order and of the augmentation.
        rank: this worker's number, from 0.
        world: number of workers.
        cursor: samples seen since the start of training, to go on from.
        augment: name in `AUGMENTATIONS`, or None.
        preprocessing: the model's steps; see `striate.data.transforms.preprocess`.
        threads: worker threads; with 0 batches are made when they are asked for.
        prefetch: batches that each thread is ahead by.
        window: rows shuffled among each other; see `Order`.

    Raises:
        DataError: no usable manifest; on iteration, a damaged shard.
        UnknownName: no such split or augmentation.
        RecipeError: wrong preprocessing, or shards that do not fit it.
        UsageError: a size, rank or cursor that cannot be meant.
    """

    def __init__(
        self,
        target: Path | str,
        split: str,
        *,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        cursor: int = 0,
        augment: str | None = None,
        preprocessing: Sequence[Mapping[str, Any]] = (),
        threads: int = 1,
        prefetch: int = 2,
        window: int = DEFAULT_WINDOW,
    ) -> None:
        _check(batch_size, rank, world, cursor, augment)
        self.reader = SplitReader(target, split)
        self.manifest = self.reader.manifest
        check_stored(preprocessing, self.manifest.columns.payload.raw_shape)
        self.order = Order(self.reader.shard_rows, seed, window)
        self.batch_size = batch_size
        self.rank, self.world = rank, world
        self.cursor = cursor
        self.wait_s = 0.0
        self._augment = AUGMENTATIONS[augment] if augment is not None else None
        self._preprocessing = tuple(preprocessing)
        self._made = cursor
        self._ahead: deque[Future[Batch]] = deque()
        self._depth = threads * prefetch
        self._pool = _pool(threads) if self._depth else None

    @property
    def rows_per_epoch(self) -> int:
        """Samples in the split."""
        return self.reader.rows

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        began = time.perf_counter()
        batch = self._make(self.cursor) if self._pool is None else self._next_ahead(self._pool)
        self.wait_s += time.perf_counter() - began
        self.cursor = batch.cursor
        return batch

    def close(self) -> None:
        """End the worker threads; batches made ahead are dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._ahead.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _next_ahead(self, pool: ThreadPoolExecutor) -> Batch:
        while len(self._ahead) < self._depth:
            self._ahead.append(pool.submit(self._make, self._made))
            self._made += self.batch_size
        return self._ahead.popleft().result()

    def _make(self, cursor: int) -> Batch:
        rows, epochs, positions = self._share(cursor)
        pixels, labels = self.reader.take(rows)
        images = torch.from_numpy(pixels)
        if self._augment is not None:
            images = self._augment(images, Places(self.order.seed, epochs, positions))
        return Batch(
            images=apply(self._preprocessing, images),
            labels=torch.from_numpy(labels),
            rows=torch.from_numpy(rows),
            cursor=cursor + self.batch_size,
            epoch=cursor // self.reader.rows,
            global_size=self.batch_size,
        )

    def _share(self, cursor: int) -> tuple[Integers, Integers, Integers]:
        """Row ids, epochs and positions of this rank's samples of a global batch."""
        mine = slice(self.rank, None, self.world)
        epochs, positions = self.order.positions(cursor, self.batch_size)
        rows = np.ascontiguousarray(self.order.rows(cursor, self.batch_size)[mine])
        return rows, epochs[mine], positions[mine]


def evaluation_batches(
    target: Path | str,
    split: str,
    batch_size: int,
    rank: int = 0,
    world: int = 1,
    preprocessing: Sequence[Mapping[str, Any]] = (),
) -> Iterator[Batch]:
    """Every row of a split exactly once over all ranks, in order, without augmentation.

    A rank that has no row of the last global batch does not get that batch.

    Raises:
        DataError: no usable manifest, or a damaged shard.
        UnknownName: no such split.
        RecipeError: wrong preprocessing, or shards that do not fit it.
        UsageError: a size or rank that cannot be meant.
    """
    _check(batch_size, rank, world, 0, None)
    reader = SplitReader(target, split)
    check_stored(preprocessing, reader.manifest.columns.payload.raw_shape)
    for start in range(0, reader.rows, batch_size):
        stop = min(start + batch_size, reader.rows)
        rows = np.arange(start + rank, stop, world, dtype=np.int64)
        if not len(rows):
            continue
        pixels, labels = reader.take(rows)
        yield Batch(
            images=apply(preprocessing, torch.from_numpy(pixels)),
            labels=torch.from_numpy(labels),
            rows=torch.from_numpy(rows),
            cursor=stop,
            epoch=0,
            global_size=stop - start,
        )


def _check(batch_size: int, rank: int, world: int, cursor: int, augment: str | None) -> None:
    if batch_size < 1:
        raise UsageError(f"A batch of {batch_size} samples cannot be made.", "Give at least 1.")
    if not 0 <= rank < world:
        raise UsageError(f"There is no rank {rank} in a world of {world}.", "Ranks count from 0.")
    if cursor < 0:
        raise UsageError(f"The cursor {cursor} is below 0.", "Start from 0.")
    if augment is not None and augment not in AUGMENTATIONS:
        raise UnknownName.of("augmentation", augment, AUGMENTATIONS)


def _pool(threads: int) -> ThreadPoolExecutor:
    """Worker threads on one core each: torch's own threads would fight with the training's."""
    consumer_threads = torch.get_num_threads()
    started = threading.Barrier(threads + 1)
    pool = ThreadPoolExecutor(threads, "striate-stream", torch.set_num_threads, (1,))
    for _ in range(threads):
        pool.submit(started.wait)
    started.wait()  # every worker has set its own number of threads …
    torch.set_num_threads(consumer_threads)  # … which new threads would inherit from then on
    return pool
