"""What the bundle of a run says of its model, and the files that go into it."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import nn

from striate.core.bundle import BundleSpec, PipelineSpec, Provenance, TensorSpec
from striate.data.pipelines.base import DescribesInput, NeedsShards, OfOneImage
from striate.data.shards.folder import ShardFolder
from striate.models import architecture_of
from striate.train.config import DataConfig
from striate.train.loop.batches import pipeline_for_evaluation
from striate.train.run.spec import RunSpec
from striate.train.tasks import build_task
from striate.train.tasks.base import HasAssets


def bundle_spec(run: RunSpec, model: nn.Module, metrics: dict[str, float]) -> BundleSpec:
    """What the bundle of a run says of its model."""
    recipe = run.recipe
    task = build_task(recipe.task, len(run.labels))
    signature = task.signature(model, _taken(recipe.data, model), run.labels)
    return BundleSpec(
        architecture=architecture_of(recipe.model.name, recipe.model.arguments),
        task=recipe.task.name,
        inputs=dict(signature.inputs),
        outputs=dict(signature.outputs),
        dimensions=dict(signature.dimensions),
        preprocessing=_preprocessing(recipe.data),
        pipeline=_pipeline(recipe.data),
        labels=signature.labels,
        provenance=Provenance(
            run_id=run.run_id,
            recipe=recipe.name,
            data_manifest_sha256=run.manifest_sha256,
            source_revision=f"striate {version('striate')}",
            metrics=metrics,
        ),
    )


def _taken(data: DataConfig, model: nn.Module) -> TensorSpec:
    """What the network takes, as the recipe's pipeline makes it."""
    shape = tuple(int(size) for size in model.input_shape)  # type: ignore[union-attr]
    pipeline = pipeline_for_evaluation(data)
    if isinstance(pipeline, DescribesInput):
        layout, units = pipeline.layout, pipeline.units
    else:
        layout, units = "CTHW" if len(shape) == 4 else "CHW", "normalised intensity"
    return TensorSpec(dtype="float32", shape=shape, layout=layout, units=units)


def bundle_assets(run: RunSpec) -> Mapping[str, str | Path]:
    """The files that the run's task and pipeline want in the bundle beside the weights.

    Raises:
        DataError: a shard is missing or damaged.
    """
    task, data = build_task(run.recipe.task, len(run.labels)), run.recipe.data
    found: dict[str, str | Path] = {}
    pipeline = pipeline_for_evaluation(data)
    if isinstance(pipeline, NeedsShards):
        found |= pipeline.bind(ShardFolder.of(run.shards)).assets
    if isinstance(task, HasAssets):
        found |= task.gather_assets(run.shards, data.train_split, run.labels)
    return found


def _preprocessing(data: DataConfig) -> tuple[dict[str, Any], ...]:
    """The recipe's steps on raw images, or those that its pipeline amounts to."""
    pipeline = pipeline_for_evaluation(data)
    if pipeline is None:
        return data.preprocessing
    if not isinstance(pipeline, OfOneImage):
        return ()
    return tuple(dict(step) for step in pipeline.preprocessing)


def _pipeline(data: DataConfig) -> PipelineSpec | None:
    if data.test_pipeline is not None:
        return PipelineSpec(name=data.test_pipeline, arguments=data.test_pipeline_arguments)
    if data.pipeline is not None:
        return PipelineSpec(name=data.pipeline, arguments=data.pipeline_arguments)
    return None
