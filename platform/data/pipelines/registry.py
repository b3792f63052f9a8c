"""The table of pipelines: what a recipe's ``data.pipeline`` may name.

A new one is a factory beside its transforms and one line here.
"""

from collections.abc import Callable, Mapping
from typing import Any

from striate.core.extensions import Extended
from striate.data.pipelines.aligned_faces import aligned_faces, aligned_pairs
from striate.data.pipelines.base import Pipeline
from striate.data.pipelines.clips import clips_test, clips_train
from striate.data.pipelines.dense_labels import dense_labels
from striate.data.pipelines.face_windows import face_windows
from striate.data.pipelines.images import imagenet_test, imagenet_train, multi_scale, ten_crop
from striate.data.pipelines.kb_questions import kb_questions
from striate.data.pipelines.pairs import image_pairs
from striate.data.pipelines.raw import raw_images
from striate.data.pipelines.scales import dense
from striate.data.pipelines.sounds import sounds
from striate.data.pipelines.speech_frames import speech_frames
from striate.data.pipelines.story_questions import story_questions
from striate.data.pipelines.texts import texts
from striate.data.pipelines.words import words

PipelineFactory = Callable[[Mapping[str, Any], bool], Pipeline]

PIPELINES: dict[str, PipelineFactory] = {
    "aligned-faces": aligned_faces,
    "aligned-pairs": aligned_pairs,
    "clips-test": clips_test,
    "clips-train": clips_train,
    "dense": dense,
    "dense-labels": dense_labels,
    "digits": raw_images,
    "face-windows": face_windows,
    "imagenet-test": imagenet_test,
    "imagenet-train": imagenet_train,
    "kb-questions": kb_questions,
    "multi-scale": multi_scale,
    "pairs": image_pairs,
    "sounds": sounds,
    "speech-frames": speech_frames,
    "story-questions": story_questions,
    "ten-crop": ten_crop,
    "text": texts,
    "words": words,
}
ALL_PIPELINES = Extended("pipelines", PIPELINES, returning=Pipeline)
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
