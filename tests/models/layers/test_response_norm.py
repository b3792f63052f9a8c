"""Response normalisation is torch's, in value and gradient, in every precision and format."""

import pytest
import torch
from torch import nn

from striate.models.layers.response_norm import ResponseNorm

pytestmark = pytest.mark.unit

ALPHA = 0.3  # far above AlexNet's, so that the sum matters


@pytest.mark.parametrize("maps", [1, 3, 8])
@pytest.mark.parametrize("size", [3, 5])
def test_values_and_gradients_are_those_of_torch(maps: int, size: int) -> None:
    ours = ResponseNorm(maps, size, alpha=ALPHA).double()
    torchs = nn.LocalResponseNorm(size, ALPHA * size, 0.75, 2.0)
    states = torch.randn(2, maps, 4, 5, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, maps, 4, 5, dtype=torch.float64)
    results = []
    for layer in (ours, torchs):
        normalised = layer(states)
        (gradient,) = torch.autograd.grad((normalised * weights).sum(), states)
        results.append((normalised, gradient))
    assert torch.allclose(results[0][0], results[1][0], rtol=1e-7)
    assert torch.allclose(results[0][1], results[1][1], rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_precision_and_memory_format_stay(dtype: torch.dtype) -> None:
    layer = ResponseNorm(8, alpha=ALPHA)
    states = torch.randn(2, 8, 4, 5).to(dtype).to(memory_format=torch.channels_last)
    states.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        normalised = layer(states)
    assert normalised.dtype == dtype
    assert normalised.is_contiguous(memory_format=torch.channels_last)
    (gradient,) = torch.autograd.grad(normalised.sum(), states)
    assert gradient.dtype == dtype
    exact = nn.LocalResponseNorm(5, ALPHA * 5, 0.75, 2.0)(states.detach().float())
    assert torch.allclose(normalised.float(), exact, atol=0.05 if dtype == torch.bfloat16 else 1e-6)


def test_the_sums_are_no_weights() -> None:
    layer = ResponseNorm(8)
    assert not list(layer.parameters())
    assert not layer.state_dict()


def test_it_compiles_to_one_graph() -> None:
    layer = ResponseNorm(4, alpha=ALPHA)
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    states = torch.randn(2, 4, 3, 3, requires_grad=True)
    assert torch.allclose(compiled(states), layer(states))
