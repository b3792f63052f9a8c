"""Local response normalisation that trains in any precision and memory format.

torch's own layer pads, pools in five dimensions and raises to a power, in float32 under autocast:
measured on a CPU, it took more than half of a training step of AlexNet. Here the sum over
neighbouring maps is a 1×1 convolution, and the gradient is written out.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BETA = 0.75


class ResponseNorm(nn.Module):
    """b = a / (k + α·Σa²)^0.75, the sum over `size` neighbouring maps.

    Source: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural
    networks", NIPS 2012, section 3.3; the constants as recalled. `torch.nn.LocalResponseNorm`
    computes the same when it is given `alpha` times `size`.

    Args:
        maps: feature maps that come in.
        size: neighbouring maps, the map itself among them; odd.
        k: what is added to the sum.
        alpha: what the sum is multiplied by.
    """

    band: Tensor
    offset: Tensor

    def __init__(self, maps: int, size: int = 5, k: float = 2.0, alpha: float = 1e-4) -> None:
        super().__init__()
        assert size % 2 == 1, "a map has as many neighbours below as above"
        place = torch.arange(maps)
        near = (place[:, None] - place).abs() <= size // 2
        self.register_buffer("band", alpha * near.float().view(maps, maps, 1, 1), persistent=False)
        self.register_buffer("offset", torch.full((maps,), k), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, maps, H, W) → the same shape and precision."""
        band, offset = self.band.to(maps.dtype), self.offset.to(maps.dtype)
        with _own_precision(maps.device.type):
            normalised: Tensor = _Normalise.apply(maps, band, offset)  # type: ignore[no-untyped-call]
        return normalised


def _own_precision(device: str) -> AbstractContextManager[object]:
    """Keeps autocast from widening what follows; the meta device knows no autocast."""
    return nullcontext() if device == "meta" else torch.autocast(device, enabled=False)


class _Normalise(torch.autograd.Function):
    """b = a·s^(−β) with s = k + α·Σa², and its gradient g·s^(−β) − 2αβ·a·Σ(g·a·s^(−β−1))."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, band: Tensor, offset: Tensor) -> Tensor:
        root = F.conv2d(maps * maps, band, offset).rsqrt()  # s^(−1/2)
        factor = root * root.sqrt()
        ctx.save_for_backward(maps, root, factor, band)
        return maps * factor

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        maps, root, factor, band = ctx.saved_tensors
        (gradient,) = gradients
        own = gradient * factor
        shared = F.conv2d(own * maps * root * root, band)
        return own - 2 * BETA * maps * shared, None, None
