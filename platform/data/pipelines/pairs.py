"""The pipeline ``pairs``: two images of one class or of two, as likely, stored as raw pixels.

The first member follows the stream's exact order, so each image is the first one once an epoch.
Whether the second is of the same class, and which one it is, is drawn by the place in the order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from striate.core.arrays import Integers
from striate.core.errors import RecipeError
from striate.data.pipelines.base import Places, Stored
from striate.data.pipelines.companions import LabelIndex
from striate.data.pipelines.raw import RawImages, raw_images
from striate.data.transforms.image.preprocess import Preprocessing
from striate.data.transforms.random import uniforms

_KNOWN = ("shape", "augment", "preprocessing")
_OF_PAIRS, _OF_SECONDS = 1 << 40, 2 << 40  # seeds far from those of the images' own distortions


class PairMember(Protocol):
    """A pipeline that gives ``images`` and ``labels``, one of each a sample."""

    @property
    def preprocessing(self) -> Preprocessing: ...

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]: ...


Member = TypeVar("Member", bound=PairMember)


@dataclass(frozen=True)
class PairsOf(Generic[Member]):
    """Pairs of what another pipeline gives.

    Gives ``images`` and ``others``, as that pipeline's ``images``; ``labels`` (n,) int64, 1 where
    both are of one class and else 0; and ``other_rows`` (n,) int64.

    Attributes:
        images: what makes a tensor of each member.
    """

    images: Member
    units_per_row: int | None = 1

    @property
    def preprocessing(self) -> Preprocessing:
        """The steps from what is stored to either member."""
        return self.images.preprocessing

    def choose_companions(self, rows: Integers, places: Places, index: LabelIndex) -> Integers:
        """(n, 1): the second members."""
        seed = places.seed + _OF_PAIRS
        same, which = uniforms(seed, places.epochs, places.positions, 2)
        chosen = np.where(same < 0.5, index.draw_same(rows, which), index.draw_other(rows, which))
        return chosen[:, None]

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        seconds = [sample.companions[0] for sample in stored]
        first = self.images(stored, places)
        apart = Places(places.seed + _OF_SECONDS, places.epochs, places.positions)
        second = self.images(seconds, apart)
        return {
            "images": first["images"],
            "others": second["images"],
            "labels": (first["labels"] == second["labels"]).long(),
            "other_rows": torch.tensor([one.row for one in seconds], dtype=torch.int64),
        }


class ImagePairs(PairsOf[RawImages]):
    """Pairs of raw images: (n, channels, height, width) float32 each."""


def image_pairs(arguments: Mapping[str, Any], training: bool) -> ImagePairs:
    """The pipeline of that name: `shape`, `augment` (in training only) and `preprocessing`.

    Raises:
        RecipeError: an unknown argument, or wrong preprocessing.
        UnknownName: no such augmentation.
    """
    for name in arguments:
        if name not in _KNOWN:
            raise RecipeError(
                f"The pipeline pairs has no argument {name}.", f"It knows {', '.join(_KNOWN)}."
            )
    return ImagePairs(raw_images(arguments, training))
