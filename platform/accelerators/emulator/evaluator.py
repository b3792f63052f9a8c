"""A layer in integers: weights as codes, the squash as thresholds, and its exact evaluation.

A unit's sum is Σ weight code · state code. Bias, scales and the squash together become, for every
feature map, ascending integer thresholds on the sum: the new state code is the lowest code plus the
number of thresholds that the sum reaches. So nothing is rounded at run time.

Floating-point convolution serves as the adder, only where it is proven exact: every partial sum, in
any order, is at most max|state| · Σ|weight|, and integers below 2^24 (2^53) are exact in float32
(float64).
"""

from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.accelerators.chips.spec import ChipSpec
from striate.accelerators.ir.layers import IntegerLayer
from striate.core.errors import UnsupportedLayer

FLOAT32_EXACT = 2**24
FLOAT64_EXACT = 2**53
_TABLE_LIMIT = 2**20  # entries of a look-up table from sum to state: 4 MB of float32


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
