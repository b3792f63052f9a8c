"""Features of speech, against a slow and plain reference that shares no code with them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from striate.data.transforms.audio.features import (
    deltas,
    features_of,
    log_mel,
    mfcc,
    normalise,
    pad_edges,
    windows,
)
from striate.data.transforms.audio.frames import frame_centres, frames_in

pytestmark = pytest.mark.unit


def speech_like(samples: int = 4000) -> NDArray[np.float32]:
    """Noise and a rising tone."""
    draw = np.random.default_rng(3)
    times = np.arange(samples) / 16_000
    tone = 0.3 * np.sin(2 * np.pi * (200 + 3000 * times) * times)
    return (tone + 0.05 * draw.standard_normal(samples)).astype(np.float32)


def slow_log_mel(samples: NDArray[np.float32], bands: int) -> list[list[float]]:
    """Frame by frame, bin by bin, in double precision, from the formulas alone."""

    def mel(hz: float) -> float:
        return 1127.0 * math.log(1.0 + hz / 700.0)

    step = (mel(8000.0) - mel(20.0)) / (bands + 1)
    corners = [mel(20.0) + step * at for at in range(bands + 2)]
    turn = np.exp(-2j * np.pi * np.outer(np.arange(257), np.arange(400)) / 512)
    rows = []
    for start in range(0, len(samples) - 399, 160):
        frame = samples[start : start + 400].astype(np.float64)
        frame = frame - frame.mean()
        sharp = [frame[at] - 0.97 * frame[max(at - 1, 0)] for at in range(400)]
        shaped = [
            value * (0.54 - 0.46 * math.cos(2 * math.pi * at / 399))
            for at, value in enumerate(sharp)
        ]
        power = np.abs(turn @ np.array(shaped)) ** 2
        row = []
        for band in range(bands):
            left, top, right = corners[band : band + 3]
            energy = 0.0
            for number in range(257):
                here = mel(number * 16_000 / 512)
                if left < here <= top:
                    energy += power[number] * (here - left) / (top - left)
                elif top < here < right:
                    energy += power[number] * (right - here) / (right - top)
            row.append(math.log(max(energy, 1e-7)))
        rows.append(row)
    return rows


@pytest.mark.parametrize("bands", [40, 23])
def test_log_mel_agrees_with_the_slow_reference(bands: int) -> None:
    samples = speech_like()
    np.testing.assert_allclose(
        log_mel(torch.from_numpy(samples), bands).numpy(),
        np.array(slow_log_mel(samples, bands)),
        atol=2e-3,
    )


def test_mfcc_agrees_with_scipy() -> None:
    from scipy.fft import dct

    bands = torch.randn(7, 40, generator=torch.Generator().manual_seed(0))
    expected = dct(bands.numpy().astype(np.float64), type=2, norm="ortho", axis=1)
    np.testing.assert_allclose(mfcc(bands, 13).numpy(), expected[:, :13], atol=1e-5)


def test_deltas_of_a_slope_are_the_slope() -> None:
    ramp = torch.arange(20.0)[:, None] * torch.tensor([[3.0, -1.0]])
    inner = deltas(ramp)[2:-2]
    torch.testing.assert_close(inner, torch.tensor([[3.0, -1.0]]).expand_as(inner))


@given(st.integers(0, 100_000))
def test_frames_are_those_that_lie_wholly_in_the_sound(samples: int) -> None:
    assert frames_in(samples) == len(range(0, samples - 399, 160))
    centres = frame_centres(frames_in(samples))
    assert ((centres >= 200) & (centres <= samples - 200)).all()


@pytest.mark.parametrize("samples", [0, 399, 400, 559, 560, 16_000])
def test_features_have_a_row_for_each_frame(samples: int) -> None:
    made = features_of(torch.from_numpy(speech_like(max(samples, 1))[:samples]))
    assert made.shape == (1, frames_in(samples), 40)


def test_each_feature_has_mean_nought_and_variance_one() -> None:
    made = features_of(torch.from_numpy(speech_like(16_000)), delta_orders=2)
    assert made.shape == (3, 98, 40)
    torch.testing.assert_close(made.mean(dim=1), torch.zeros(3, 40), atol=1e-5, rtol=0)
    torch.testing.assert_close(made.square().mean(dim=1), torch.ones(3, 40), atol=1e-3, rtol=0)


def test_silence_has_no_features_rather_than_infinite_ones() -> None:
    assert features_of(torch.zeros(16_000), delta_orders=2).abs().max() < 0.01


def test_loudness_does_not_matter() -> None:
    samples = torch.from_numpy(speech_like(16_000))
    torch.testing.assert_close(features_of(samples), features_of(samples * 0.5), atol=1e-3, rtol=0)


def test_windows_stand_around_their_frame_and_repeat_the_edges() -> None:
    frames, height = 50, 3
    features = torch.arange(frames * height, dtype=torch.float32).reshape(1, frames, height)
    made = windows(pad_edges(features), torch.tensor([0, 25, 49]))
    assert made.shape == (3, 1, height, 40)
    for window, frame in zip(made, [0, 25, 49], strict=True):
        for at in range(40):
            beside = min(max(frame - 20 + at, 0), frames - 1)
            torch.testing.assert_close(window[0, :, at], features[0, beside])


def test_normalise_leaves_what_never_changes_at_nought() -> None:
    steady = torch.full((10, 2), 5.0)
    assert not normalise(steady).any()
