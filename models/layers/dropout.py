"""Dropout whose masks belong to the samples, not to whoever computes them.

A random generator's state depends on what was drawn before: on the rank, the number of workers,
how a batch is cut and whether the run was restarted. Here a unit is dropped or kept by a hash of
three integers: the sample's key, the layer's salt and the unit's index. So a run that grows,
shrinks or resumes has the very masks of the undisturbed run, on a CPU and on a GPU alike.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.errors import UsageError


def _signed(number: int) -> int:
    """The low 64 bits of a number, as torch's int64 holds them."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


_GOLDEN = _signed(0x9E3779B97F4A7C15)  # the increment of splitmix64
_MIX_1, _MIX_2 = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)
_MIX_32 = (0x7FEB352D, 0x846CA68B - (1 << 32))
_RESOLUTION = 24  # bits of a hash that decide, so that a share is met to 6e-8

# A plain global and no context variable: torch.compile traces the one and breaks at the other.
_keys: Tensor | None = None


@contextmanager
def sample_keys(keys: Tensor) -> Iterator[None]:
    """Inside it, every `SampleDropout` in training mode draws its masks from `keys`.

    Args:
        keys: (N,) int64 on the inputs' device, one for each sample of the batch, in order; any
            integers, and different ones for samples whose masks shall be independent.
    """
    global _keys
    before, _keys = _keys, keys
    try:
        yield
    finally:
        _keys = before


class SampleDropout(nn.Module):
    """Zero each unit of each sample with probability `p`, and scale the rest by 1 / (1 − p).

    Outside of `sample_keys` it draws from torch's generator, as `nn.Dropout` does.

    Args:
        p: probability that a unit is dropped, in [0, 1).
        salt: of this layer; layers of one network take different ones.

    Raises:
        UsageError: `p` is no such probability.
    """

    def __init__(self, p: float = 0.5, salt: int = 0) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise UsageError(f"A dropout of {p} is no share of units.", "Give one in [0, 1).")
        self.p = p
        self.salt = salt

    def extra_repr(self) -> str:
        """What `repr` shows."""
        return f"p={self.p}, salt={self.salt}"

    def forward(self, units: Tensor) -> Tensor:
        """(N, …) → the same shape; unchanged in evaluation mode."""
        if not self.training or self.p == 0:
            return units
        if _keys is None:
            return F.dropout(units, self.p, training=True)
        assert len(_keys) == len(units), f"{len(_keys)} keys for {len(units)} samples"
        return torch.where(
            draw_mask(_keys, self.salt, units.shape, self.p), units / (1 - self.p), 0
        )


def draw_mask(keys: Tensor, salt: int, shape: torch.Size, p: float) -> Tensor:
    """Which units stay.

    Args:
        keys: (N,) int64.
        salt: of the layer.
        shape: (N, …) of the units; their index is that of the contiguous layout.
        p: probability that a unit is dropped.

    Returns:
        Booleans of that shape, a function of each sample's own key, the salt and the unit's index.
    """
    count = shape[1:].numel()
    units = torch.arange(count, device=keys.device)
    samples = splitmix64(keys + _signed(salt * _GOLDEN))
    # 64-bit hashes of samples and of units, folded to 32 bits: the many hashes of pairs cost half
    hashes = _mix32(samples.to(torch.int32)[:, None] ^ splitmix64(units).to(torch.int32))
    decided = hashes.bitwise_right_shift_(32 - _RESOLUTION).bitwise_and_((1 << _RESOLUTION) - 1)
    return (decided >= round(p * (1 << _RESOLUTION))).view(shape)


def splitmix64(numbers: Tensor) -> Tensor:
    """A hash of int64 numbers, each bit of which depends on every bit of the number.

    Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    Products wrap around, as two's complement does on every device.
    """
    mixed = numbers + _GOLDEN
    mixed = (mixed ^ _shifted(mixed, 30)) * _MIX_1
    mixed = (mixed ^ _shifted(mixed, 27)) * _MIX_2
    return mixed ^ _shifted(mixed, 31)


def _shifted(numbers: Tensor, bits: int) -> Tensor:
    return (numbers >> bits) & ((1 << (64 - bits)) - 1)  # torch's own shift keeps the sign


def _mix32(numbers: Tensor) -> Tensor:
    """A hash of int32 numbers: multiply and shift, constants of C. Wellons' hash prospector."""
    mixed = numbers ^ ((numbers >> 16) & 0xFFFF)
    mixed = mixed.mul_(_MIX_32[0])
    mixed = mixed ^ ((mixed >> 15) & 0x1FFFF)
    mixed = mixed.mul_(_MIX_32[1])
    return mixed.bitwise_xor_((mixed >> 16) & 0xFFFF)
