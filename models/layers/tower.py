"""A tower: convolutions, pooling and response normalisation in a row, then full layers.

AlexNet, OverFeat, VGG and their like are such towers; each file of them holds a table of layers.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor, nn

from striate.core.errors import UsageError
from striate.models.layers.head import FullHead, scale_count
from striate.models.layers.response_norm import ResponseNorm


@dataclass(frozen=True)
class Conv:
    """A convolution and a rectifier.

    Attributes:
        maps: output feature maps at width 1.
        kernel: height and width.
        stride: in both directions.
        padding: zeros on each side.
        groups: into which input and output maps are divided.
    """

    maps: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1


@dataclass(frozen=True)
class MaxPool:
    """The maximum over `kernel`², every `stride` pixels; partly outside windows are left out."""

    kernel: int
    stride: int


@dataclass(frozen=True)
class Norm:
    """Local response normalisation with AlexNet's constants; see `ResponseNorm`."""


Layer: TypeAlias = Conv | MaxPool | Norm


class Tower(nn.Module):
    """A table of layers, built.

    Args:
        layers: the table.
        field: height and width of the input, in pixels.
        classes: number of outputs.
        in_maps: maps of the input: 3 for RGB.
        hidden: units of the hidden full layers at width 1.
        width: multiplies all maps and hidden units.
        dropout: probability that a hidden unit of the full layers is dropped in training.

    Raises:
        UsageError: the field is too small for the layers, or the width or dropout is no such.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        field: int,
        classes: int,
        *,
        in_maps: int = 3,
        hidden: Sequence[int] = (4096, 4096),
        width: float = 1.0,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.input_shape = (in_maps, field, field)
        self.classes = classes
        self.features, maps = _built(layers, in_maps, width)
        side = map_sizes(layers, field)[-1]
        self.head = FullHead(
            maps, (side, side), [scale_count(units, width) for units in hidden], classes, dropout
        )

    def forward_features(self, images: Tensor) -> Tensor:
        """(N, maps, field, field) → (N, C, side, side), the last feature maps."""
        maps: Tensor = self.features(images)
        return maps

    def forward_head(self, features: Tensor) -> Tensor:
        """The last feature maps → (N, classes) logits."""
        logits: Tensor = self.head(features)
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """(N, maps, field, field) → (N, classes) logits."""
        return self.forward_head(self.forward_features(images))


def map_sizes(layers: Sequence[Layer], field: int) -> list[int]:
    """Height and width of the maps after each layer, from a field of `field` pixels.

    Raises:
        UsageError: nothing is left after one of them.
    """
    found, side = [], field
    for number, layer in enumerate(layers, 1):
        if isinstance(layer, Norm):
            found.append(side)
            continue
        padding = layer.padding if isinstance(layer, Conv) else 0
        side = (side + 2 * padding - layer.kernel) // layer.stride + 1
        if side < 1:
            raise UsageError(
                f"A field of {field} pixels leaves nothing for layer {number} of"
                f" {len(layers)}, {layer}.",
                "Give a larger field.",
            )
        found.append(side)
    return found


def _built(layers: Sequence[Layer], in_maps: int, width: float) -> tuple[nn.Sequential, int]:
    """The layers, and the number of maps that come out; modules are numbered by convolution."""
    multiple = max(layer.groups for layer in layers if isinstance(layer, Conv))
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    maps, number = in_maps, 0
    for layer in layers:
        if isinstance(layer, Conv):
            number += 1
            inputs, maps = maps, scale_count(layer.maps, width, multiple)
            modules[f"conv{number}"] = nn.Conv2d(
                inputs, maps, layer.kernel, layer.stride, layer.padding, groups=layer.groups
            )
            modules[f"relu{number}"] = nn.ReLU(inplace=True)
        elif isinstance(layer, MaxPool):
            modules[f"pool{number}"] = nn.MaxPool2d(layer.kernel, layer.stride)
        else:
            modules[f"norm{number}"] = ResponseNorm(maps)
    return nn.Sequential(modules), maps
