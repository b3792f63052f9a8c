"""LeNet-5 as of 1998, and the network that goes by its name today.

LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition",
Proc. IEEE 86(11), 1998, section II-B. `lenet5` has 60,000 trainable parameters and 340,908
connections. `lenet5_modern` (full C3, rectifiers, max pooling, linear output) has 61,706
parameters; it is another network.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.numbers import Classes
from striate.models.layers.codes import digit_codes
from striate.models.layers.lenet import (
    ConnectionTable,
    Squash,
    Subsample2d,
    TableConv2d,
    all_to_all,
    full_layer,
)

# 1998, Table I: the maps of S2 that each map of C3 sees.
C3_TABLE: ConnectionTable = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5, 0), (5, 0, 1)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (3, 4, 5, 0), (4, 5, 0, 1), (5, 0, 1, 2)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (2, 3, 5, 0)),
    (0, 1, 2, 3, 4, 5),
)


class RbfOutput(nn.Module):
    """Euclidean radial basis functions: squared distance to a fixed code of each class."""

    codes: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("codes", digit_codes())

    def forward(self, features: Tensor) -> Tensor:
        """(N, 84) → (N, 10) penalties, Σ (x − w)² (1998, equation 7); smaller is more likely."""
        return (features.unsqueeze(1) - self.codes).square().sum(2)


class LeNet5(nn.Module):
    """LeNet-5 as of 1998 for the ten digits, on a 32×32 field."""

    def __init__(self) -> None:
        super().__init__()
        self.input_shape = (1, 32, 32)
        self.classes = 10
        self.c1 = TableConv2d(1, all_to_all(1, 6), 5)
        self.s2 = Subsample2d(6)
        self.c3 = TableConv2d(6, C3_TABLE, 5)
        self.s4 = Subsample2d(16)
        self.c5 = TableConv2d(16, all_to_all(16, 120), 5)
        self.f6 = full_layer(120, 84)
        self.rbf = RbfOutput()
        self.squash = Squash()

    def forward_features(self, images: Tensor) -> Tensor:
        """(N, 1, 32, 32), background −0.1 and ink 1.175 → (N, 84) states of F6."""
        s2 = self.squash(self.s2(self.squash(self.c1(images))))
        s4 = self.squash(self.s4(self.squash(self.c3(s2))))
        c5 = self.squash(self.c5(s4))
        f6: Tensor = self.squash(self.f6(torch.flatten(c5, 1)))
        return f6

    def forward_head(self, features: Tensor) -> Tensor:
        """States of F6 → (N, 10) minus the penalties; larger is more likely."""
        penalties: Tensor = self.rbf(features)
        return -penalties

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, 32, 32) → (N, 10) minus the penalties, so that arg max and softmax apply."""
        return self.forward_head(self.forward_features(images))


class LeNet5Modern(nn.Module):
    """What today's libraries call LeNet-5, on a 32×32 field.

    Args:
        classes: number of outputs.
    """

    def __init__(self, classes: Classes = 10) -> None:
        super().__init__()
        self.input_shape = (1, 32, 32)
        self.classes = classes
        self.c1 = nn.Conv2d(1, 6, 5)
        self.c3 = nn.Conv2d(6, 16, 5)
        self.f5 = nn.Linear(400, 120)
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, classes)

    def forward_features(self, images: Tensor) -> Tensor:
        """(N, 1, 32, 32) → (N, 84) activations of F6."""
        s2 = F.max_pool2d(F.relu(self.c1(images)), 2)
        s4 = F.max_pool2d(F.relu(self.c3(s2)), 2)
        return F.relu(self.f6(F.relu(self.f5(torch.flatten(s4, 1)))))

    def forward_head(self, features: Tensor) -> Tensor:
        """Activations of F6 → (N, classes) logits."""
        logits: Tensor = self.output(features)
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, 32, 32) → (N, classes) logits."""
        return self.forward_head(self.forward_features(images))


def lenet5() -> LeNet5:
    """LeNet-5 as of 1998."""
    return LeNet5()


def lenet5_modern(classes: Classes = 10) -> LeNet5Modern:
    """The modern network of that name."""
    return LeNet5Modern(classes)
