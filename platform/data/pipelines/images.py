"""Images for networks on ImageNet: the common recipes of training and testing.

Training: a random resized crop (Szegedy et al., CVPR 2015) or VGG's scale jitter (Simonyan and
Zisserman, ICLR 2015), a flip half of the time, AlexNet's colour noise (Krizhevsky et al., NIPS
2012), normalisation. Testing: one crop from the centre, ten crops, or crops at several scales.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator
from torch import Tensor

from striate.core.errors import PayloadTooLarge, RequestError
from striate.core.numbers import Deviation, NonNegative, Positive, Real, Share, Side
from striate.core.validation import check_arguments
from striate.data.pipelines.base import DamagedSample, Places, Stored, class_labels
from striate.data.transforms.image.crops import (
    CROP_DRAWS,
    CropBox,
    centre_box,
    corners_and_centre,
    draw_jittered_box,
    random_resized,
    scale_shorter,
)
from striate.data.transforms.image.decode import MAX_PIXELS
from striate.data.transforms.image.jpeg import EncodedImage, align_box, damage, open_image
from striate.data.transforms.random import uniforms

__all__ = [
    "TestImages",
    "TrainImages",
    "imagenet_test",
    "imagenet_train",
    "multi_scale",
    "ten_crop",
]

# Mean and standard deviation of ImageNet's training pixels, red, green, blue, in levels of 255.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
# Principal components of ImageNet's training pixels, of values from 0 to 1, as Torch's published
# training code gives them: the root of each eigenvalue, and the eigenvectors as columns.
_SPREAD = np.array([0.2175, 0.0188, 0.0045]) * 255
_COMPONENTS = np.array(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
)
_FLIP, _NOISE = CROP_DRAWS, CROP_DRAWS + 1  # which draw is for what
_DRAWS = CROP_DRAWS + 5


class _Arguments(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Side = 224
    mean: tuple[Real, Real, Real] = MEAN
    std: tuple[Deviation, Deviation, Deviation] = STD


class TrainArguments(_Arguments):
    """Of ``imagenet-train``.

    Attributes:
        size: height and width of the crops, in pixels.
        mean: taken from red, green and blue, in levels of 255.
        std: what they are then divided by.
        crop: "area" for random resized crops, "jitter" for VGG's.
        area: least and greatest share of the image's area that an "area" crop shows.
        ratio: least and greatest width over height of an "area" crop.
        shorter: least and greatest shorter side, in pixels, of the image of a "jitter" crop.
        flip: whether half of the crops are mirrored.
        colour_noise: standard deviation of AlexNet's noise along the principal components of
            colour; 0.1 in the paper, 0 for none.
    """

    crop: Literal["area", "jitter"] = "area"
    area: tuple[Share, Share] = (0.08, 1.0)
    ratio: tuple[Positive, Positive] = (3 / 4, 4 / 3)
    shorter: tuple[Side, Side] = (256, 512)
    flip: bool = True
    colour_noise: NonNegative = 0.1

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise ValueError("area: must lie in (0, 1], the smaller share first")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise ValueError("ratio: must be positive, the smaller one first")
        if not self.size <= self.shorter[0] <= self.shorter[1]:
            raise ValueError("shorter: must be at least size, the smaller one first")
        return self


class TestArguments(_Arguments):
    """Of the pipelines for testing.

    Attributes:
        size: height and width of the crops, in pixels.
        mean: taken from red, green and blue, in levels of 255.
        std: what they are then divided by.
        shorter: the shorter sides, in pixels, that the image is resized to.
        crops: 1 for the centre, 10 for corners and centre and their mirror images.
    """

    shorter: tuple[Side, ...] = (256,)
    crops: Literal[1, 10] = 1

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.shorter or min(self.shorter) < self.size:
            raise ValueError("shorter: must be at least size")
        return self


@dataclass(frozen=True)
class TrainImages:
    """Seeded random crops: ``images`` (n, 3, size, size) float32 in channels-last memory order."""

    arguments: TrainArguments
    units_per_row: int | None = 1

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        draws = uniforms(places.seed, places.epochs, places.positions, _DRAWS)
        offsets = self._colour(draws[_NOISE:])
        images = torch.empty(len(stored), self.arguments.size, self.arguments.size, 3)
        for index, sample in enumerate(stored):
            crop = self.crop(sample, draws[:, index].tolist())
            _normalise(crop, offsets[index], self.arguments.std, out=images[index])
        return {"images": images.permute(0, 3, 1, 2), "labels": class_labels(stored)}

    def crop(self, sample: Stored, draws: Sequence[float]) -> Tensor:
        """(size, size, 3) uint8: the crop before noise and normalisation.

        Args:
            sample: the encoded image.
            draws: its numbers in [0, 1).

        Raises:
            DamagedSample: the image cannot be used.
        """
        size = (self.arguments.size, self.arguments.size)
        try:
            picture = open_image(sample.payload)
            pixels = picture.region(align_box(self._box(picture, draws), size), size)
        except RequestError as error:
            raise DamagedSample(sample.key, damage(error)) from None
        mirrored = self.arguments.flip and draws[_FLIP] < 0.5
        return pixels.flip(1) if mirrored else pixels

    def _box(self, picture: EncodedImage, draws: Sequence[float]) -> CropBox:
        arguments, image = self.arguments, (picture.height, picture.width)
        if arguments.crop == "jitter":
            return draw_jittered_box(image, draws, arguments.shorter, arguments.size)
        return random_resized(image, draws[:CROP_DRAWS], arguments.area, arguments.ratio)

    def _colour(self, draws: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 3): what is added to each channel before it is divided by `std`."""
        noise = _normals(draws)[:3] * self.arguments.colour_noise
        shift: NDArray[np.float64] = (_COMPONENTS @ (noise * _SPREAD[:, None])).T
        return np.subtract(shift, self.arguments.mean)


@dataclass(frozen=True)
class TestImages:
    """Fixed crops of whole images.

    ``images`` is (n, 3, size, size) float32 for one crop, else (n, crops, 3, size, size), scale
    after scale; a model's scores are averaged over the crops.
    """

    arguments: TestArguments
    units_per_row: int | None = 1

    @property
    def preprocessing(self) -> tuple[dict[str, Any], ...]:
        """The steps that make the crop in the centre, at the first scale, of a decoded image."""
        arguments = self.arguments
        return (
            {"op": "resize_shorter", "size": arguments.shorter[0]},
            {"op": "centre_crop", "height": arguments.size, "width": arguments.size},
            {"op": "rgb"},
            {"op": "normalise", "mean": list(arguments.mean), "std": list(arguments.std)},
        )

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        images = torch.stack([self._crops(sample) for sample in stored])
        images = images.permute(0, 1, 4, 2, 3)
        single = images.shape[1] == 1
        return {"images": images[:, 0] if single else images, "labels": class_labels(stored)}

    def _crops(self, sample: Stored) -> Tensor:
        """(crops, size, size, 3) float32."""
        try:
            picture = open_image(sample.payload)
            crops = torch.cat([self._at(picture, shorter) for shorter in self.arguments.shorter])
        except RequestError as error:
            raise DamagedSample(sample.key, damage(error)) from None
        out = torch.empty(crops.shape)
        for crop, into in zip(crops, out, strict=True):
            _normalise(crop, -np.array(self.arguments.mean), self.arguments.std, out=into)
        return out

    def _at(self, picture: EncodedImage, shorter: int) -> Tensor:
        """(crops, size, size, 3) uint8 of the image at one scale."""
        image = scale_shorter((picture.height, picture.width), shorter)
        if image[0] * image[1] > MAX_PIXELS:
            raise PayloadTooLarge("The image is too long for its width.")
        pixels = picture.region(CropBox(0, 0, picture.height, picture.width), image)
        size = (self.arguments.size, self.arguments.size)
        if self.arguments.crops == 1:
            return centre_box(image, size).cut(pixels)[None]
        crops = torch.stack([box.cut(pixels) for box in corners_and_centre(image, size)])
        return torch.cat([crops, crops.flip(2)])


def imagenet_train(arguments: Mapping[str, Any], training: bool) -> TrainImages | TestImages:
    """The pipeline ``imagenet-train``; see `TrainArguments`. Without training: the centre crop."""
    checked = check_arguments(TrainArguments, arguments, "pipeline imagenet-train")
    if training:
        return TrainImages(checked)
    shorter = (round(checked.size * 256 / 224),)
    return TestImages(
        TestArguments(size=checked.size, mean=checked.mean, std=checked.std, shorter=shorter)
    )


def imagenet_test(arguments: Mapping[str, Any], training: bool) -> TestImages:
    """The pipeline ``imagenet-test``: shorter side 256, the centre; see `TestArguments`."""
    return TestImages(check_arguments(TestArguments, arguments, "pipeline imagenet-test"))


def ten_crop(arguments: Mapping[str, Any], training: bool) -> TestImages:
    """The pipeline ``ten-crop``: corners and centre at 256, and their mirror images."""
    given = {"crops": 10, **arguments}
    return TestImages(check_arguments(TestArguments, given, "pipeline ten-crop"))


def multi_scale(arguments: Mapping[str, Any], training: bool) -> TestImages:
    """The pipeline ``multi-scale``: ten crops at each of 256, 384 and 512 (VGG, section 4.2)."""
    given = {"crops": 10, "shorter": (256, 384, 512), **arguments}
    return TestImages(check_arguments(TestArguments, given, "pipeline multi-scale"))


def _normals(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2k, n) even numbers in [0, 1) → as many normal ones (Box and Muller, 1958)."""
    radius, angle = np.sqrt(-2 * np.log1p(-draws[::2])), 2 * np.pi * draws[1::2]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])


def _normalise(
    pixels: Tensor, offset: NDArray[np.float64], std: Sequence[float], *, out: Tensor
) -> None:
    """Write (pixels + offset) / std; rows are handled as wholes, which vectorises."""
    size = pixels.shape[1]
    scale = 1 / np.array(std)
    factors = torch.from_numpy(np.tile(scale, size).astype(np.float32))
    shifts = torch.from_numpy(np.tile(offset * scale, size).astype(np.float32))
    out.copy_(pixels)
    rows = out.view(len(out), -1)
    torch.addcmul(shifts, rows, factors, out=rows)
