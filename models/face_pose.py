"""Detecting a face and estimating its pose at once.

Osadchy, LeCun, Miller, "Synergistic face detection and pose estimation with energy-based models",
JMLR 8:1197-1215, 2007. A 32×32 grey window is mapped to a point G in nine dimensions, near the
manifold of faces (`striate.models.evaluation.pose_manifold`) if it shows one, and far from it if
not. 63,493 parameters, as published.

The table of C3 is not in the paper: with 80 of its 160 connections the count comes out, and here
each of the 20 maps sees four of the eight maps below, each of which is seen ten times.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.models.layers.lenet import (
    ConnectionTable,
    Squash,
    Subsample2d,
    TableConv2d,
    all_to_all,
    full_layer,
)

FIELD = 32
"""Height and width of a window, in pixels."""

STRIDE = 4
"""Pixels from a window to the next in a whole image: the product of the sub-samplings."""

DIMENSIONS = 9
"""Of the space that windows are mapped to."""

C3_TABLE: ConnectionTable = (
    *(tuple((first + step) % 8 for step in range(4)) for first in range(8)),
    *(tuple((first + step) % 8 for step in (0, 1, 4, 5)) for first in range(4)),
    *(tuple((first + step) % 8 for step in (0, 2, 3, 5)) for first in range(8)),
)


class FacePose(nn.Module):
    """The network of 2007; a convolutional one, so that it runs over images of any size."""

    def __init__(self) -> None:
        super().__init__()
        self.input_shape = (1, FIELD, FIELD)
        self.classes = DIMENSIONS
        self.c1 = TableConv2d(1, all_to_all(1, 8), 5)
        self.s2 = Subsample2d(8)
        self.c3 = TableConv2d(8, C3_TABLE, 5)
        self.s4 = Subsample2d(20)
        self.c5 = TableConv2d(20, all_to_all(20, 120), 5)
        self.f6 = full_layer(120, DIMENSIONS)
        self.squash = Squash()

    def forward_features(self, images: Tensor) -> Tensor:
        """(N, 1, 32, 32) → (N, 120) states of C5; larger images: (N, 120, H', W')."""
        s2 = self.squash(self.s2(self.squash(self.c1(images))))
        s4 = self.squash(self.s4(self.squash(self.c3(s2))))
        c5: Tensor = self.squash(self.c5(s4))
        return torch.flatten(c5, 1) if images.shape[2:] == (FIELD, FIELD) else c5

    def forward_head(self, features: Tensor) -> Tensor:
        """States of C5 → (N, 9) points."""
        points: Tensor = self.f6(features)
        return points

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, 32, 32) windows of mean 0 → (N, 9) points G."""
        return self.forward_head(self.forward_features(images))

    def dense(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) from 32×32 on → (N, 9, H', W'), one point each `STRIDE` pixels.

        What windows share is computed once; a point is that of its window cut out.
        """
        states = self.forward_features(images)
        if states.ndim == 2:
            states = states[:, :, None, None]
        return F.conv2d(states, self.f6.weight[:, :, None, None], self.f6.bias)


def face_pose() -> FacePose:
    """The network of 2007."""
    return FacePose()
