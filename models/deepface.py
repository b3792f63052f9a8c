"""DeepFace: a description of a frontalised face.

Taigman, Yang, Ranzato, Wolf, "DeepFace: closing the gap to human-level performance in face
verification", CVPR 2014, section 3. With 4,030 classes on 152×152 pixels, 118,923,774 parameters
(the paper: more than 120 million) and 517,624,448 multiply-accumulates.

| Layer | Maps, kernel, stride | Side | Parameters |
|---|---|---|---|
| C1 | 32, 11×11, 1 | 142 | 11,648 |
| M2 | largest of 3×3, 2, the border included | 71 | |
| C3 | 16, 9×9, 1 | 63 | 41,488 |
| L4, locally connected | 16, 9×9, 1 | 55 | 62,774,800 |
| L5, locally connected | 16, 7×7, 2 | 25 | 7,850,000 |
| L6, locally connected | 16, 5×5, 1 | 21 | 2,829,456 |
| F7 | 4,096 units | | 28,905,472 |
| F8 | 4,030 units | | 16,510,910 |
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.errors import UnknownName, UsageError
from striate.core.numbers import BelowOne, Classes, FieldSide, Maps, Width
from striate.models.layers.dropout import SampleDropout
from striate.models.layers.head import scale_count
from striate.models.layers.init import (
    Init,
    he_normal,
    init_or_default,
    layers_with_weights,
    set_normal,
)
from striate.models.layers.locally_connected import LocallyConnected2d

Head = Literal["classes", "siamese"]
HEADS = ("classes", "siamese")
LEAST_FIELD = 72
_STD, _BIAS = 0.01, 0.5  # as recalled of section 3.3: N(0, 0.01²), biases 0.5


class WeightedUnits(nn.Module):
    """Descriptors of length 1, unit by unit times a weight α from 0.

    The sum of absolute differences of two is Σ α_i |f_i − g_i|, the distance that the paper's
    siamese network learns (section 4.2). At first all α are 1/√units, so that no distance is
    above √2.

    Args:
        units: of a descriptor.
    """

    def __init__(self, units: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((units,), units**-0.5))

    def forward(self, descriptors: Tensor) -> Tensor:
        """(N, units) → the same shape."""
        return F.normalize(descriptors) * self.alpha.abs()


class DeepFace(nn.Module):
    """DeepFace; see `deepface` for the arguments."""

    def __init__(
        self, classes: int, field: int, width: float, dropout: float, in_maps: int, head: Head
    ) -> None:
        super().__init__()
        if head not in HEADS:
            raise UnknownName.of("head", head, HEADS)
        if field < LEAST_FIELD:
            raise UsageError(
                f"A field of {field} pixels leaves nothing for DeepFace's last layers.",
                f"Give {LEAST_FIELD} or more.",
            )
        self.input_shape = (in_maps, field, field)
        wide, narrow = scale_count(32, width), scale_count(16, width)
        self.c1 = nn.Conv2d(in_maps, wide, 11)
        self.m2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.c3 = nn.Conv2d(wide, narrow, 9)
        side = -(-(field - 10 - 3) // 2) + 1 - 8
        self.l4 = LocallyConnected2d(narrow, narrow, (side, side), 9)
        self.l5 = LocallyConnected2d(narrow, narrow, self.l4.places, 7, stride=2)
        self.l6 = LocallyConnected2d(narrow, narrow, self.l5.places, 5)
        height, last = self.l6.places
        self.f7 = nn.Linear(narrow * height * last, scale_count(4096, width))
        self.f8: nn.Linear | WeightedUnits
        self.dropout = SampleDropout(dropout, salt=1)
        self.classes = classes if head == "classes" else self.f7.out_features
        if head == "classes":
            self.f8 = nn.Linear(self.f7.out_features, classes)
        else:
            self.f8 = WeightedUnits(self.f7.out_features)

    @property
    def descriptor_size(self) -> int:
        """Units of F7."""
        return self.f7.out_features

    def forward_features(self, images: Tensor) -> Tensor:
        """(N, maps, field, field) → (N, units of F7), rectified; without dropout."""
        maps = F.relu(self.c3(self.m2(F.relu(self.c1(images)))))
        for layer in (self.l4, self.l5, self.l6):
            maps = F.relu(layer(maps))
        return F.relu(self.f7(torch.flatten(maps, 1)))

    def forward_head(self, features: Tensor) -> Tensor:
        """Units of F7 → (N, classes) logits, or (N, units of F7), weighted, of length 1 before."""
        logits: Tensor = self.f8(self.dropout(features))
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """(N, maps, field, field) → (N, classes); see `forward_head`."""
        return self.forward_head(self.forward_features(images))


def deepface(
    classes: Classes = 4030,
    field: FieldSide = 152,
    width: Width = 1.0,
    dropout: BelowOne = 0.5,
    in_maps: Maps = 3,
    init: Init | None = None,
    head: Head = "classes",
) -> DeepFace:
    """DeepFace.

    Args:
        classes: people told apart in training.
        field: height and width of the input, in pixels; at least 72.
        width: multiplies all maps and hidden units.
        dropout: probability that a unit of F7 is dropped in training.
        in_maps: maps of the input: 3 for RGB.
        init: ``published``: N(0, 0.01²), biases 0.5; ``he``: see `he_normal`. None is the
            published one at width 1, and He's at any other.
        head: ``classes``: F8; ``siamese``: a weight for each unit of F7 in its place, so that the
            outputs of two pictures are compared.

    Raises:
        UsageError, UnknownName: an argument is no such value.
    """
    model = DeepFace(classes, field, width, dropout, in_maps, head)
    local = [layer for layer in model.modules() if isinstance(layer, LocallyConnected2d)]
    if init_or_default(init, width) == "he":
        he_normal(model)
        if isinstance(model.f8, nn.Linear):
            set_normal(model.f8, _STD)
        return model  # locally connected layers begin with He's
    for layer in layers_with_weights(model):
        set_normal(layer, _STD, _BIAS)
    for one in local:
        one.reset_parameters(_STD, _BIAS)
    return model
