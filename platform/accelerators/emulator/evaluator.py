"""A layer in integers: weights as codes, the squash as thresholds, and its exact evaluation.

A unit's sum is Σ weight code · state code. Bias, scales and the squash together become, for every
feature map, ascending integer thresholds on the sum: the new state code is the lowest code plus the
number of thresholds that the sum reaches. So nothing is rounded at run time.

Floating-point convolution serves as the adder, only where it is proven exact: every partial sum, in
any order, is at most max|state| · Σ|weight|, and integers below 2^24 (2^53) are exact in float32
(float64).
"""

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.accelerators.chips.spec import ChipSpec, FixedPoint
from striate.core.errors import UnsupportedLayer

FLOAT32_EXACT = 2**24
FLOAT64_EXACT = 2**53
_TABLE_LIMIT = 2**20  # entries of a look-up table from sum to state: 4 MB of float32


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


class Evaluator:
    """Evaluates one integer layer on one chip, exactly.

    Raises:
        UnsupportedLayer: the sums could leave what the accumulator, or exact arithmetic, holds.
    """

    def __init__(self, layer: IntegerLayer, spec: ChipSpec) -> None:
        self.layer = layer
        self.spec = spec
        self.bound = layer.bound(spec.state)
        self.wraps = self.bound >= 2 ** (spec.accumulator_bits - 1)
        _check_bound(layer, spec, self.bound, self.wraps)
        self.dtype = torch.float32 if self.bound < FLOAT32_EXACT else torch.float64
        self._weight = layer.weight.to(self.dtype)

    def sums(self, states: Tensor) -> Tensor:
        """State codes (N, C, H, W) → sums (N, maps, H', W') of `dtype`, after any wrap."""
        if self.layer.full:
            states = states.reshape(len(states), -1, 1, 1)
        layer = self.layer
        sums = F.conv2d(states.to(self.dtype), self._weight, None, layer.stride, 0, 1, layer.groups)
        return self._wrapped(sums) if self.wraps else sums

    def evaluate(self, states: Tensor) -> Tensor:
        """State codes (N, C, H, W) → state codes (N, maps, H', W'), int8 or int16."""
        sums = self.sums(states)
        return self._by_table(sums) if self._table is not None else self._by_search(sums)

    def _wrapped(self, sums: Tensor) -> Tensor:
        half = 2 ** (self.spec.accumulator_bits - 1)
        wrapped: Tensor = (sums.long() + half) % (2 * half) - half
        return wrapped.to(self.dtype)

    @cached_property
    def _table(self) -> Tensor | None:
        """For every map and possible sum the state code; None where that would be large."""
        maps = len(self.layer.thresholds)
        if self.wraps or (2 * self.bound + 1) * maps > _TABLE_LIMIT:
            return None
        sums = torch.arange(-self.bound, self.bound + 1)
        reached = torch.searchsorted(self.layer.thresholds, sums.repeat(maps, 1), right=True)
        return torch.flatten(self._codes(reached))

    def _by_table(self, sums: Tensor) -> Tensor:
        assert self._table is not None
        maps = sums.shape[1]
        offset = torch.arange(maps) * (2 * self.bound + 1) + self.bound
        index = sums.to(torch.int32) + offset.to(torch.int32).view(1, maps, 1, 1)
        return torch.index_select(self._table, 0, index.flatten()).view(index.shape)

    def _by_search(self, sums: Tensor) -> Tensor:
        by_map = sums.transpose(0, 1).flatten(1).long().contiguous()
        reached = torch.searchsorted(self.layer.thresholds, by_map, right=True)
        count, maps, *places = sums.shape
        codes = self._codes(reached).view(maps, count, *places)
        return torch.transpose(codes, 0, 1).contiguous()

    def _codes(self, reached: Tensor) -> Tensor:
        dtype = torch.int8 if self.spec.state.bits <= 8 else torch.int16
        return (reached + self.spec.state.low).to(dtype)


def _check_bound(layer: IntegerLayer, spec: ChipSpec, bound: int, leaves: bool) -> None:
    if leaves and spec.accumulator_overflow == "saturate":
        raise UnsupportedLayer(
            f"Layer {layer.name}: sums up to {bound:,} could saturate the {spec.accumulator_bits}-"
            f"bit accumulator of {spec.name}, where the result depends on the order.",
            "Use a smaller window or a layer with smaller weights.",
        )
    if bound >= FLOAT64_EXACT:
        raise UnsupportedLayer(
            f"Layer {layer.name}: sums up to {bound:,} are beyond exact arithmetic.",
            "Use a smaller window or a chip with narrower formats.",
        )
