"""Speech to what an acoustic model sees: log-mel or cepstral frames, and windows of them."""

import math
from functools import cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.data.transforms.audio.frames import FRAME_LENGTH, FRAME_STEP
from striate.data.transforms.audio.load import RATE_HZ

BANDS = 40
WINDOW = 40
_FFT = 512
_LOW_HZ, _HIGH_HZ = 20.0, RATE_HZ / 2
_EMPHASIS = 0.97
_FLOOR = 1e-7  # about what 16-bit quantisation noise leaves in a band
_SMALLEST_STD = 1e-2
DELTA_REACH = 2
"""Frames before and after one that its slope goes by."""

Features = Literal["log-mel", "mfcc"]
Normalisation = Literal["utterance", "running"]

SPAN, HEAD = 300, 100
"""Frames that a running normalisation goes by: the latest `SPAN`; at the start the first `HEAD`."""


def log_mel(samples: Tensor, bands: int = BANDS) -> Tensor:
    """Logarithms of the energies in mel bands, frame by frame.

    Each frame loses its mean, is pre-emphasised by 1 − 0.97 z⁻¹ and weighted by a Hamming window;
    the 512-point power spectrum is summed under triangles that are evenly spaced on the mel scale
    from 20 Hz to 8 kHz (Young et al., The HTK Book 3.4, section 5.2 to 5.4).

    Args:
        samples: (n,) float32 at 16 kHz, from −1 to 1.
        bands: number of triangles.

    Returns:
        (frames, bands) float32, natural logarithms, not below log 1e-7.
    """
    if len(samples) < FRAME_LENGTH:
        return torch.zeros((0, bands))
    frames = samples.unfold(0, FRAME_LENGTH, FRAME_STEP)
    frames = frames - frames.mean(dim=1, keepdim=True)
    before = torch.cat([frames[:, :1], frames[:, :-1]], dim=1)
    spectrum = torch.fft.rfft((frames - _EMPHASIS * before) * _hamming(), n=_FFT)
    power = spectrum.real.square() + spectrum.imag.square()
    energies: Tensor = power @ _filters(bands)
    return energies.clamp_min(_FLOOR).log()


def mfcc(bands: Tensor, coefficients: int) -> Tensor:
    """Mel-frequency cepstral coefficients: the orthonormal cosine transform of log-mel bands.

    (Davis and Mermelstein, IEEE TASSP 28(4), 1980.) They are not liftered: a lifter only scales
    each coefficient, which the normalisation undoes.

    Args:
        bands: (frames, bands) log-mel energies.
        coefficients: how many are kept; as many as bands loses nothing.
    """
    return bands @ _cosines(bands.shape[1], coefficients)


def normalise(features: Tensor) -> Tensor:
    """Each feature with mean 0 and variance 1 over the utterance; one that never changes is 0."""
    centred = features - features.mean(dim=0, keepdim=True)
    return centred / centred.square().mean(dim=0, keepdim=True).sqrt().clamp_min(_SMALLEST_STD)


def normalise_running(features: Tensor, first: int = 0, stop: int | None = None) -> Tensor:
    """Each feature with mean 0 and variance 1 over the `SPAN` frames up to its own.

    Frames before number `HEAD` go by the first `HEAD` ones. So a frame can be told before the
    utterance is over, and is the same one then.

    Args:
        features: (frames, features); either an utterance's from its first on, or a stretch of it in
            which each frame from `first` on has all those that it goes by.
        first: the first frame of which the result is wanted.
        stop: the one after the last; None: all.

    Returns:
        (stop − first, features).
    """
    count = len(features)
    wanted = torch.arange(first, count if stop is None else stop)
    ends = (wanted + 1).clamp(min=min(HEAD, count))
    starts = (ends - SPAN).clamp(min=0)
    double = features.double()
    none = double.new_zeros(1, features.shape[1])
    sums, squares = (torch.cat([none, one.cumsum(0)]) for one in (double, double.square()))
    frames = (ends - starts)[:, None]
    means = (sums[ends] - sums[starts]) / frames
    variances = (squares[ends] - squares[starts]) / frames - means.square()
    spread = variances.clamp(min=0).sqrt().clamp_min(_SMALLEST_STD)
    return ((double[wanted] - means) / spread).to(features.dtype)


def deltas(features: Tensor) -> Tensor:
    """Slopes over ±2 frames, edges repeated (The HTK Book 3.4, section 5.9, equation 5.16)."""
    padded = torch.cat([features[:1]] * DELTA_REACH + [features] + [features[-1:]] * DELTA_REACH)
    count = len(features)
    steps = range(-DELTA_REACH, DELTA_REACH + 1)
    total = torch.zeros_like(features)
    for step in steps:
        total += step * padded[DELTA_REACH + step : DELTA_REACH + step + count]
    return total / sum(step * step for step in steps)


def features_of(
    samples: Tensor,
    kind: Features = "log-mel",
    bands: int = BANDS,
    coefficients: int = BANDS,
    delta_orders: int = 0,
    normalisation: Normalisation = "utterance",
) -> Tensor:
    """An utterance as a model sees it, normalised.

    Args:
        samples: (n,) float32 at 16 kHz.
        kind: log-mel bands or cepstral coefficients.
        bands: mel bands.
        coefficients: cepstral coefficients, for ``mfcc``.
        delta_orders: 0; 1 adds the slopes as a second channel; 2 their slopes as a third.
        normalisation: over the whole utterance (`normalise`), or what came so far
            (`normalise_running`).

    Returns:
        (channels, frames, features) float32.
    """
    orders = delta_channels(frames_of(samples, kind, bands, coefficients), delta_orders)
    change = normalise if normalisation == "utterance" else normalise_running
    return torch.stack([change(order) if len(order) else order for order in orders])


def frames_of(samples: Tensor, kind: Features, bands: int, coefficients: int) -> Tensor:
    """(n,) samples → (frames, features), as they are before they are normalised."""
    features = log_mel(samples, bands)
    return mfcc(features, coefficients) if kind == "mfcc" else features


def delta_channels(features: Tensor, delta_orders: int) -> list[Tensor]:
    """(frames, features) → the same, its slopes, and theirs."""
    orders = [features]
    for _ in range(delta_orders if len(features) else 0):
        orders.append(deltas(orders[-1]))
    return orders


def pad_edges(features: Tensor, window: int = WINDOW) -> Tensor:
    """Repeat the first and the last frame so far that every frame has a whole window.

    Args:
        features: (channels, frames, features).
        window: frames of a window.

    Returns:
        (channels, frames + window − 1, features): frame t's window starts at t.
    """
    first = features[:, :1].expand(-1, window // 2, -1)
    last = features[:, -1:].expand(-1, window - 1 - window // 2, -1)
    return torch.cat([first, features, last], dim=1)


def windows(padded: Tensor, frames: Tensor, window: int = WINDOW) -> Tensor:
    """The windows around some frames of an utterance.

    A window of 40 around frame t is t − 20 … t + 19: its frame 20 is the one that the label is of.

    Args:
        padded: (channels, frames + window − 1, features), from `pad_edges`.
        frames: (n,) int64.
        window: frames of a window.

    Returns:
        (n, channels, features, window): as an image, frequency down and time across.
    """
    return padded.unfold(1, window, 1)[:, frames].transpose(0, 1)


@cache
def mel_filters(bands: int) -> NDArray[np.float64]:
    """(257, bands) weights of each bin of the power spectrum in each band.

    Triangles that are even in mel(f) = 1127 ln(1 + f / 700), from 20 Hz to 8 kHz, 1 at the top.
    """
    low, high = (1127.0 * math.log1p(hz / 700.0) for hz in (_LOW_HZ, _HIGH_HZ))
    corners = np.linspace(low, high, bands + 2)
    bins = 1127.0 * np.log1p(np.arange(_FFT // 2 + 1) * (RATE_HZ / _FFT) / 700.0)
    left, top, right = corners[:-2], corners[1:-1], corners[2:]
    rising = (bins[:, None] - left) / (top - left)
    falling = (right - bins[:, None]) / (right - top)
    triangles: NDArray[np.float64] = np.maximum(np.minimum(rising, falling), 0.0)
    return triangles


@cache
def _filters(bands: int) -> Tensor:
    return torch.from_numpy(mel_filters(bands).astype(np.float32))


@cache
def _hamming() -> Tensor:
    return torch.hamming_window(FRAME_LENGTH, periodic=False)


@cache
def _cosines(bands: int, coefficients: int) -> Tensor:
    """(bands, coefficients): the orthonormal DCT-II."""
    rows = torch.arange(bands, dtype=torch.float64)[:, None] + 0.5
    columns = torch.arange(coefficients, dtype=torch.float64)[None, :]
    table = torch.cos(math.pi / bands * rows * columns) * math.sqrt(2.0 / bands)
    table[:, 0] /= math.sqrt(2.0)
    return table.float()
