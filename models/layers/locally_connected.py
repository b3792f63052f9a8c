"""A convolution whose kernels differ from place to place, as DeepFace's L4 to L6.

Taigman, Yang, Ranzato, Wolf, "DeepFace: closing the gap to human-level performance in face
verification", CVPR 2014, section 3.1. The usual way, `unfold` and one product for each place,
copies every input pixel once for each kernel entry, 81 times for a 9×9 kernel. Here maps lie in
memory as (row, column, map, sample), so that a row of a patch is one piece of memory, and the
patches of a row of places are an overlapping view of it: nothing is copied. `reference` is the
usual way.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from striate.core.errors import UsageError

_GATHERED_NUMBERS = 1 << 26  # of a copy of patches on a GPU: 256 MB of float32


class LocallyConnected2d(nn.Module):
    """A locally connected layer: no two places share weights, nor biases.

    ``weight`` is (H', W', out_maps, kernel, kernel, in_maps), ``bias`` (H', W', out_maps), with
    H' = (H − kernel) // stride + 1.

    Args:
        in_maps: input feature maps.
        out_maps: output feature maps.
        sides: height and width of the input.
        kernel: height and width of the kernels.
        stride: in both directions.

    Raises:
        UsageError: the input is smaller than a kernel.
    """

    def __init__(
        self, in_maps: int, out_maps: int, sides: tuple[int, int], kernel: int, stride: int = 1
    ) -> None:
        super().__init__()
        if min(sides) < kernel:
            raise UsageError(
                f"Maps of {sides[0]}×{sides[1]} are smaller than a kernel of {kernel}×{kernel}.",
                "Give a larger field.",
            )
        self.in_maps, self.sides, self.kernel, self.stride = in_maps, sides, kernel, stride
        height, width = ((side - kernel) // stride + 1 for side in sides)
        self.places = (height, width)
        self.weight = nn.Parameter(torch.empty(height, width, out_maps, kernel, kernel, in_maps))
        self.bias = nn.Parameter(torch.empty(height, width, out_maps))
        self.reset_parameters()

    @property
    def fan_in(self) -> int:
        """Inputs of one unit."""
        return self.in_maps * self.kernel**2

    def reset_parameters(self, std: float | None = None, bias: float = 0.0) -> None:
        """Draw weights from N(0, std²); by default √(2 / fan-in), He's. Set the biases."""
        nn.init.normal_(self.weight, std=(2 / self.fan_in) ** 0.5 if std is None else std)
        nn.init.constant_(self.bias, bias)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, in_maps, H, W) of the layer's sides → (N, out_maps, H', W').

        Raises:
            UsageError: the maps have other sides; there are no weights for other places.
        """
        if tuple(maps.shape[2:]) != self.sides:
            raise UsageError(
                f"Maps of {maps.shape[2]}×{maps.shape[3]} came to a locally connected layer of"
                f" {self.sides[0]}×{self.sides[1]}.",
                "Resize the image to the network's field.",
            )
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        device = maps.device.type
        if device == "meta" or torch.compiler.is_compiling():
            return reference(maps, weight, bias, self.stride)
        if torch.is_autocast_enabled(device):
            narrow = torch.get_autocast_dtype(device)
            maps, weight, bias = maps.to(narrow), weight.to(narrow), bias.to(narrow)
        laid = maps.permute(2, 3, 1, 0).contiguous()
        out: Tensor = _Local.apply(laid, weight, self.stride)  # type: ignore[no-untyped-call]
        return (out + bias[..., None]).permute(3, 2, 0, 1)


def reference(maps: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    """The same by unfolding: plain, slow and large.

    Args:
        maps: (N, in_maps, H, W).
        weight: (H', W', out_maps, kernel, kernel, in_maps).
        bias: (H', W', out_maps).
        stride: in both directions.
    """
    height, width, out_maps, kernel = weight.shape[:4]
    columns = F.unfold(maps, kernel, stride=stride)
    flat = weight.permute(0, 1, 2, 5, 3, 4).reshape(height * width, out_maps, -1)
    out = torch.einsum("nkp,pok->nop", columns, flat) + bias.reshape(-1, out_maps).t()
    return out.view(*out.shape[:2], height, width)


class _Local(torch.autograd.Function):
    """Maps (H, W, in, N) and weights to (H', W', out, N), and their gradients."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, stride: int) -> Tensor:
        weight = weight.contiguous()
        ctx.save_for_backward(maps, weight)
        ctx.stride = stride
        step = _apply_gathered if maps.is_cuda else _apply_in_place
        return step(maps, weight, stride)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        maps, weight = ctx.saved_tensors
        step = _return_gathered if maps.is_cuda else _return_in_place
        wanted = (ctx.needs_input_grad[0], ctx.needs_input_grad[1])
        return *step(maps, weight, gradient.contiguous(), ctx.stride, wanted), None


_Wanted = tuple[bool, bool]
_Gradients = tuple[Tensor | None, Tensor | None]


def _apply_in_place(maps: Tensor, weight: Tensor, stride: int) -> Tensor:
    """A product for each row of places and row of the kernel, on views of the maps."""
    height, width, out_maps, kernel = weight.shape[:4]
    out = maps.new_empty(height, width, out_maps, maps.shape[3])
    for y in range(height):
        for row in range(kernel):
            patches = _row_patches(maps[y * stride + row], width, kernel, stride)
            kernels = weight[y, :, :, row].flatten(2)
            if row == 0:
                torch.bmm(kernels, patches, out=out[y])
            else:
                out[y].baddbmm_(kernels, patches)
    return out


def _return_in_place(
    maps: Tensor, weight: Tensor, gradient: Tensor, stride: int, wanted: _Wanted
) -> _Gradients:
    """The gradients of maps and weights, row by row, as `_apply_in_place` goes."""
    height, width, _, kernel = weight.shape[:4]
    to_maps = torch.zeros_like(maps) if wanted[0] else None
    to_weight = torch.empty_like(weight) if wanted[1] else None
    for y in range(height):
        for row in range(kernel):
            place = y * stride + row
            if to_weight is not None:
                patches = _row_patches(maps[place], width, kernel, stride)
                product = torch.bmm(gradient[y], patches.transpose(1, 2))
                to_weight[y, :, :, row] = product.view_as(to_weight[y, :, :, row])
            if to_maps is not None:
                kernels = weight[y, :, :, row].flatten(2).transpose(1, 2)
                shares = torch.bmm(kernels, gradient[y]).view(width, kernel, *maps.shape[2:])
                _add_columns(to_maps[place][None], shares[None], stride)
    return to_maps, to_weight


def _row_patches(row: Tensor, places: int, kernel: int, stride: int) -> Tensor:
    """(W, in, N) → (places, kernel·in, N), each place's part of the row; they share memory."""
    _, maps, samples = row.shape
    step = (stride * maps * samples, samples, 1)
    return row.as_strided((places, kernel * maps, samples), step)


def _add_columns(rows: Tensor, shares: Tensor, stride: int) -> None:
    """Add (rows, places, kernel, in, N) shares to the (rows, W, in, N) columns they are of."""
    places = shares.shape[1]
    for column in range(shares.shape[2]):
        rows[:, column : column + stride * (places - 1) + 1 : stride] += shares[:, :, column]


def _apply_gathered(maps: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Few large products over copied patches: a GPU copies fast, and starts kernels slowly."""
    height, width, out_maps = weight.shape[:3]
    out = maps.new_empty(height, width, out_maps, maps.shape[3])
    for first, stop in _bands(maps, weight):
        kernels = weight[first:stop].flatten(3).flatten(0, 1)
        patches = _patches(maps, weight, stride, first, stop)
        out[first:stop] = torch.bmm(kernels, patches).view_as(out[first:stop])
    return out


def _return_gathered(
    maps: Tensor, weight: Tensor, gradient: Tensor, stride: int, wanted: _Wanted
) -> _Gradients:
    """The gradients of maps and weights, as `_apply_gathered` goes."""
    kernel = weight.shape[3]
    to_maps = torch.zeros_like(maps) if wanted[0] else None
    to_weight = torch.empty_like(weight) if wanted[1] else None
    for first, stop in _bands(maps, weight):
        above = gradient[first:stop].flatten(0, 1)
        if to_weight is not None:
            patches = _patches(maps, weight, stride, first, stop)
            product = torch.bmm(above, patches.transpose(1, 2))
            to_weight[first:stop] = product.view_as(to_weight[first:stop])
        if to_maps is not None:
            kernels = weight[first:stop].flatten(3).flatten(0, 1).transpose(1, 2)
            shares = torch.bmm(kernels, above).view(
                stop - first, weight.shape[1], kernel, kernel, *maps.shape[2:]
            )
            for row in range(kernel):
                begin = first * stride + row
                rows = to_maps[begin : begin + stride * (stop - first - 1) + 1 : stride]
                _add_columns(rows, shares[:, :, row], stride)
    return to_maps, to_weight


def _bands(maps: Tensor, weight: Tensor) -> list[tuple[int, int]]:
    """First and last row of places of each step, so that a step's patches stay small."""
    height, width = weight.shape[:2]
    row = width * weight[0, 0, 0].numel() * maps.shape[3]
    together = max(1, _GATHERED_NUMBERS // max(row, 1))
    return [(first, min(first + together, height)) for first in range(0, height, together)]


def _patches(maps: Tensor, weight: Tensor, stride: int, first: int, stop: int) -> Tensor:
    """(rows·W', kernel²·in, N): a copy of the patches of some rows of places."""
    width, kernel = weight.shape[1], weight.shape[3]
    _, columns, each, samples = maps.shape
    column, row = each * samples, columns * each * samples
    sizes = (stop - first, width, kernel, kernel * each, samples)
    strides = (stride * row, stride * column, row, samples, 1)
    view = maps[first * stride :].as_strided(sizes, strides)
    return view.reshape(sizes[0] * width, -1, samples)
