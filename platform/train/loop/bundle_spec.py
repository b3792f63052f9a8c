"""What the bundle of a run says of its model, and the files that go into it."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import nn

from striate.core.bundle import (
    BundleSpec,
    PipelineSpec,
    Provenance,
    TensorSpec,
)
from striate.data.pipelines.base import OfOneImage
from striate.models import architecture_of
from striate.train.config import DataConfig
from striate.train.loop.batches import pipeline_for_evaluation
from striate.train.run.spec import RunSpec
from striate.train.tasks import ALL_TASKS
from striate.train.tasks.base import HasAssets

_OF_SOUND = ("sounds", "speech-frames")  # pipelines


def bundle_spec(run: RunSpec, model: nn.Module, metrics: dict[str, float]) -> BundleSpec:
    """What the bundle of a run says of its model."""
    recipe = run.recipe
    task = ALL_TASKS[recipe.task.name](recipe.task, len(run.labels))
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
    if data.pipeline in _OF_SOUND:
        layout, units = "CFT", "normalised log-mel energy"
    else:
        layout, units = "CTHW" if len(shape) == 4 else "CHW", "normalised intensity"
    return TensorSpec(dtype="float32", shape=shape, layout=layout, units=units)


def bundle_assets(run: RunSpec) -> Mapping[str, str | Path]:
    """The files that the run's task wants in the bundle beside the weights.

    Raises:
        DataError: a shard is missing or damaged.
    """
    task = ALL_TASKS[run.recipe.task.name](run.recipe.task, len(run.labels))
    if not isinstance(task, HasAssets):
        return {}
    return task.gather_assets(run.shards, run.recipe.data.train_split, run.labels)


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
