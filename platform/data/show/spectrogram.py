"""A picture of an utterance: waveform, spectrogram, and what is labelled where."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from striate.data.transforms.audio.frames import FRAME_LENGTH, FRAME_STEP
from striate.data.transforms.audio.load import RATE_HZ, load_mono

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LabelledSpan = tuple[float, float, str]

_SHOWN_S = 6.0
_INCHES_PER_S, _NARROWEST, _WIDEST = 3.2, 7.0, 20.0
_TURNED_INCHES = 0.062
_DPI = 110
_SPECTRUM = 512
_RANGE_DB = 70.0
_COLOURS = ("#dbe9f6", "#fbe3cf")
_QUIET_COLOUR = "#f2f2f2"
_QUIET = {"h#", "pau", "epi", "SIL", "sil", "sp"}
_INK = "#1f4e79"


def speech_picture(
    payload: bytes | memoryview,
    *,
    title: str,
    names: tuple[str, ...] = (),
    label: Sequence[int] | None = None,
    fields: Mapping[str, object] | None = None,
) -> bytes:
    """Draw the first six seconds of an utterance.

    Args:
        payload: the sound, as the shards hold it.
        title: its name.
        names: of the states.
        label: the state of each frame.
        fields: the row's further columns; phones and words are drawn where they are among them.

    Returns:
        A PNG.

    Raises:
        RequestError: the sound cannot be decoded.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = fields or {}
    samples = load_mono(payload)
    shown_s = min(len(samples) / RATE_HZ, _SHOWN_S)
    rows = _label_rows(columns, names, label)
    width = float(np.clip(1.2 + _INCHES_PER_S * shown_s, _NARROWEST, _WIDEST))
    heights = [1.5, 3.0, *map(_height, rows.values())]
    figure = Figure(figsize=(width, sum(heights) + 1.1), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    _draw_waveform(axes[0], samples)
    _draw_spectrogram(axes[1], samples)
    for axis, (name, spans) in zip(axes[2:], rows.items(), strict=True):
        _draw_spans(axis, name, spans, shown_s, _height(spans))
        _draw_borders(axes[1], spans if name != "words" else [])
    axes[0].set_xlim(0, shown_s)
    axes[-1].set_xlabel("seconds", fontsize=8)
    axes[-1].tick_params(labelbottom=True)
    figure.suptitle(_title(title, columns, len(samples) / RATE_HZ), fontsize=10, x=0.01, ha="left")
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def spectrogram(samples: NDArray[np.float32], step: int = 40) -> NDArray[np.float32]:
    """(257, frames) decibels of 8 ms Hann windows below the loudest: fine in time, for the eye."""
    window = np.hanning(128).astype(np.float32)
    padded = np.pad(samples, (len(window) // 2, len(window) // 2))
    frames = np.lib.stride_tricks.sliding_window_view(padded, len(window))[::step] * window
    power = np.abs(np.fft.rfft(frames, n=_SPECTRUM, axis=1)) ** 2
    decibels = 10 * np.log10(np.maximum(power, 1e-12))
    return np.asarray((decibels - decibels.max()).T, np.float32)


def spans_of_frames(label: Sequence[int], names: Sequence[str]) -> list[LabelledSpan]:
    """Runs of frames of one state, as (start, end, name) in seconds: each frame by its middle."""
    states = np.asarray(label)
    if not len(states):
        return []
    borders = np.flatnonzero(np.diff(states)) + 1
    starts, ends = [0, *borders.tolist()], [*borders.tolist(), len(states)]
    half_s = (FRAME_LENGTH - FRAME_STEP) / 2 / RATE_HZ
    step_s = FRAME_STEP / RATE_HZ
    return [
        (start * step_s + half_s, end * step_s + half_s, names[states[start]])
        for start, end in zip(starts, ends, strict=True)
    ]


def _label_rows(
    fields: Mapping[str, object], names: tuple[str, ...], label: Sequence[int] | None
) -> dict[str, list[LabelledSpan]]:
    """What is drawn below the spectrogram: states, where they are not the phones; phones; words."""
    rows = {kind: _spans(fields, kind) for kind in ("phone", "word")}
    of_frames = spans_of_frames(label, names) if label is not None else []
    phones = {name for _, _, name in rows["phone"]}
    if of_frames and not {name for _, _, name in of_frames} <= phones:
        rows = {"state": of_frames, **rows}
    return {f"{kind}s": spans for kind, spans in rows.items() if spans}


def _spans(fields: Mapping[str, object], kind: str) -> list[LabelledSpan]:
    """The labelled stretches of a kind among a row's columns; none where it has no such columns."""
    starts, ends, names = (
        cast("Sequence[Any]", fields.get(name) or ())
        for name in (f"{kind}_starts_s", f"{kind}_ends_s", f"{kind}s")
    )
    return list(zip(starts, ends, names, strict=True))


def _title(title: str, fields: Mapping[str, object], seconds: float) -> str:
    who = ", ".join(str(fields[name]) for name in ("speaker", "sex", "region") if fields.get(name))
    cut = f", the first {_SHOWN_S:g} s of {seconds:.1f}" if seconds > _SHOWN_S else ""
    said = str(fields.get("text") or "")
    head = f"{title}  ({who}{cut})" if who or cut else title
    return f"{head}\n{said[:160]}{'…' if len(said) > 160 else ''}" if said else head


def _draw_waveform(axis: "Axes", samples: NDArray[np.float32]) -> None:
    """Highest and lowest sample of every 2 ms: what a line would draw, at any zoom."""
    block = 32
    whole = samples[: len(samples) // block * block].reshape(-1, block)
    times = (np.arange(len(whole)) + 0.5) * block / RATE_HZ
    axis.fill_between(times, whole.min(axis=1), whole.max(axis=1), color=_INK, linewidth=0.2)
    peak = max(float(np.abs(samples).max()), 1e-3)
    axis.set_ylim(-1.08 * peak, 1.08 * peak)
    axis.set_ylabel("amplitude", fontsize=8)
    axis.axhline(0, color="#888888", linewidth=0.4)
    axis.tick_params(labelsize=7, labelbottom=False)


def _draw_spectrogram(axis: "Axes", samples: NDArray[np.float32]) -> None:
    image = spectrogram(samples)
    axis.imshow(
        image,
        origin="lower",
        aspect="auto",
        cmap="magma",
        extent=(0, len(samples) / RATE_HZ, 0, RATE_HZ / 2000),
        vmin=-_RANGE_DB,
        vmax=0,
        interpolation="bilinear",
    )
    axis.set_ylabel("kHz", fontsize=8)
    axis.tick_params(labelsize=7, labelbottom=False)


def _draw_borders(axis: "Axes", spans: Sequence[LabelledSpan]) -> None:
    for start, _, _ in spans[1:]:
        axis.axvline(start, color="white", linewidth=0.5, alpha=0.45)


def _height(spans: Sequence[LabelledSpan]) -> float:
    """Inches of a row of boxes: room for most names on end."""
    longest = max(len(text) for _, _, text in spans)
    return float(np.clip(_TURNED_INCHES * longest, 0.32, 0.9))


def _draw_spans(
    axis: "Axes", name: str, spans: Sequence[LabelledSpan], shown_s: float, height: float
) -> None:
    """Boxes with their names; a name that does not fit is turned, or left out."""
    for at, (start, end, text) in enumerate(spans):
        if start >= shown_s:
            break
        end = min(end, shown_s)
        quiet = text in _QUIET
        axis.axvspan(start, end, color=_QUIET_COLOUR if quiet else _COLOURS[at % 2], linewidth=0)
        axis.axvline(start, color="#777777", linewidth=0.5)
        width_inches = (end - start) * _INCHES_PER_S
        fits = width_inches > 0.075 * len(text)
        turned = width_inches > 0.1 and height >= _TURNED_INCHES * len(text)
        if fits or (turned and not quiet):
            look: dict[str, Any] = {"fontsize": 8} if fits else {"fontsize": 6, "rotation": 90}
            centre = (start + end) / 2
            axis.text(centre, 0.5, text, ha="center", va="center", clip_on=True, **look)
    axis.set_ylim(0, 1)
    axis.set_yticks([])
    axis.set_ylabel(name, fontsize=8, rotation=0, ha="right", va="center")
    axis.tick_params(labelsize=7)
