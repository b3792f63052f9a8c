"""The layers that the networks of the 1990s are made of.

Source of all: LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document
Recognition", Proc. IEEE 86(11), 1998, section II.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

AMPLITUDE = 1.7159
SLOPE = 2 / 3
INIT_RANGE = 2.4

ConnectionTable = Sequence[Sequence[int]]


def squash(activation: Tensor) -> Tensor:
    """The scaled hyperbolic tangent 1.7159·tanh(2a/3): f(±1) = ±1 (1998, appendix A)."""
    return AMPLITUDE * torch.tanh(SLOPE * activation)


class Squash(nn.Module):
    """`squash` as a layer."""

    def forward(self, activation: Tensor) -> Tensor:
        """Squash every element; the shape stays."""
        return squash(activation)


class TableConv2d(nn.Module):
    """A convolution whose output maps each see only some of the input maps.

    Only the kernels that the table names are parameters. They are laid into a dense kernel of
    zeros before the convolution: on a CPU one dense convolution beats a dozen small ones.

    Args:
        in_maps: number of input feature maps.
        table: for each output map, the input maps it sees.
        kernel: height and width of the kernels.
    """

    index: Tensor

    def __init__(self, in_maps: int, table: ConnectionTable, kernel: int) -> None:
        super().__init__()
        self.in_maps = in_maps
        self.table = tuple(tuple(sources) for sources in table)
        pairs = [to * in_maps + source for to, sources in enumerate(table) for source in sources]
        self.kernels = nn.Parameter(torch.empty(len(pairs), kernel, kernel))
        self.bias = nn.Parameter(torch.empty(len(table)))
        self.register_buffer("index", torch.tensor(pairs), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights and biases uniformly within ±2.4 / fan-in of the map they belong to."""
        area = self.kernels.shape[1] * self.kernels.shape[2]
        position = 0
        with torch.no_grad():
            for to, sources in enumerate(self.table):
                bound = INIT_RANGE / (len(sources) * area)
                self.kernels[position : position + len(sources)].uniform_(-bound, bound)
                self.bias[to].uniform_(-bound, bound)
                position += len(sources)

    def dense_weight(self) -> Tensor:
        """The kernels in the dense layout (output maps, input maps, height, width)."""
        _, height, width = self.kernels.shape
        maps = len(self.table)
        empty = self.kernels.new_zeros(maps * self.in_maps, height, width)
        dense = empty.index_copy(0, self.index, self.kernels)
        return dense.view(maps, self.in_maps, height, width)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, in_maps, H, W) → (N, output maps, H − kernel + 1, W − kernel + 1)."""
        return F.conv2d(maps, self.dense_weight(), self.bias)


class Subsample2d(nn.Module):
    """Average over 2×2, one trainable coefficient and bias a map (1998, section II-B, layer S2).

    Args:
        maps: number of feature maps.
    """

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.empty(maps))
        self.bias = nn.Parameter(torch.empty(maps))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw from ±2.4 / fan-in; the fan-in is 4, and the average is a quarter of the sum."""
        nn.init.uniform_(self.coefficient, -INIT_RANGE, INIT_RANGE)
        nn.init.uniform_(self.bias, -INIT_RANGE / 4, INIT_RANGE / 4)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, maps, H, W) → (N, maps, H/2, W/2), before the squash."""
        average = F.avg_pool2d(maps, 2)
        return average * self.coefficient.view(-1, 1, 1) + self.bias.view(-1, 1, 1)


def full_layer(inputs: int, outputs: int) -> nn.Linear:
    """A full layer with weights and biases within ±2.4 / fan-in."""
    layer = nn.Linear(inputs, outputs)
    bound = INIT_RANGE / inputs
    nn.init.uniform_(layer.weight, -bound, bound)
    nn.init.uniform_(layer.bias, -bound, bound)
    return layer


def all_to_all(in_maps: int, out_maps: int) -> ConnectionTable:
    """The table in which every output map sees every input map."""
    return [tuple(range(in_maps))] * out_maps
