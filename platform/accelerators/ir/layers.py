"""Layers as the compiler reads them from a network, in floats, and as a chip runs them, in
integers."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.accelerators.chips.spec import FixedPoint
from striate.models.layers.lenet import squash

LayerKind = Literal["conv", "full", "rbf"]


@dataclass(frozen=True)
class FloatLayer:
    """One layer in floating point.

    Attributes:
        name: the module's name in the network.
        kind: what it computes.
        weight: (outputs, inputs / groups, height, width), (outputs, inputs), or codes.
        bias: (outputs,), or None.
        squash: whether 1.7159·tanh(2a/3) follows.
        stride: of a convolution.
        groups: of a convolution.
        synapses: connections without biases that all units at one position use.
        stored: distinct weights and biases.
        tied: whether a kernel's weights are one parameter (sub-sampling).
    """

    name: str
    kind: LayerKind
    weight: Tensor
    bias: Tensor | None
    squash: bool = False
    stride: int = 1
    groups: int = 1
    synapses: int = 0
    stored: int = 0
    tied: bool = False

    @property
    def outputs(self) -> int:
        """Feature maps, or units of a full layer."""
        return self.weight.shape[0]

    @property
    def fan_in(self) -> int:
        """The most inputs that one unit has."""
        return int((self.weight != 0).flatten(1).sum(1).max().item())

    def sums(self, states: Tensor) -> Tensor:
        """Weighted sums with bias, before the squash; for codes, minus the penalties."""
        if self.kind == "conv":
            return F.conv2d(states, self.weight, self.bias, self.stride, groups=self.groups)
        flat = torch.flatten(states, 1)
        if self.kind == "full":
            return F.linear(flat, self.weight, self.bias)
        return -(flat.unsqueeze(1) - self.weight).square().sum(2)

    def forward(self, states: Tensor) -> Tensor:
        """Sums, squashed where the layer is."""
        return squash(self.sums(states)) if self.squash else self.sums(states)


@dataclass(frozen=True)
class IntegerLayer:
    """One layer as the chip holds it.

    Attributes:
        name: the layer's name.
        weight: int32 codes (outputs, inputs / groups, height, width).
        thresholds: int64 (outputs, levels − 1), ascending along the second dimension.
        scale, zero: a state code c that this layer makes is worth scale·c + zero.
        full: whether it takes its input flattened.
        stride, groups: of the convolution.
        synapses: connections that all units at one position use.
        stored: weights and biases that the chip has to hold.
    """

    name: str
    weight: Tensor
    thresholds: Tensor
    scale: float
    zero: float
    full: bool = False
    stride: int = 1
    groups: int = 1
    synapses: int = 0
    stored: int = 0

    @property
    def fan_in(self) -> int:
        """The most inputs that one unit has."""
        return int((self.weight != 0).flatten(1).sum(1).max().item())

    def bound(self, state: FixedPoint) -> int:
        """The largest magnitude that any sum, whole or partial, can reach."""
        magnitude = max(state.high, -state.low)
        return magnitude * int(self.weight.abs().flatten(1).sum(1, dtype=torch.int64).max().item())

    def output_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """(maps, height, width) that an input of (maps, height, width) gives."""
        outputs, _, height, width = self.weight.shape
        if self.full:
            return (outputs, 1, 1)
        rows = (shape[1] - height) // self.stride + 1
        return (outputs, rows, (shape[2] - width) // self.stride + 1)
