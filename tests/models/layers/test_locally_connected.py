"""The locally connected layer is what unfolding computes, forward and backward."""

import itertools

import pytest
import torch
from torch import Tensor

from striate.core.errors import UsageError
from striate.models.layers import locally_connected
from striate.models.layers.locally_connected import LocallyConnected2d, reference

pytestmark = pytest.mark.unit

SHAPES = [  # maps in and out, sides, kernel, stride, samples
    (1, 1, (3, 3), 3, 1, 1),
    (3, 5, (9, 7), 3, 1, 4),
    (2, 3, (11, 12), 5, 2, 3),
    (4, 2, (13, 10), 3, 3, 2),
    (2, 2, (7, 9), 2, 4, 5),
    (16, 16, (12, 12), 7, 2, 1),
]
WAYS = {
    "in place": (locally_connected._apply_in_place, locally_connected._return_in_place),
    "gathered": (locally_connected._apply_gathered, locally_connected._return_gathered),
}


def layer_of(shape: tuple[int, int, tuple[int, int], int, int, int]) -> LocallyConnected2d:
    torch.manual_seed(0)
    layer = LocallyConnected2d(*shape[:5]).double()
    torch.nn.init.normal_(layer.bias)
    return layer


def inputs_of(shape: tuple[int, int, tuple[int, int], int, int, int]) -> Tensor:
    return torch.randn(shape[5], shape[0], *shape[2], dtype=torch.float64, requires_grad=True)


def gradients(out: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    torch.manual_seed(1)
    return torch.autograd.grad(out, of, torch.randn(out.shape, dtype=out.dtype))


@pytest.mark.parametrize("shape", SHAPES)
def test_scores_and_gradients_are_those_of_unfolding(
    shape: tuple[int, int, tuple[int, int], int, int, int],
) -> None:
    layer, maps = layer_of(shape), inputs_of(shape)
    ours, plain = layer(maps), reference(maps, layer.weight, layer.bias, layer.stride)
    assert ours.shape == plain.shape == (shape[5], shape[1], *layer.places)
    assert torch.allclose(ours, plain, rtol=1e-12, atol=1e-12)
    parts = (maps, layer.weight, layer.bias)
    for one, other in zip(gradients(ours, *parts), gradients(plain, *parts), strict=True):
        assert torch.allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES[:4])
def test_gradients_are_those_of_differences(
    shape: tuple[int, int, tuple[int, int], int, int, int],
) -> None:
    layer, maps = layer_of(shape), inputs_of(shape)

    def scores(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        given = {"weight": weight, "bias": bias}
        out: Tensor = torch.func.functional_call(layer, given, (maps,))
        return out

    assert torch.autograd.gradcheck(scores, (maps, layer.weight, layer.bias))


@pytest.mark.parametrize(("way", "shape"), itertools.product(WAYS, SHAPES))
@pytest.mark.parametrize("numbers", [1, 1 << 26])
def test_both_ways_agree_however_rows_are_divided(
    way: str,
    shape: tuple[int, int, tuple[int, int], int, int, int],
    numbers: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The way of GPUs too, for it is plain torch: with one row a step, and with all in one."""
    monkeypatch.setattr(locally_connected, "_GATHERED_NUMBERS", numbers)
    layer, maps = layer_of(shape), inputs_of(shape)
    plain = reference(maps, layer.weight, torch.zeros_like(layer.bias), layer.stride)
    laid = maps.detach().permute(2, 3, 1, 0).contiguous()
    forward, backward = WAYS[way]
    weight = layer.weight.detach()
    out = forward(laid, weight, layer.stride)
    assert torch.allclose(out.permute(3, 2, 0, 1), plain, rtol=1e-12, atol=1e-12)
    torch.manual_seed(1)
    above = torch.randn(plain.shape, dtype=plain.dtype).permute(2, 3, 1, 0).contiguous()
    found = backward(laid, weight, above, layer.stride, (True, True))
    wanted = gradients(plain, maps, layer.weight)
    assert found[0] is not None
    assert torch.allclose(found[0].permute(3, 2, 0, 1), wanted[0], rtol=1e-12, atol=1e-12)
    assert found[1] is not None
    assert torch.allclose(found[1], wanted[1], rtol=1e-12, atol=1e-12)
    assert backward(laid, weight, above, layer.stride, (False, False)) == (None, None)


def test_places_share_no_weights() -> None:
    layer = layer_of((2, 3, (6, 6), 3, 1, 1))
    image = torch.randn(1, 2, 1, 1, dtype=torch.float64).expand(1, 2, 6, 6)
    scores = layer(image)
    assert len(set(scores.flatten().tolist())) == scores.numel()
    with torch.no_grad():
        layer.weight[1, 2] += 1
    changed = (layer(image) != scores).any(1)[0]
    assert changed.nonzero().tolist() == [[1, 2]]


def test_it_runs_in_half_width_under_autocast() -> None:
    layer = layer_of((3, 4, (9, 9), 3, 2, 2)).float()
    maps = torch.randn(2, 3, 9, 9)
    with torch.autocast("cpu", torch.bfloat16):
        narrow = layer(maps)
    assert narrow.dtype == torch.bfloat16
    torch.autograd.backward(narrow.float().sum())
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32
    assert torch.allclose(narrow.float(), layer(maps), atol=0.1)


def test_maps_of_other_sides_are_refused() -> None:
    layer = LocallyConnected2d(1, 1, (5, 6), 3)
    with pytest.raises(UsageError, match=r"5×5 came to a locally connected layer of 5×6"):
        layer(torch.zeros(1, 1, 5, 5))
    with pytest.raises(UsageError, match="smaller than a kernel of 3×3"):
        LocallyConnected2d(1, 1, (2, 6), 3)
