"""A layout of sound to look at: the wave, its spectrogram, and what is said when."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WAVE, _LINE, _TEXT, _PAPER = "#3d6a94", "#c4452d", "#22252a", "#fbfaf7"
_WIDTH_IN, _HEIGHT_IN = 13.0, 4.2
_WAVE_COLUMNS = 3000


@dataclass(frozen=True)
class Segment:
    """What is said (a phone, a word, a state) from one time to another."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Sound:
    """One utterance.

    Attributes:
        samples: (n,) float32 from −1 to 1.
        rate_hz: samples a second.
        features: (frames, bands) log energies.
        frame_s: seconds from one frame to the next.
        segments: what is said when; drawn over the spectrogram.
        title: what stands above it.
    """

    samples: NDArray[np.float32]
    rate_hz: int
    features: NDArray[np.float32]
    frame_s: float
    segments: tuple[Segment, ...]
    title: str


def sound_picture(title: str, sounds: Sequence[Sound]) -> "Figure":
    """Utterances under each other: wave, then spectrogram with the segments named."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_IN, 0.5 + _HEIGHT_IN * len(sounds)), layout="constrained")
    figure.set_facecolor(_PAPER)
    parts = figure.subfigures(max(1, len(sounds)), 1, squeeze=False)[:, 0]
    for part, sound in zip(parts, sounds, strict=False):
        part.set_facecolor(_PAPER)
        wave, spectrum = part.subplots(2, 1, sharex=True, height_ratios=(1, 1.8))
        _draw_wave(wave, sound)
        _draw_spectrum(spectrum, sound)
        wave.set_title(sound.title, loc="left", fontsize=11, color=_TEXT)
    figure.suptitle(title, x=0.01, ha="left", fontsize=14, color=_TEXT)
    return figure


def _draw_wave(axes: "Axes", sound: Sound) -> None:
    """The envelope: every sample's extent is seen, however many there are."""
    step = max(1, len(sound.samples) // _WAVE_COLUMNS)
    whole = sound.samples[: len(sound.samples) // step * step].reshape(-1, step)
    times = np.arange(len(whole)) * step / sound.rate_hz
    axes.fill_between(times, whole.min(1), whole.max(1), color=_WAVE, linewidth=0.4)
    limit = max(0.05, float(np.abs(sound.samples).max(initial=0)) * 1.1)
    axes.set_ylim(-limit, limit)
    axes.set_ylabel("amplitude")
    axes.set_facecolor(_PAPER)
    axes.spines[["top", "right"]].set_visible(False)
    for segment in sound.segments:
        axes.axvline(segment.start_s, color=_LINE, linewidth=0.4, alpha=0.5)


def _draw_spectrum(axes: "Axes", sound: Sound) -> None:
    seconds = len(sound.samples) / sound.rate_hz
    extent = (0.0, len(sound.features) * sound.frame_s, 0.0, float(sound.features.shape[1]))
    axes.imshow(
        sound.features.T,
        origin="lower",
        aspect="auto",
        extent=extent,
        cmap="magma",
        interpolation="nearest",
    )
    axes.set_xlim(0, seconds)
    axes.set_ylabel("mel band")
    axes.set_xlabel("seconds")
    bands = sound.features.shape[1]
    room = bands * 0.17
    axes.set_ylim(0, bands + room)
    axes.set_facecolor(_PAPER)
    axes.spines[["top", "right"]].set_visible(False)
    shortest = seconds / 110  # a shorter segment has no room for its name
    for segment in sound.segments:
        axes.axvline(segment.start_s, color=_LINE, linewidth=0.5, alpha=0.8)
        if segment.end_s - segment.start_s >= shortest:
            middle = (segment.start_s + segment.end_s) / 2
            place = (middle, bands + room / 2)
            axes.text(
                *place,
                segment.name,
                ha="center",
                va="center",
                fontsize=8,
                color=_TEXT,
                clip_on=True,
            )
