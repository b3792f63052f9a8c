"""LeNet-1: the network of the 1990 zip-code reader and of the 1993 demonstration.

LeCun et al., "Handwritten digit recognition with a back-propagation network", NIPS-2, 1990.
On a 28×28 field it has 2,578 parameters and 98,442 connections. On a 32×32 field
(`lenet1_32`: maps of 28, 14, 10 and 5) it has 3,658 parameters and 131,400 multiply-accumulates,
which fits the 4,096 stored weights of the ANNA chip.
"""

import torch
from torch import Tensor, nn

from striate.core.numbers import Classes
from striate.models.layers.lenet import (
    ConnectionTable,
    Squash,
    Subsample2d,
    TableConv2d,
    all_to_all,
    full_layer,
)

# Which of the four maps of H2 each of the twelve maps of H3 sees.
H3_TABLE: ConnectionTable = (
    *((0,), (0, 1), (0, 1), (1,), (0, 1), (0, 1)),
    *((2,), (2, 3), (2, 3), (3,), (2, 3), (2, 3)),
)
FIELDS = {"lenet1": 28, "lenet1_32": 32}


class LeNet1(nn.Module):
    """Two convolutions, two sub-samplings, one full layer.

    Args:
        field: height and width of the input, in pixels.
        classes: number of outputs.
    """

    def __init__(self, field: int, classes: Classes = 10) -> None:
        super().__init__()
        self.input_shape = (1, field, field)
        self.classes = classes
        side = ((field - 4) // 2 - 4) // 2
        self.h1 = TableConv2d(1, all_to_all(1, 4), 5)
        self.h2 = Subsample2d(4)
        self.h3 = TableConv2d(4, H3_TABLE, 5)
        self.h4 = Subsample2d(12)
        self.output = full_layer(12 * side * side, classes)
        self.squash = Squash()

    def forward_features(self, images: Tensor) -> Tensor:
        """(N, 1, field, field) normalised intensity → (N, 12·side²) states of H4."""
        h1 = self.squash(self.h1(images))
        h2 = self.squash(self.h2(h1))
        h3 = self.squash(self.h3(h2))
        h4 = self.squash(self.h4(h3))
        return torch.flatten(h4, 1)

    def forward_head(self, features: Tensor) -> Tensor:
        """States of H4 → (N, classes) scores; larger is more likely."""
        scores: Tensor = self.output(features)
        return scores

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, field, field) → (N, classes) scores."""
        return self.forward_head(self.forward_features(images))


def lenet1(classes: Classes = 10) -> LeNet1:
    """LeNet-1 on a 28×28 field."""
    return LeNet1(FIELDS["lenet1"], classes)


def lenet1_32(classes: Classes = 10) -> LeNet1:
    """LeNet-1 on a 32×32 field, the one that fits the ANNA chip."""
    return LeNet1(FIELDS["lenet1_32"], classes)
