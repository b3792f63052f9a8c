"""The pipeline ``face-windows``: 32×32 grey windows, with the pose of those that show a face.

In training a window may be mirrored, its pose with it, and be of more contrast or brighter, as in
Osadchy, LeCun, Miller, JMLR 8, 2007, section 5.1.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from striate.core.errors import RecipeError
from striate.data.pipelines.base import Places, Stored
from striate.data.transforms.image.preprocess import apply
from striate.data.transforms.random import uniforms

SIDE = 32
STEPS: tuple[dict[str, Any], ...] = (
    {"op": "grayscale"},
    {"op": "scale", "factor": 1 / 64, "offset": -2.0},
)
"""From an image of any size to the network's input."""

_MIRROR, _GAIN, _SHIFT, _DRAWS = 0, 1, 2, 3  # which draw is for what
_GAINS, _SHIFTS = math.log(1.6), 0.35


@dataclass(frozen=True)
class FaceWindows:
    """``images`` (n, 1, 32, 32) float32, ``labels`` (n,) 1 for a face, ``poses`` (n, 2) radians."""

    training: bool
    units_per_row: int | None = 1

    @property
    def preprocessing(self) -> tuple[dict[str, Any], ...]:
        """The steps from a decoded image to the network's input; it keeps its size."""
        return STEPS

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        pixels = np.frombuffer(b"".join(one.payload for one in stored), np.uint8).copy()
        images = apply(STEPS, torch.from_numpy(pixels.reshape(len(stored), 1, SIDE, SIDE)))
        degrees = [[one.fields.get(n, 0.0) for n in ("yaw_deg", "roll_deg")] for one in stored]
        poses = torch.deg2rad(torch.tensor(degrees, dtype=torch.float32))
        labels = torch.tensor([one.label for one in stored], dtype=torch.int64)
        if self.training:
            images, poses = _change(images, poses, places)
        return {"images": images, "labels": labels, "poses": poses}


def _change(images: Tensor, poses: Tensor, places: Places) -> tuple[Tensor, Tensor]:
    draws = uniforms(places.seed, places.epochs, places.positions, _DRAWS)
    mirrored = torch.from_numpy(draws[_MIRROR] < 0.5)
    images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    poses = torch.where(mirrored[:, None], -poses, poses)
    gain = torch.from_numpy(np.exp((2 * draws[_GAIN] - 1) * _GAINS)).float()
    shift = torch.from_numpy((2 * draws[_SHIFT] - 1) * _SHIFTS).float()
    middle = images.mean((1, 2, 3), keepdim=True)
    changed = (images - middle) * gain[:, None, None, None] + middle + shift[:, None, None, None]
    return changed, poses


def face_windows(arguments: Mapping[str, Any], training: bool) -> FaceWindows:
    """The pipeline of that name; it has no arguments.

    Raises:
        RecipeError: an argument was given.
    """
    for name in arguments:
        raise RecipeError(f"The pipeline face-windows has no argument {name}.")
    return FaceWindows(training)
