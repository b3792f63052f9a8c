"""Augmentation of batches: random distortions that depend on the sample's place in the order.

Each takes the images as they are stored and where they stand in the order, and knows nothing of
the batch they come in, so any split among workers and any restart gives the same pictures.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from striate.data.transforms.random import Places, uniforms


@dataclass(frozen=True)
class Affine:
    """Planar affine distortion: translation, scaling, squeezing, shearing (LeCun 1998, III-C).

    Each quantity is drawn evenly from minus to plus its bound.

    Attributes:
        degrees: rotation.
        shear: horizontal shear, the tangent of its angle.
        scale: relative change of size.
        squeeze: relative change of width against height.
        shift: translation both ways, as a share of half the image.
    """

    degrees: float
    shear: float
    scale: float
    squeeze: float
    shift: float

    def __call__(self, images: Tensor, places: Places) -> Tensor:
        """Distort (n, c, h, w) uint8 or float images → float32, what lies outside being 0."""
        grid = _grid(self._matrices(places), images.shape[-2], images.shape[-1])
        return torch.nn.functional.grid_sample(images.float(), grid, align_corners=False)

    def _matrices(self, places: Places) -> Tensor:
        """(n, 6): output to input coordinates, both from −1 to 1."""
        draws = uniforms(places.seed, places.epochs, places.positions, 6) * 2 - 1
        angle = draws[0] * math.radians(self.degrees)
        shear = draws[1] * self.shear
        size = 1 + draws[2] * self.scale
        squeeze = np.sqrt(1 + draws[3] * self.squeeze)
        cosine, sine = np.cos(angle) / size, np.sin(angle) / size
        a, b = cosine / squeeze, (cosine * shear - sine) * squeeze
        c, d = sine / squeeze, (sine * shear + cosine) * squeeze
        x, y = draws[4] * self.shift, draws[5] * self.shift
        return torch.from_numpy(np.stack([a, b, x, c, d, y], axis=1).astype(np.float32))


@lru_cache(maxsize=16)
def _base(size: int) -> Tensor:
    """Centres of `size` pixels from −1 to 1."""
    return (torch.arange(size, dtype=torch.float32) * 2 + 1) / size - 1


def _grid(matrices: Tensor, height: int, width: int) -> Tensor:
    """(n, height, width, 2) sampling points, elementwise so that no batch size changes a bit."""
    a, b, x, c, d, y = matrices[:, :, None].unbind(1)
    columns, rows = _base(width), _base(height)
    grid = torch.empty(len(matrices), height, width, 2)
    torch.add((a * columns)[:, None, :], (b * rows + x)[:, :, None], out=grid[..., 0])
    torch.add((c * columns)[:, None, :], (d * rows + y)[:, :, None], out=grid[..., 1])
    return grid


Augmentation = Callable[[Tensor, Places], Tensor]

AUGMENTATIONS: dict[str, Augmentation] = {
    "affine": Affine(degrees=15.0, shear=0.3, scale=0.15, squeeze=0.15, shift=0.15),
}
