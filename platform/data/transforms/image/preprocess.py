"""Preprocessing: the list of steps that takes an image to a model's input, stored in its bundle.

Steps up to the stored image (`fit`) run once, at ingest or on a request; the steps after it
(`apply`) run on whole batches. Each step is a mapping with its name under ``op``.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from torch import Tensor

from striate.core.arrays import Pixels
from striate.core.errors import RecipeError, nearest
from striate.core.validation import check_arguments
from striate.data.transforms.image.decode import decode_image
from striate.data.transforms.image.steps import OPS, BatchStep, FitStep

__all__ = ["OPS", "apply", "check_stored", "decode_image", "fit", "steps_of"]

Preprocessing = Sequence[Mapping[str, Any]]


def fit(image: Pixels, preprocessing: Preprocessing) -> Pixels:
    """One decoded image to what shards store.

    Args:
        image: (height, width, channels) uint8, as `decode_image` gives it.
        preprocessing: the model's steps.

    Returns:
        (channels, height, width) uint8, the caller's own.

    Raises:
        RecipeError: a step is unknown, wrong, or out of place.
    """
    for step in steps_of(preprocessing):
        if isinstance(step, FitStep):
            image = step.fit(image)
    return np.array(image.transpose(2, 0, 1), order="C")


def apply(preprocessing: Preprocessing, images: Tensor) -> Tensor:
    """Stored images to a model's input.

    Args:
        preprocessing: the model's steps.
        images: (n, channels, height, width), uint8 or already float after an augmentation.

    Returns:
        (n, channels, height, width) float32, on the same device.

    Raises:
        RecipeError: a step is unknown, wrong, or out of place.
    """
    images = images.float()
    for step in steps_of(preprocessing):
        if isinstance(step, BatchStep):
            images = step.apply(images)
    return images


def steps_of(preprocessing: Preprocessing) -> tuple[FitStep | BatchStep, ...]:
    """The steps, checked.

    Raises:
        RecipeError: a step is unknown or wrong, or one on single images stands after one on
            batches.
    """
    return _checked(json.dumps([dict(step) for step in preprocessing], default=str))


def check_stored(preprocessing: Preprocessing, shape: tuple[int, int, int]) -> None:
    """Make sure that stored images are what the steps on single images would give.

    Args:
        preprocessing: the model's steps.
        shape: (channels, height, width) of the images in the shards.

    Raises:
        RecipeError: a step is wrong, or the images were stored in another form.
    """
    channels, height, width = shape
    fitted = fit(np.zeros((height, width, channels), np.uint8), preprocessing).shape
    if fitted != shape:
        raise RecipeError(
            f"The shards hold images of {channels} channels and {height}×{width} pixels, and the"
            f" preprocessing wants {fitted[0]} of {fitted[1]}×{fitted[2]}.",
            "Name that form in the recipe, and pad or scale after it.",
        )


@lru_cache(maxsize=64)
def _checked(document: str) -> tuple[FitStep | BatchStep, ...]:
    steps = tuple(_step(values) for values in json.loads(document))
    kinds = [isinstance(step, BatchStep) for step in steps]
    if kinds != sorted(kinds):
        raise RecipeError(
            "The preprocessing has a step on single images after one on batches.",
            "Put grayscale, rgb, resize, resize_shorter and centre_crop first.",
        )
    return steps


def _step(values: dict[str, Any]) -> FitStep | BatchStep:
    name = str(values.get("op"))
    if name not in OPS:
        raise RecipeError(f"There is no preprocessing step named {name!r}.", nearest(name, OPS))
    return check_arguments(OPS[name], values, f"preprocessing step {name}")
