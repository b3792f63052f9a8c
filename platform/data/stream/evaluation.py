"""Batches for evaluation: every sample once over all ranks, in order."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from striate.core.arrays import Integers
from striate.core.errors import UsageError
from striate.data.pipelines.base import NeedsShards, OfSequences, Pipeline, Places
from striate.data.pipelines.raw import RawImages
from striate.data.shards.folder import ShardFolder
from striate.data.stream.batch import Batch
from striate.data.stream.batch_threads import Pending, Workers, parts_of
from striate.data.stream.decoding import Damage, Decoded, LocalDecoder, check_damage, places_at
from striate.data.stream.reader import SplitReader
from striate.data.stream.spec import ALONE, Share, StreamSpec
from striate.data.transforms.image.preprocess import check_stored

SHARDS_OPEN = 4
"""Rows come in order, so a shard that is passed is not needed again."""


def evaluation_batches(
    target: Path | str | ShardFolder,
    spec: StreamSpec,
    share: Share = ALONE,
    *,
    by_row: bool = False,
) -> Iterator[Batch]:
    """Every sample of a split exactly once over all ranks, in order, without augmentation.

    A rank that has no sample of the last global batch does not get that batch. Damaged samples
    are left out, since others in their place would be counted twice; they are in
    `Batch.damaged`.

    Args:
        target: path or URI of shards, or an open folder of them.
        spec: what the batches are made of and how; threads make them two ahead.
        share: which part of each this process has.
        by_row: all units of a row (the clips of a video) come in one batch of one rank; a
            batch may then be larger than `spec.batch_size`.

    Raises:
        DataError: no usable manifest, a damaged shard, or too many damaged samples.
        UnknownName: no such split.
        RecipeError: wrong preprocessing, or shards that do not fit it.
        UsageError: rows of unequal units `by_row`.
    """
    reader, pipeline = open_split(target, replace(spec, augment=None))
    reader.keep = SHARDS_OPEN
    group = _units_together(reader) if by_row else 1
    decoder = LocalDecoder(reader, pipeline)
    workers = Workers(spec.threads)
    pending: deque[tuple[int, int, Pending]] = deque()
    met: dict[int, Damage] = {}

    def begin(ids: Integers) -> Pending:
        def work(part: slice) -> Decoded:
            return decoder.decode(ids[part], places_at(places, part))

        places = Places(0, np.zeros_like(ids), ids)
        parts = parts_of(
            len(ids), *((1, None) if isinstance(pipeline, RawImages) else (spec.threads,))
        )
        return workers.begin(len(ids), parts, work)

    def finish() -> Batch | None:
        start, stop, one = pending.popleft()
        tensors, damaged = one.result()
        met.update((damage.row, damage) for damage in damaged)
        check_damage(met, spec.max_damaged)
        if isinstance(pipeline, OfSequences) and tensors:
            tensors = pipeline.trim(tensors)
        return Batch(tensors, stop, 0, stop - start, damaged) if tensors else None

    try:
        for start, stop, ids in split_batches(reader.units, spec.batch_size, share, group):
            if len(ids):
                pending.append((start, stop, begin(ids)))
            while len(pending) > (2 if spec.threads else 0):
                if (batch := finish()) is not None:
                    yield batch
        while pending:
            if (batch := finish()) is not None:
                yield batch
    finally:
        workers.close()


def split_batches(
    units: int, batch_size: int, share: Share, group: int = 1
) -> Iterator[tuple[int, int, Integers]]:
    """What one rank evaluates: (start, stop, ids) of each global batch, which may be no ids.

    Over all ranks every id comes exactly once, and `group` consecutive ones stay together. A
    batch holds at least one group for each rank.

    Args:
        units: ids in all, a multiple of `group`.
        batch_size: ids in a global batch.
        share: the rank's.
        group: consecutive ids that belong together.
    """
    step = batch_size if group == 1 else max(share.world_size, batch_size // group) * group
    for start in range(0, units, step):
        stop = min(start + step, units)
        groups = np.arange(start // group, stop // group, dtype=np.int64)[share.positions]
        yield start, stop, (groups[:, None] * group + np.arange(group)).reshape(-1)


def open_split(target: Path | str | ShardFolder, spec: StreamSpec) -> tuple[SplitReader, Pipeline]:
    """A split's reader and what makes tensors of it: raw images where nothing else is named.

    Raises:
        DataError: no usable manifest, or payloads that need a pipeline.
        UnknownName: no such split or augmentation.
        RecipeError: wrong preprocessing, or shards that do not fit it.
    """
    pipeline = spec.pipeline
    units = 1 if pipeline is None else pipeline.units_per_row
    reader = SplitReader(target, spec.split, units)
    stored = reader.manifest.columns.payload
    if pipeline is None:
        if stored.kind != "raw":
            raise UsageError(
                f"The shards in {reader.folder.place} hold encoded payloads ({stored.kind}).",
                "Name a pipeline that decodes them.",
            )
        pipeline = RawImages(stored.raw_shape, spec.augment, tuple(spec.preprocessing))
    if isinstance(pipeline, NeedsShards):
        pipeline = pipeline.bind(reader.folder)
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
