"""The steps that preprocessing is made of, by name."""

from abc import ABC, abstractmethod
from typing import Literal

import numpy as np
import torch
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from striate.core.arrays import Pixels
from striate.core.errors import PayloadTooLarge, RequestError
from striate.core.number_ends import MOST_SIDE
from striate.core.numbers import Deviation, Real, Side
from striate.data.transforms.image.crops import centre_box, scale_shorter
from striate.data.transforms.image.decode import MAX_PIXELS


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


class Rgb(FitStep):
    """Three channels: of a grey image, three times the same."""

    op: Literal["rgb"]

    def fit(self, image: Pixels) -> Pixels:
        return image if image.shape[2] == 3 else np.repeat(image, 3, axis=2)


class Resize(FitStep):
    """Resize to exactly `height` × `width`, with antialiasing."""

    op: Literal["resize"]
    height: Side
    width: Side

    def fit(self, image: Pixels) -> Pixels:
        return _resized(image, (self.height, self.width))


class ResizeShorter(FitStep):
    """Resize so that the shorter side has `size` pixels, keeping the shape, with antialiasing."""

    op: Literal["resize_shorter"]
    size: Side

    def fit(self, image: Pixels) -> Pixels:
        height, width = scale_shorter((image.shape[0], image.shape[1]), self.size)
        if height * width > MAX_PIXELS:
            raise PayloadTooLarge("The image is too long for its width.")
        return _resized(image, (height, width))


class CentreCrop(FitStep):
    """Keep the middle `height` × `width` pixels."""

    op: Literal["centre_crop"]
    height: Side
    width: Side

    def fit(self, image: Pixels) -> Pixels:
        if image.shape[0] < self.height or image.shape[1] < self.width:
            raise RequestError(
                f"The image has {image.shape[0]}×{image.shape[1]} pixels;"
                f" the model takes {self.height}×{self.width}."
            )
        top, left, _, _ = centre_box((image.shape[0], image.shape[1]), (self.height, self.width))
        return image[top : top + self.height, left : left + self.width]


class Pad(BatchStep):
    """Add `margin` pixels of `value` on all four sides."""

    op: Literal["pad"]
    margin: int = Field(ge=0, le=MOST_SIDE)
    value: Real = 0.0

    def apply(self, images: Tensor) -> Tensor:
        return torch.nn.functional.pad(images, (self.margin,) * 4, value=self.value)


class Scale(BatchStep):
    """Each pixel × `factor` + `offset`."""

    op: Literal["scale"]
    factor: Real
    offset: Real = 0.0

    def apply(self, images: Tensor) -> Tensor:
        return images * self.factor + self.offset


class Normalise(BatchStep):
    """Each channel less its `mean`, divided by its `std`; in levels of 255."""

    op: Literal["normalise"]
    mean: tuple[Real, ...] = Field(min_length=1)
    std: tuple[Deviation, ...] = Field(min_length=1)

    def apply(self, images: Tensor) -> Tensor:
        mean, std = (images.new_tensor(one).view(1, -1, 1, 1) for one in (self.mean, self.std))
        return (images - mean) / std


OPS: dict[str, type[FitStep] | type[BatchStep]] = {
    "grayscale": Grayscale,
    "rgb": Rgb,
    "resize": Resize,
    "resize_shorter": ResizeShorter,
    "centre_crop": CentreCrop,
    "pad": Pad,
    "scale": Scale,
    "normalise": Normalise,
}


def _resized(image: Pixels, size: tuple[int, int]) -> Pixels:
    """(height, width, channels) uint8 of another size, by Pillow's antialiased bilinear filter."""
    if image.shape[:2] == size:
        return image
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    pixels = np.asarray(picture.resize(size[::-1], Image.Resampling.BILINEAR))
    return pixels.reshape(*size, image.shape[2])
