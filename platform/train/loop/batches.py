"""What a recipe's data section says, opened: the training stream and the evaluation's batches."""

from collections.abc import Iterator

from striate.data.pipelines.base import HasVocabulary, NeedsShards, Pipeline
from striate.data.pipelines.registry import pipeline_of
from striate.data.shards.folder import ShardFolder
from striate.data.shards.manifest import Manifest
from striate.data.stream.batch import Batch
from striate.data.stream.evaluation import evaluation_batches
from striate.data.stream.spec import StreamSpec
from striate.data.stream.stream import Stream
from striate.train.config import DataConfig, Location
from striate.train.distributed.precision import on_device
from striate.train.distributed.world import World
from striate.train.loop.device_prefetch import DevicePrefetcher
from striate.train.run.spec import RunSpec


def open_stream(run: RunSpec, world: World, cursor: int) -> Stream | DevicePrefetcher:
    """The training stream of this worker from `cursor` on; its batches come to a CUDA device."""
    data = run.recipe.data
    spec = StreamSpec(
        data.train_split,
        run.recipe.batch_size,
        run.recipe.seed,
        augment=data.augment,
        preprocessing=data.preprocessing,
        pipeline=pipeline_for_training(data),
        threads=data.threads,
        prefetch=data.prefetch,
        window=data.window,
        max_damaged=data.max_damaged,
        decode=data.decode,
        decoders=data.decoders,
    )
    stream = Stream(run.shards, spec, world, cursor=cursor)
    if world.device.type != "cuda":
        return stream
    return DevicePrefetcher(stream, world.device, lambda batch: on_device(batch, run.recipe, world))


def open_evaluation(
    run: RunSpec, world: World, by_row: bool = False, split: str | None = None
) -> Iterator[Batch]:
    """This worker's share of the evaluation split, or of another.

    Args:
        run: whose recipe says how.
        world: this worker.
        by_row: whether rows stay in one piece.
        split: name of the other split.
    """
    data = run.recipe.data
    spec = StreamSpec(
        split or data.test_split,
        run.recipe.batch_size,
        preprocessing=data.preprocessing,
        pipeline=pipeline_for_evaluation(data),
        threads=data.threads,
        max_damaged=data.max_damaged,
    )
    return evaluation_batches(run.shards, spec, world, by_row=by_row)


def pipeline_for_training(data: DataConfig) -> Pipeline | None:
    """The pipeline that augments; None for raw images."""
    if data.pipeline is None:
        return None
    return pipeline_of(data.pipeline, data.pipeline_arguments, training=True)


def pipeline_for_evaluation(data: DataConfig) -> Pipeline | None:
    """The pipeline of the evaluation; None for raw images."""
    if data.test_pipeline is not None:
        return pipeline_of(data.test_pipeline, data.test_pipeline_arguments, training=False)
    if data.pipeline is None:
        return None
    return pipeline_of(data.pipeline, data.pipeline_arguments, training=False)


def bind_pipelines(data: DataConfig, shards: Location) -> int:
    """Make on this machine what the pipelines need of the shards: what cannot be is refused.

    Returns:
        Words of the largest vocabulary among theirs; 0 where there is none.

    Raises:
        DataError: the shards are not such that a pipeline can use, or one is missing or damaged.
        UnknownName: no such split or column.
        PlatformError: the disk is full.
    """
    found = 0
    for pipeline in (pipeline_for_training(data), pipeline_for_evaluation(data)):
        if isinstance(pipeline, NeedsShards):
            bound = pipeline.bind(ShardFolder.of(shards))
            found = max(found, bound.vocabulary if isinstance(bound, HasVocabulary) else 0)
    return found


def samples_per_epoch(data: DataConfig, manifest: Manifest) -> int:
    """Rows of the training split, or units where the pipeline divides rows.

    Raises:
        UnknownName: there is no such split.
    """
    pipeline = pipeline_for_training(data)
    each = 1 if pipeline is None else pipeline.units_per_row
    if each is not None:
        return manifest.rows(data.train_split) * each
    return sum(entry.units or 0 for entry in manifest.split_shards(data.train_split))
