"""The pipelines ``aligned-faces`` and ``aligned-pairs``: faces turned to the front, one or two.

A picture is decoded and its face cut out once, by its landmarks; then it stays in memory. In
training a cut may be mirrored, and brighter or of more contrast.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from striate.core.arrays import Pixels
from striate.core.errors import DataError, RequestError
from striate.core.numbers import BelowOne, Side
from striate.core.validation import check_arguments
from striate.data.pipelines.base import DamagedSample, Places, Stored, class_labels
from striate.data.pipelines.pairs import PairsOf
from striate.data.transforms.image.align import (
    FRONTAL,
    align_frontal,
    align_similar,
    frontal_shape,
)
from striate.data.transforms.image.decode import decode_image
from striate.data.transforms.image.jpeg import damage
from striate.data.transforms.image.preprocess import apply
from striate.data.transforms.random import uniforms

MIDDLE = 127.5
"""What is taken from pixels, and what they are divided by: inputs lie from −1 to 1."""

_MIRROR, _GAIN, _SHIFT, _DRAWS = 0, 1, 2, 3  # which draw is for what


class AlignedArguments(BaseModel):
    """Of both pipelines.

    Attributes:
        size: height and width of the cut, in pixels.
        frontal: whether the face is warped to the front by its 67 landmarks where these are known;
            else, and where they are not, it is turned upright by six.
        flip: whether half of the cuts are mirrored in training.
        contrast: greatest share by which contrast and brightness change in training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Annotated[Side, Field(ge=8)] = 152
    frontal: bool = True
    flip: bool = True
    contrast: BelowOne = 0.2


@dataclass(frozen=True)
class AlignedFaces:
    """``images`` (n, 3, size, size) float32 from about −1 to 1, and ``labels`` (n,) int64."""

    arguments: AlignedArguments
    training: bool
    units_per_row: int | None = 1

    @property
    def preprocessing(self) -> tuple[dict[str, Any], ...]:
        """The steps from a face as `align_frontal` cuts it out to the network's input."""
        size = self.arguments.size
        level = [MIDDLE] * 3
        return (
            {"op": "resize", "height": size, "width": size},
            {"op": "rgb"},
            {"op": "normalise", "mean": level, "std": level},
        )

    def prepare(self, stored: Stored) -> Tensor:
        """The face cut out, (3, size, size) uint8.

        Raises:
            DataError: the shards have no landmarks.
            DamagedSample: the picture cannot be used.
        """
        try:
            image = decode_image(bytes(stored.payload))
        except RequestError as error:
            raise DamagedSample(stored.key, damage(error)) from None
        cut = self._cut(_coloured(image), stored)
        return torch.from_numpy(np.array(cut.transpose(2, 0, 1), order="C"))

    def _cut(self, image: Pixels, stored: Stored) -> Pixels:
        many, six = (stored.fields.get(name) for name in ("landmarks", "six"))
        if six is None:
            raise DataError(
                f"{stored.key or f'Row {stored.row}'} has no landmarks.",
                "Ingest a corpus that has, celeba or identities.",
            )
        size = self.arguments.size
        try:
            if many is not None and self.arguments.frontal:
                points = np.asarray(many, np.float64).reshape(-1, 2)
                return align_frontal(image, points, frontal_shape(FRONTAL), size)
            return align_similar(image, np.asarray(six, np.float64).reshape(6, 2), size)
        except DataError:
            raise DamagedSample(stored.key, "landmarks of no use") from None

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        cuts = [self.prepare(one) if one.prepared is None else one.prepared for one in stored]
        images = apply(self.preprocessing[2:], torch.stack(cuts))
        if self.training:
            images = self._change(images, places)
        return {"images": images, "labels": class_labels(stored)}

    def _change(self, images: Tensor, places: Places) -> Tensor:
        draws = uniforms(places.seed, places.epochs, places.positions, _DRAWS)
        if self.arguments.flip:
            mirrored = torch.from_numpy(draws[_MIRROR] < 0.5)[:, None, None, None]
            images = torch.where(mirrored, images.flip(3), images)
        changes = torch.from_numpy((2 * draws - 1) * self.arguments.contrast).float()
        gain, shift = (changes[at][:, None, None, None] for at in (_GAIN, _SHIFT))
        return images * (1 + gain) + shift


class AlignedPairs(PairsOf[AlignedFaces]):
    """Two faces of one person or of two, as likely."""

    def prepare(self, stored: Stored) -> Tensor:
        """As `AlignedFaces.prepare`."""
        return self.images.prepare(stored)


def aligned_faces(arguments: Mapping[str, Any], training: bool) -> AlignedFaces:
    """The pipeline of that name; see `AlignedArguments`.

    Raises:
        RecipeError: an argument is unknown or wrong.
    """
    return AlignedFaces(check_arguments(AlignedArguments, arguments, "aligned faces"), training)


def aligned_pairs(arguments: Mapping[str, Any], training: bool) -> AlignedPairs:
    """The pipeline of that name; see `AlignedArguments`.

    Raises:
        RecipeError: an argument is unknown or wrong.
    """
    return AlignedPairs(aligned_faces(arguments, training))


def _coloured(image: Pixels) -> Pixels:
    return image if image.shape[2] == 3 else np.repeat(image, 3, axis=2)
