"""Features of sound while it comes: those of the whole, bit for bit the same however it is cut."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from striate.data.transforms.audio.feature_stream import BLOCK, FeatureStream
from striate.data.transforms.audio.features import (
    HEAD,
    SPAN,
    features_of,
    log_mel,
    normalise_running,
)
from striate.data.transforms.audio.frames import FRAME_STEP

pytestmark = pytest.mark.unit

SECOND = 16_000


def sound(seconds: float) -> Tensor:
    """Noise that becomes louder, over a tone."""
    draw = np.random.default_rng(0)
    times = np.arange(round(seconds * SECOND)) / SECOND
    tone = 0.2 * np.sin(2 * np.pi * 440 * times)
    noise = draw.standard_normal(len(times)) * (0.01 + 0.02 * times)
    return torch.from_numpy((tone + noise).astype(np.float32))


def streamed(samples: Tensor, cuts: list[int], orders: int = 0) -> list[Tensor]:
    stream, blocks = FeatureStream(delta_orders=orders), []
    for part in torch.tensor_split(samples, sorted(cuts)):
        blocks += stream.accept(part)
    return [*blocks, *stream.finish()]


@pytest.mark.parametrize("orders", [0, 1, 2])
@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.03, 0.5, 1.0, 3.3, 8.0])
def test_blocks_joined_are_the_features_of_the_whole(seconds: float, orders: int) -> None:
    samples = sound(seconds)
    whole = features_of(samples, delta_orders=orders, normalisation="running")
    blocks = streamed(samples, [], orders)
    if not whole.shape[1]:
        assert not blocks
        return
    assert all(block.shape[1] == BLOCK for block in blocks[:-1])
    torch.testing.assert_close(torch.cat(blocks, 1), whole, atol=2e-4, rtol=0)


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 5 * SECOND), max_size=40), orders=st.sampled_from([0, 2]))
def test_how_it_is_cut_does_not_matter(cuts: list[int], orders: int) -> None:
    samples = sound(5)
    whole, cut = streamed(samples, [], orders), streamed(samples, cuts, orders)
    assert len(whole) == len(cut)
    assert all(torch.equal(one, other) for one, other in zip(whole, cut, strict=True))


def test_a_frame_goes_by_the_seconds_before_it() -> None:
    """By hand: the first second by its own, then each by the three up to it."""
    frames = log_mel(sound(6)).double()
    found = normalise_running(frames)
    for at in (0, 40, HEAD - 1, HEAD, SPAN - 1, SPAN + 50, len(frames) - 1):
        stop = max(at + 1, HEAD)
        known = frames[max(0, stop - SPAN) : stop]
        wanted = (frames[at] - known.mean(0)) / known.std(0, correction=0)
        assert torch.allclose(found[at], wanted, atol=1e-6)
    short = frames[: HEAD // 2]
    wanted = (short - short.mean(0)) / short.std(0, correction=0)
    assert torch.allclose(normalise_running(short), wanted, atol=1e-6)


def test_a_frame_is_told_soon_and_little_is_kept() -> None:
    stream, given = FeatureStream(), 0
    step = BLOCK * FRAME_STEP
    minute = torch.randn(60 * SECOND, generator=torch.Generator().manual_seed(0)) / 10
    for at in range(0, len(minute), step):
        given += sum(block.shape[1] for block in stream.accept(minute[at : at + step]))
        heard = (at + step) // FRAME_STEP
        assert heard < HEAD + BLOCK or given > heard - 2 * BLOCK
        assert len(stream._frames) <= SPAN + 2 * BLOCK and len(stream._samples) < 2 * step


def test_silence_is_nothing() -> None:
    assert torch.cat(streamed(torch.zeros(4 * SECOND), []), 1).abs().max() < 0.01
