"""The table of pipelines: what a recipe's ``data.pipeline`` may name.

A new one is a factory beside its transforms and one line here.
"""

from collections.abc import Callable, Mapping
from typing import Any

from striate.core.extensions import extended
from striate.data.pipelines.base import Pipeline
from striate.data.pipelines.clips import clips_test, clips_train
from striate.data.pipelines.dense_labels import dense_labels
from striate.data.pipelines.images import imagenet_test, imagenet_train, multi_scale, ten_crop
from striate.data.pipelines.pairs import image_pairs
from striate.data.pipelines.raw import raw_images
from striate.data.pipelines.scales import dense
from striate.data.pipelines.sounds import sounds
from striate.data.pipelines.speech_frames import speech_frames

PipelineFactory = Callable[[Mapping[str, Any], bool], Pipeline]

PIPELINES: dict[str, PipelineFactory] = {
    "clips-test": clips_test,
    "clips-train": clips_train,
    "dense": dense,
    "dense-labels": dense_labels,
    "digits": raw_images,
    "imagenet-test": imagenet_test,
    "imagenet-train": imagenet_train,
    "multi-scale": multi_scale,
    "pairs": image_pairs,
    "sounds": sounds,
    "speech-frames": speech_frames,
    "ten-crop": ten_crop,
}
ALL_PIPELINES = extended("pipelines", PIPELINES, returning=Pipeline)
"""With those that extensions add."""


def pipeline_of(name: str, arguments: Mapping[str, Any], *, training: bool) -> Pipeline:
    """The pipeline of that name.

    Args:
        name: a name in `PIPELINES`.
        arguments: of its factory.
        training: whether it shall augment.

    Raises:
        UnknownName: there is none of that name.
        ExtensionError: the extension that adds it cannot be used.
        RecipeError: an argument is wrong.
    """
    return ALL_PIPELINES.find(name)(arguments, training)
