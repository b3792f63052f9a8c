"""Batches for evaluation: every sample once over all ranks, in order."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from striate.core.errors import UsageError
from striate.data.pipelines.base import Pipeline, Places
from striate.data.pipelines.raw import RawImages
from striate.data.shards.folder import ShardFolder
from striate.data.stream.batch import Batch
from striate.data.stream.batch_threads import Pending, Workers, parts_of
from striate.data.stream.decoding import Damage, Decoded, LocalDecoder, check_damage, places_at
from striate.data.stream.order import Integers
from striate.data.stream.reader import SplitReader
from striate.data.transforms.image.preprocess import check_stored

SHARDS_OPEN = 4
"""Rows come in order, so a shard that is passed is not needed again."""


def evaluation_batches(
    target: Path | str | ShardFolder,
    split: str,
    batch_size: int,
    rank: int = 0,
    world: int = 1,
    preprocessing: Sequence[Mapping[str, Any]] = (),
    *,
    pipeline: Pipeline | None = None,
    threads: int = 0,
    max_damaged: int = 0,
    by_row: bool = False,
) -> Iterator[Batch]:
    """Every sample of a split exactly once over all ranks, in order, without augmentation.

    A rank that has no sample of the last global batch does not get that batch. Damaged samples
    are left out, since others in their place would be counted twice; they are in
    `Batch.damaged`.

    Args:
        target: path or URI of shards, or an open folder of them.
        split: name of the split.
        batch_size: samples in a global batch.
        rank: this worker's number, from 0.
        world: number of workers.
        preprocessing: the model's steps, for raw images without a `pipeline`.
        pipeline: what makes tensors of samples.
        threads: threads that make the batches, two ahead.
        max_damaged: damaged rows that this worker gets over.
        by_row: all units of a row (the clips of a video) come in one batch of one rank; a
            batch may then be larger than `batch_size`.

    Raises:
        DataError: no usable manifest, a damaged shard, or too many damaged samples.
        UnknownName: no such split.
        RecipeError: wrong preprocessing, or shards that do not fit it.
        UsageError: a size or rank that cannot be meant, or rows of unequal units `by_row`.
    """
    check_batches(batch_size, rank, world)
    reader, pipeline = pipeline_for(target, split, pipeline, None, preprocessing)
    reader.keep = SHARDS_OPEN
    group = _units_together(reader) if by_row else 1
    decoder = LocalDecoder(reader, pipeline)
    workers = Workers(threads)
    pending: deque[tuple[int, int, Pending]] = deque()
    met: dict[int, Damage] = {}

    def begin(ids: Integers) -> Pending:
        def work(part: slice) -> Decoded:
            return decoder.decode(ids[part], places_at(places, part))

        places = Places(0, np.zeros_like(ids), ids)
        parts = parts_of(len(ids), *((1, None) if isinstance(pipeline, RawImages) else (threads,)))
        return workers.begin(len(ids), parts, work)

    def finish() -> Batch | None:
        start, stop, one = pending.popleft()
        tensors, damaged = one.result()
        met.update((damage.row, damage) for damage in damaged)
        check_damage(met, max_damaged)
        return Batch(tensors, stop, 0, stop - start, damaged) if tensors else None

    try:
        for start, stop, ids in split_batches(reader.units, batch_size, rank, world, group):
            if len(ids):
                pending.append((start, stop, begin(ids)))
            while len(pending) > (2 if threads else 0):
                if (batch := finish()) is not None:
                    yield batch
        while pending:
            if (batch := finish()) is not None:
                yield batch
    finally:
        workers.close()


def split_batches(
    units: int, batch_size: int, rank: int, world: int, group: int = 1
) -> Iterator[tuple[int, int, Integers]]:
    """What one rank evaluates: (start, stop, ids) of each global batch, which may be no ids.

    Over all ranks every id comes exactly once, and `group` consecutive ones stay together. A
    batch holds at least one group for each rank.

    Args:
        units: ids in all, a multiple of `group`.
        batch_size: ids in a global batch.
        rank: from 0.
        world: number of ranks.
        group: consecutive ids that belong together.
    """
    step = batch_size if group == 1 else max(world, batch_size // group) * group
    for start in range(0, units, step):
        stop = min(start + step, units)
        groups = np.arange(start // group + rank, stop // group, world, dtype=np.int64)
        yield start, stop, (groups[:, None] * group + np.arange(group)).reshape(-1)


def pipeline_for(
    target: Path | str | ShardFolder,
    split: str,
    pipeline: Pipeline | None,
    augment: str | None,
    preprocessing: Sequence[Mapping[str, Any]],
) -> tuple[SplitReader, Pipeline]:
    """A split's reader and what makes tensors of it: raw images where nothing else is named.

    Raises:
        DataError: no usable manifest, or payloads that need a pipeline.
        UnknownName: no such split or augmentation.
        RecipeError: wrong preprocessing, or shards that do not fit it.
    """
    units = 1 if pipeline is None else pipeline.units_per_row
    reader = SplitReader(target, split, units)
    stored = reader.manifest.columns.payload
    if pipeline is None:
        if stored.kind != "raw":
            raise UsageError(
                f"The shards in {reader.folder.place} hold encoded payloads ({stored.kind}).",
                "Name a pipeline that decodes them.",
            )
        pipeline = RawImages(stored.raw_shape, augment, tuple(preprocessing))
    if isinstance(pipeline, RawImages):
        check_stored(pipeline.preprocessing, stored.raw_shape)
    return reader, pipeline


def _units_together(reader: SplitReader) -> int:
    if reader.units_per_row is None:
        raise UsageError(
            f"The rows of the split {reader.split} have unequal numbers of units.",
            "Evaluate their units one by one.",
        )
    return reader.units_per_row


def check_batches(batch_size: int, rank: int, world: int) -> None:
    """Refuse sizes that cannot be meant.

    Raises:
        UsageError: a batch below 1, or a rank outside the world.
    """
    if batch_size < 1:
        raise UsageError(f"A batch of {batch_size} samples cannot be made.", "Give at least 1.")
    if not 0 <= rank < world:
        raise UsageError(f"There is no rank {rank} in a world of {world}.", "Ranks count from 0.")
