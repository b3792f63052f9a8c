"""GoogLeNet as published, with its 5×5 branches.

Szegedy et al., "Going deeper with convolutions", CVPR 2015, table 1. On a 224×224 field it has
6,998,552 parameters and 1,582,671,872 multiply-accumulates; with the two auxiliary heads, which
training alone uses, 13,378,280 parameters. Libraries of today put 3×3 kernels where the paper has
5×5, and batch normalisation where it has none; that is another network.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from striate.core.errors import UsageError
from striate.core.numbers import BelowOne, Classes, FieldSide, Width
from striate.models.layers.dropout import SampleDropout
from striate.models.layers.head import scale_count
from striate.models.layers.init import he_normal
from striate.models.layers.response_norm import ResponseNorm

_SMALLEST_FIELD = 33  # 2×2 at the last stage
_POOLS_BEFORE_AUXILIARY = 4
AUXILIARY_DROPOUT = 0.7
Output = Tensor | tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Mixture:
    """Maps of an inception module's branches: 1×1 | 1×1, 3×3 | 1×1, 5×5 | pool, 1×1."""

    ones: int
    reduced3: int
    threes: int
    reduced5: int
    fives: int
    pooled: int

    def scale(self, width: float) -> "Mixture":
        """The same with all maps times `width`."""
        return Mixture(**{name: scale_count(maps, width) for name, maps in vars(self).items()})

    @property
    def maps(self) -> int:
        """Maps that come out."""
        return self.ones + self.threes + self.fives + self.pooled


MIXTURES = {
    "3a": Mixture(64, 96, 128, 16, 32, 32),
    "3b": Mixture(128, 128, 192, 32, 96, 64),
    "4a": Mixture(192, 96, 208, 16, 48, 64),
    "4b": Mixture(160, 112, 224, 24, 64, 64),
    "4c": Mixture(128, 128, 256, 24, 64, 64),
    "4d": Mixture(112, 144, 288, 32, 64, 64),
    "4e": Mixture(256, 160, 320, 32, 128, 128),
    "5a": Mixture(256, 160, 320, 32, 128, 128),
    "5b": Mixture(384, 192, 384, 48, 128, 128),
}


class Inception(nn.Module):
    """Four branches over the same maps, side by side.

    Args:
        in_maps: maps that come in.
        mixture: maps of the branches.
    """

    def __init__(self, in_maps: int, mixture: Mixture) -> None:
        super().__init__()
        self.ones = _convolution(in_maps, mixture.ones, 1)
        self.threes = nn.Sequential(
            _convolution(in_maps, mixture.reduced3, 1),
            _convolution(mixture.reduced3, mixture.threes, 3),
        )
        self.fives = nn.Sequential(
            _convolution(in_maps, mixture.reduced5, 1),
            _convolution(mixture.reduced5, mixture.fives, 5),
        )
        self.pooled = nn.Sequential(
            nn.MaxPool2d(3, 1, padding=1), _convolution(in_maps, mixture.pooled, 1)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(N, in_maps, H, W) → (N, mixture.maps, H, W)."""
        branches = [self.ones, self.threes, self.fives, self.pooled]
        return torch.cat([branch(maps) for branch in branches], 1)


class AuxiliaryHead(nn.Module):
    """A classifier in the middle of the network, for training alone.

    Args:
        in_maps: maps that come in.
        side: height and width of the maps.
        classes: number of outputs.
        width: multiplies maps and hidden units.
        salt: of the dropout.
    """

    def __init__(self, in_maps: int, side: int, classes: int, width: float, salt: int) -> None:
        super().__init__()
        kernel = min(5, side)
        left = (side - kernel) // 3 + 1
        maps, units = scale_count(128, width), scale_count(1024, width)
        self.layers = nn.Sequential(
            nn.AvgPool2d(kernel, 3),
            _convolution(in_maps, maps, 1),
            nn.Flatten(),
            nn.Linear(maps * left * left, units),
            nn.ReLU(inplace=True),
            SampleDropout(AUXILIARY_DROPOUT, salt),
        )
        self.output = nn.Linear(units, classes)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, in_maps, side, side) → (N, classes) logits."""
        logits: Tensor = self.output(self.layers(maps))
        return logits


class GoogLeNet(nn.Module):
    """Nine inception modules after three convolutions.

    Args:
        classes: number of outputs.
        field: height and width of the input, in pixels.
        width: multiplies all maps and hidden units.
        dropout: before the output layer.
        auxiliary: whether there are auxiliary heads.

    Raises:
        UsageError: the field is too small, or the width or dropout is no such.
    """

    def __init__(
        self, classes: int, field: int, width: float, dropout: float, auxiliary: bool
    ) -> None:
        super().__init__()
        if field < _SMALLEST_FIELD:
            raise UsageError(
                f"A field of {field} pixels leaves nothing for the last modules.",
                f"Give one of at least {_SMALLEST_FIELD}.",
            )
        self.input_shape = (3, field, field)
        self.classes = classes
        stem, middle = scale_count(64, width), scale_count(192, width)
        mixtures = {name: mixture.scale(width) for name, mixture in MIXTURES.items()}
        self.stem = nn.Sequential(
            _convolution(3, stem, 7, stride=2),
            *(_pool(), ResponseNorm(stem)),
            _convolution(stem, stem, 1),
            _convolution(stem, middle, 3),
            *(ResponseNorm(middle), _pool()),
        )
        modules: dict[str, nn.Module] = {}
        maps = middle
        for name, mixture in mixtures.items():
            modules[name] = Inception(maps, mixture)
            maps = mixture.maps
        self.mixtures = nn.ModuleDict(modules)
        self.pool = _pool()
        self.dropout = SampleDropout(dropout, salt=1)
        self.auxiliary = nn.ModuleDict()
        if auxiliary:
            side = -(-field // 2**_POOLS_BEFORE_AUXILIARY)
            for salt, name in enumerate(("4a", "4d"), 2):
                self.auxiliary[name] = AuxiliaryHead(
                    mixtures[name].maps, side, classes, width, salt
                )
        self.output = nn.Linear(maps, classes)

    def forward_features(self, images: Tensor) -> Tensor:
        """(N, 3, field, field) → (N, 1024), the average of the last maps."""
        return self._features(images)[0]

    def forward_head(self, features: Tensor) -> Tensor:
        """The averages → (N, classes) logits."""
        logits: Tensor = self.output(self.dropout(features))
        return logits

    def forward(self, images: Tensor) -> Output:
        """(N, 3, field, field) → (N, classes) logits.

        With auxiliary heads and in training mode, a tuple of the logits and those of both heads.
        """
        features, auxiliary = self._features(images)
        logits = self.forward_head(features)
        if not auxiliary:
            return logits
        first, second = auxiliary
        return logits, first, second

    def _features(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        maps = self.stem(images)
        auxiliary: list[Tensor] = []
        for name, module in self.mixtures.items():
            if name in ("4a", "5a"):
                maps = self.pool(maps)
            maps = module(maps)
            if self.training and name in self.auxiliary:
                auxiliary.append(self.auxiliary[name](maps))
        return maps.mean((2, 3)), auxiliary


def googlenet(
    classes: Classes = 1000,
    field: FieldSide = 224,
    width: Width = 1.0,
    dropout: BelowOne = 0.4,
    auxiliary: bool = False,
) -> GoogLeNet:
    """GoogLeNet, with He's initial weights; the paper gives none.

    Args:
        classes: number of outputs.
        field: height and width of the input, in pixels; at least 33. Below 80, the auxiliary
            heads average over all of their maps, which are smaller than 5×5.
        width: multiplies all maps and hidden units.
        dropout: before the output layer; in the auxiliary heads it is 0.7.
        auxiliary: adds the heads after modules 4a and 4d. In training mode the network then
            returns (logits, logits of 4a's head, logits of 4d's head).

    Raises:
        UsageError: an argument is no such value.
    """
    model = GoogLeNet(classes, field, width, dropout, auxiliary)
    he_normal(model)
    return model


def _convolution(in_maps: int, maps: int, kernel: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(in_maps, maps, kernel, stride, padding=kernel // 2)
    return nn.Sequential(convolution, nn.ReLU(inplace=True))


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, 2, ceil_mode=True)
