"""Dropout by sample: sound as dropout, and the same whoever computes it."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from striate.core.errors import UsageError
from striate.models import MODELS
from striate.models.layers.dropout import SampleDropout, draw_mask, sample_keys, splitmix64

pytestmark = pytest.mark.unit

SAMPLES, UNITS = 256, 4096
SIGMAS = 5.5  # of all statistics below: met by chance less than once in ten million


def masks(salt: int, p: float = 0.5, keys: Tensor | None = None) -> Tensor:
    keys = torch.arange(SAMPLES) if keys is None else keys
    return draw_mask(keys, salt, torch.Size((len(keys), UNITS)), p).double()


@pytest.mark.parametrize("p", [0.1, 0.5, 0.7])
def test_units_are_kept_at_the_rate_asked_for(p: float) -> None:
    mask = masks(salt=1, p=p)
    deviation = math.sqrt(p * (1 - p))
    over_all = abs(mask.mean().item() - (1 - p))
    over_units = (mask.mean(1) - (1 - p)).abs().max().item()
    over_samples = (mask.mean(0) - (1 - p)).abs().max().item()
    assert over_all < SIGMAS * deviation / math.sqrt(mask.numel())
    assert over_units < SIGMAS * deviation / math.sqrt(UNITS)
    assert over_samples < SIGMAS * deviation / math.sqrt(SAMPLES)


def test_masks_of_samples_units_and_layers_are_independent() -> None:
    mask = masks(salt=1)
    by_sample, by_unit = correlations(mask), correlations(mask.T[:1000])
    assert by_sample < SIGMAS / math.sqrt(UNITS)
    assert by_unit < SIGMAS / math.sqrt(SAMPLES)
    layers = torch.stack([masks(salt).flatten() for salt in range(4)])
    assert correlations(layers) < SIGMAS / math.sqrt(mask.numel())


def test_keys_far_apart_in_single_bits_give_independent_masks() -> None:
    keys = torch.tensor([0, *[1 << bit for bit in range(63)], -1, -(1 << 63)])
    assert correlations(masks(salt=1, keys=keys)) < SIGMAS / math.sqrt(UNITS)


def correlations(rows: Tensor) -> float:
    """The largest correlation of two different rows."""
    matrix = torch.corrcoef(rows)
    return (matrix - torch.eye(len(rows))).abs().max().item()


def test_hashes_differ_in_half_of_the_bits_whichever_bit_of_the_number_changes() -> None:
    numbers = torch.arange(1000)
    for bit in range(63):
        changed = splitmix64(numbers) ^ splitmix64(numbers ^ (1 << bit))
        flipped = sum(((changed >> place) & 1).double() for place in range(64))
        assert isinstance(flipped, Tensor)
        assert abs(flipped.mean().item() - 32) < SIGMAS * 4 / math.sqrt(1000)


def test_splitmix64_gives_the_numbers_of_its_authors() -> None:
    first_of_seed_0 = splitmix64(torch.tensor([0])).item() % (1 << 64)
    assert first_of_seed_0 == 0xE220A8397B1DCDAF


@given(
    cuts=st.lists(st.integers(0, 12), max_size=4),
    shape=st.sampled_from([(12, 7), (12, 3, 5), (12, 2, 3, 3)]),
    seed=st.integers(-(2**63), 2**63 - 1),
)
def test_masks_do_not_depend_on_how_a_batch_is_cut(
    cuts: list[int], shape: tuple[int, ...], seed: int
) -> None:
    layer = SampleDropout(0.5, salt=3).train()
    units, keys = torch.ones(shape), torch.arange(12) + seed // 2
    with sample_keys(keys):
        whole = layer(units)
    edges = sorted({0, 12, *cuts})
    parts = []
    for low, high in itertools.pairwise(edges):
        with sample_keys(keys[low:high]):
            parts.append(layer(units[low:high]))
    assert torch.equal(torch.cat(parts), whole)


def test_kept_units_are_scaled_and_so_are_their_gradients() -> None:
    layer = SampleDropout(0.75, salt=1)
    units = torch.full((SAMPLES, UNITS), 2.0, requires_grad=True)
    with sample_keys(torch.arange(SAMPLES)):
        dropped = layer(units)
    assert set(dropped.unique().tolist()) == {0.0, 8.0}
    dropped.sum().backward()
    assert units.grad is not None
    assert torch.equal(units.grad, dropped / 2)


def test_the_memory_order_of_maps_changes_nothing() -> None:
    layer = SampleDropout(0.5)
    maps = torch.randn(4, 6, 5, 5)
    with sample_keys(torch.arange(4)):
        rows_last = layer(maps)
        channels_last = layer(maps.to(memory_format=torch.channels_last))
    assert torch.equal(rows_last, channels_last)


def test_outside_of_the_context_it_is_plain_dropout() -> None:
    layer, plain = SampleDropout(0.3), nn.Dropout(0.3)
    units = torch.randn(8, 100)
    torch.manual_seed(0)
    ours = layer(units)
    torch.manual_seed(0)
    assert torch.equal(ours, plain(units))
    with sample_keys(torch.arange(8)):
        assert torch.equal(layer.eval()(units), units)
    assert torch.equal(SampleDropout(0.0)(units), units)


def test_contexts_nest_and_end() -> None:
    layer, units = SampleDropout(0.5), torch.ones(4, 64)
    first, second = torch.arange(4), torch.arange(4) + 100
    with sample_keys(first):
        outer = layer(units)
        with sample_keys(second):
            assert not torch.equal(layer(units), outer)
        assert torch.equal(layer(units), outer)


def test_keys_that_are_not_one_a_sample_are_refused() -> None:
    with sample_keys(torch.arange(3)), pytest.raises(AssertionError, match="3 keys for 4 samples"):
        SampleDropout(0.5)(torch.ones(4, 8))


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5])
def test_a_share_that_is_none_is_refused(p: float) -> None:
    with pytest.raises(UsageError, match=str(p)):
        SampleDropout(p)


def test_it_works_in_bfloat16_and_float64() -> None:
    for dtype in (torch.bfloat16, torch.float64):
        with sample_keys(torch.arange(4)):
            dropped = SampleDropout(0.5)(torch.ones(4, 100, dtype=dtype))
        assert dropped.dtype == dtype
        assert set(dropped.unique().tolist()) == {0.0, 2.0}


def test_it_compiles_to_one_graph_that_new_keys_do_not_recompile() -> None:
    layer = SampleDropout(0.5, salt=1)
    graphs = 0

    def count(graph: torch.fx.GraphModule, _inputs: list[Tensor]) -> torch.fx.GraphModule:
        nonlocal graphs
        graphs += 1
        return graph

    compiled = torch.compile(layer, backend=count, fullgraph=True)
    units = torch.randn(4, 64)
    for first in range(3):
        with sample_keys(torch.arange(4) + first):
            assert torch.equal(compiled(units), layer(units))
    assert graphs == 1


@pytest.mark.parametrize("name", ["alexnet", "googlenet", "c3d", "speech_convnet"])
def test_layers_of_one_network_have_salts_of_their_own(name: str) -> None:
    extra = {"auxiliary": True} if name == "googlenet" else {}
    with torch.device("meta"):
        model = MODELS[name](**extra)
    assert not [m for m in model.modules() if isinstance(m, nn.Dropout)]
    salts = [m.salt for m in model.modules() if isinstance(m, SampleDropout)]
    assert len(salts) == len(set(salts)) >= 2
