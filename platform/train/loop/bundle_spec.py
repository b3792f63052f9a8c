"""What the bundle of a run says of its model, and the small texts that go into it."""

from importlib.metadata import version
from typing import Any

from torch import nn

from striate.core.bundle import (
    INPUT,
    OUTPUT,
    BundleSpec,
    PipelineSpec,
    Provenance,
    TensorSpec,
)
from striate.data.pipelines.base import OfOneImage
from striate.data.stream.state_priors import PRIORS_FILE, StatePriors
from striate.models import architecture_of
from striate.train.config import DataConfig
from striate.train.loop.batches import evaluation_pipeline
from striate.train.run.spec import RunSpec

# Task → letters of the input's dimensions, and what its numbers are.
_INPUTS = {
    "classification": ("CHW", "normalised intensity"),
    "clips": ("CTHW", "normalised intensity"),
    "frames": ("CFT", "normalised log-mel energy"),
}


def bundle_spec(run: RunSpec, model: nn.Module, metrics: dict[str, float]) -> BundleSpec:
    """What the bundle of a run says of its model."""
    recipe = run.recipe
    shape = tuple(int(size) for size in model.input_shape)  # type: ignore[union-attr]
    layout, units = _INPUTS["frames" if recipe.data.pipeline == "sounds" else recipe.task.name]
    return BundleSpec(
        architecture=architecture_of(recipe.model.name, recipe.model.arguments),
        task=recipe.task.name,
        inputs={INPUT: TensorSpec(dtype="float32", shape=shape, layout=layout, units=units)},
        outputs={
            OUTPUT: TensorSpec(dtype="float32", shape=(len(run.labels),), layout="C", units="logit")
        },
        preprocessing=_preprocessing(recipe.data),
        pipeline=_pipeline(recipe.data),
        labels=run.labels,
        provenance=Provenance(
            run_id=run.run_id,
            recipe=recipe.name,
            data_manifest_sha256=run.manifest_sha256,
            source_revision=f"striate {version('striate')}",
            metrics=metrics,
        ),
    )


def bundle_assets(run: RunSpec) -> dict[str, str]:
    """The bundle's text assets: of a model of frames, how often each state came in training.

    Raises:
        DataError: a shard is missing or damaged.
    """
    if run.recipe.task.name != "frames":
        return {}
    priors = StatePriors.of_shards(run.shards, run.recipe.data.train_split, len(run.labels))
    return {PRIORS_FILE: priors.to_text(run.labels)}


def _preprocessing(data: DataConfig) -> tuple[dict[str, Any], ...]:
    """The recipe's steps on raw images, or those that its pipeline amounts to."""
    pipeline = evaluation_pipeline(data)
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
