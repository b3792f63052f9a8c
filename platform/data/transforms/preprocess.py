"""Preprocessing: the list of steps that takes an image to a model's input, stored in its bundle.

Steps up to the stored image (`fit`) run once, at ingest or on a request; the steps after it
(`apply`) run on whole batches. Each step is a mapping with its name under ``op``.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from striate.core.errors import RecipeError, nearest
from striate.data.transforms.decode import decode_image

__all__ = ["OPS", "apply", "check_stored", "decode_image", "fit", "steps_of"]

Pixels = NDArray[np.uint8]
Preprocessing = Sequence[Mapping[str, Any]]


class _Step(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FitStep(_Step, ABC):
    """A step on one image, (height, width, channels) uint8."""

    @abstractmethod
    def fit(self, image: Pixels) -> Pixels:
        """The image after the step."""


class BatchStep(_Step, ABC):
    """A step on a batch, (n, channels, height, width) float32."""

    @abstractmethod
    def apply(self, images: Tensor) -> Tensor:
        """The batch after the step."""


class Grayscale(FitStep):
    """Luma of ITU-R BT.601, one channel."""

    op: Literal["grayscale"]

    def fit(self, image: Pixels) -> Pixels:
        if image.shape[2] == 1:
            return image
        return np.asarray(Image.fromarray(image).convert("L"))[:, :, None]


class Resize(FitStep):
    """Resize to exactly `height` × `width`, with antialiasing."""

    op: Literal["resize"]
    height: int = Field(ge=1)
    width: int = Field(ge=1)

    def fit(self, image: Pixels) -> Pixels:
        if image.shape[:2] == (self.height, self.width):
            return image
        picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
        size = (self.width, self.height)
        resized = np.asarray(picture.resize(size, Image.Resampling.BILINEAR))
        return resized.reshape(self.height, self.width, image.shape[2])


class Pad(BatchStep):
    """Add `margin` pixels of `value` on all four sides."""

    op: Literal["pad"]
    margin: int = Field(ge=0)
    value: float = 0.0

    def apply(self, images: Tensor) -> Tensor:
        return torch.nn.functional.pad(images, (self.margin,) * 4, value=self.value)


class Scale(BatchStep):
    """Each pixel × `factor` + `offset`."""

    op: Literal["scale"]
    factor: float
    offset: float = 0.0

    def apply(self, images: Tensor) -> Tensor:
        return images * self.factor + self.offset


OPS: dict[str, type[FitStep] | type[BatchStep]] = {
    "grayscale": Grayscale,
    "resize": Resize,
    "pad": Pad,
    "scale": Scale,
}


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
    for step in steps_of(preprocessing):
        if isinstance(step, Grayscale) and shape[0] != 1:
            raise RecipeError(f"The shards hold images of {shape[0]} channels, not grey ones.")
        if isinstance(step, Resize) and shape[1:] != (step.height, step.width):
            raise RecipeError(
                f"The shards hold images of {shape[1]}×{shape[2]} pixels and the preprocessing"
                f" wants {step.height}×{step.width}.",
                "Name that size in the recipe, and pad or scale after it.",
            )


@lru_cache(maxsize=64)
def _checked(document: str) -> tuple[FitStep | BatchStep, ...]:
    steps = tuple(_step(values) for values in json.loads(document))
    kinds = [isinstance(step, BatchStep) for step in steps]
    if kinds != sorted(kinds):
        raise RecipeError(
            "The preprocessing has grayscale or resize after pad or scale.",
            "Put the steps on the decoded image first.",
        )
    return steps


def _step(values: dict[str, Any]) -> FitStep | BatchStep:
    name = str(values.get("op"))
    if name not in OPS:
        raise RecipeError(f"There is no preprocessing step named {name!r}.", nearest(name, OPS))
    try:
        return OPS[name](**values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RecipeError(f"The preprocessing step {name}: {place}: {first['msg']}.") from None
