"""Sound at another rate while it comes: that of the whole, however it is cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.data.transforms.audio.load import RATE_HZ, Samples, to_mono
from striate.data.transforms.audio.resampler import Resampler

pytestmark = pytest.mark.unit

RATES = (4000, 8000, 11_025, 15_991, 16_000, 22_050, 44_100, 48_000, 192_000)


def noise(samples: int) -> Samples:
    return np.asarray(np.random.default_rng(0).standard_normal(samples) / 8, np.float32)


def streamed(samples: Samples, rate: int, cuts: list[int]) -> Samples:
    resampler = Resampler(rate)
    parts = [resampler.accept(part) for part in np.split(samples, sorted(cuts))]
    return np.concatenate([*parts, resampler.finish()])


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seconds", [0.0, 0.0006, 0.03, 1.7])
def test_pieces_joined_are_the_whole_at_the_other_rate(rate: int, seconds: float) -> None:
    samples = noise(round(seconds * rate))
    found = streamed(samples, rate, [])
    wanted = to_mono(samples[:, None], rate) if len(samples) else samples
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(rate=st.sampled_from(RATES), cuts=st.lists(st.integers(0, 30_000), max_size=20))
def test_how_it_is_cut_does_not_matter(rate: int, cuts: list[int]) -> None:
    samples = noise(30_000)
    assert np.array_equal(streamed(samples, rate, cuts), streamed(samples, rate, []))


def test_little_is_held_back() -> None:
    for rate in (8000, 22_050, 44_100, 48_000):
        resampler, given = Resampler(rate), 0
        for piece in np.array_split(noise(5 * rate), 100):
            given += len(resampler.accept(piece))
            assert len(resampler._held) < 0.3 * rate
        assert given > 4.8 * RATE_HZ
