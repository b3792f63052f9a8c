"""The full layers at the end of the large networks, and how a width scales them."""

from collections import OrderedDict
from collections.abc import Sequence
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.errors import UsageError
from striate.models.layers.dropout import SampleDropout


def scale_count(count: int, width: float, multiple: int = 1) -> int:
    """A published number of maps or units times `width`, as a multiple of `multiple`.

    Raises:
        UsageError: the width is not positive.

    >>> scale_count(96, 0.25), scale_count(256, 0.1, multiple=2)
    (24, 26)
    """
    if width <= 0:
        raise UsageError(f"A width of {width} leaves no feature maps.", "Give one above 0.")
    return max(1, round(count * width / multiple)) * multiple


class FullHead(nn.Module):
    """Full layers with rectifiers and dropout, and an output layer without.

    Dropout follows each hidden layer. The salts of its masks are the layers' numbers.

    Args:
        maps: feature maps that come in.
        sides: extent of each map, for example (height, width).
        hidden: units of each hidden layer.
        classes: number of outputs.
        dropout: probability that a hidden unit is dropped in training.
    """

    def __init__(
        self, maps: int, sides: Sequence[int], hidden: Sequence[int], classes: int, dropout: float
    ) -> None:
        super().__init__()
        self.maps = maps
        self.sides = tuple(sides)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        inputs = maps * prod(sides)
        for number, units in enumerate(hidden, 1):
            layers[f"full{number}"] = nn.Linear(inputs, units)
            layers[f"relu{number}"] = nn.ReLU(inplace=True)
            layers[f"dropout{number}"] = SampleDropout(dropout, salt=number)
            inputs = units
        layers["output"] = nn.Linear(inputs, classes)
        self.layers = nn.Sequential(layers)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, maps, *sides) → (N, classes) scores."""
        scores: Tensor = self.layers(torch.flatten(maps, 1))
        return scores

    def dense(self, maps: Tensor, dilation: int = 1) -> Tensor:
        """The head at every place of larger maps, its layers as convolutions; without dropout.

        Args:
            maps: (N, maps, H, W), at least as large as `sides`.
            dilation: distance of the maps' entries that the head takes as neighbours.

        Returns:
            (N, classes, H', W') scores, H' = H − dilation·(height − 1).
        """
        first, *rest = [layer for layer in self.layers if isinstance(layer, nn.Linear)]
        kernel = first.weight.view(-1, self.maps, *self.sides)
        scores = F.conv2d(maps, kernel, first.bias, dilation=dilation)
        for layer in rest:
            scores = F.conv2d(F.relu(scores), layer.weight[:, :, None, None], layer.bias)
        return scores
