"""Pictures of several runs: their curves over each other, and a sweep's trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from striate.train.plots.curves import log_scale, smooth
from striate.train.plots.style import SEVERAL, simplify_axes
from striate.train.tracking.metric_log import Points
from striate.train.tracking.metric_names import display_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_POINTS = 1000
_MOST_TICKS = 12
_SPREAD = 0.05  # trials of one value pass it next to each other
_PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}


@dataclass(frozen=True)
class Curves:
    """What is drawn of one run.

    Attributes:
        name: in the legend.
        headline: name of the metric that says which model is best.
        steps_per_epoch: what steps are divided by.
        loss: (step, training loss).
        score: (step, headline metric).
        timed: (minutes since the run began, headline metric), pauses left out.
    """

    name: str
    headline: str
    steps_per_epoch: float
    loss: Points
    score: Points
    timed: Sequence[tuple[float, float]]


def draw_comparison(runs: Sequence[Curves]) -> Figure:
    """Three panels: training loss and headline metric against epochs, and against minutes."""
    figure = Figure(figsize=(15, 4.4), layout="constrained")
    losses, scores, times = figure.subplots(1, 3)
    lowest = []
    for at, run in enumerate(runs):
        look: dict[str, Any] = {
            "color": SEVERAL[at % len(SEVERAL)],
            "linestyle": "-" if at < len(SEVERAL) else "--",
            "label": run.name,
        }
        lowest += _draw_loss(losses, run, look)
        marked = look | {"marker": "o", "markersize": 3.5}
        scores.plot(
            [s / run.steps_per_epoch for s, _ in run.score], [v for _, v in run.score], **marked
        )
        times.plot([m for m, _ in run.timed], [value for _, value in run.timed], **marked)
    if lowest and min(lowest) > 0:
        log_scale(losses, min(lowest))
    what = " / ".join(sorted({display_name(run.headline) for run in runs}))
    losses.set(xlabel="epoch", ylabel="training loss", title="Training loss")
    scores.set(xlabel="epoch", ylabel=what, title=f"Held-out {what}")
    times.set(xlabel="minutes", ylabel=what, title=f"Held-out {what} by the clock")
    for axes in (losses, scores, times):
        simplify_axes(axes)
        axes.set_xlim(left=0)
    scores.legend(frameon=False, fontsize=8)
    return figure


def _draw_loss(axes: "Axes", run: Curves, look: dict[str, Any]) -> list[float]:
    """Draw the loss, smoothed over an epoch, and tell its low end."""
    if not run.loss:
        return []
    epochs = np.array([step for step, _ in run.loss]) / run.steps_per_epoch
    values = np.array([value for _, value in run.loss])
    width = max(1, min(round(run.steps_per_epoch), len(values) // 4))
    means = smooth(values, width)
    every = max(1, len(means) // _MOST_POINTS)
    axes.plot(epochs, values, color=look["color"], alpha=0.18, linewidth=0.6)
    axes.plot(epochs[width - 1 :][::every], means[::every], linewidth=1.4, **look)
    finite = means[np.isfinite(means)]
    return [float(np.percentile(finite, 2))] if len(finite) else []


def draw_parallel_coordinates(
    trials: Sequence[Mapping[str, Any]], scores: Sequence[float | None], metric: str
) -> Figure:
    """A line a trial through its values, coloured by what came of it; the best one is thick.

    Args:
        trials: field → value, the same fields in each.
        scores: of each trial, larger is better; None for one that failed, which is dotted.
        metric: what the scores are.
    """
    fields = list(trials[0])
    figure = Figure(figsize=(2.6 + 2.2 * len(fields), 4.8), layout="constrained")
    axes = figure.subplots()
    known = [score for score in scores if score is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    places = [_places([trial[field] for trial in trials]) for field in fields]
    order = sorted(range(len(trials)), key=lambda at: (scores[at] is not None, scores[at] or 0))
    for rank, at in enumerate(order):
        score, aside = scores[at], _SPREAD * (rank / max(1, len(trials) - 1) - 0.5)
        heights = [
            place[_key(trials[at][field])] + aside
            for field, place in zip(fields, places, strict=True)
        ]
        if score is None:
            axes.plot(range(len(fields)), heights, ":", color="#999999", linewidth=1.2)
            continue
        share = (score - low) / (high - low) if high > low else 1.0
        best = score == high
        look: dict[str, Any] = {"linewidth": 3.0 if best else 1.4, "alpha": 1.0 if best else 0.8}
        colour = colormaps["viridis"](0.92 * share)
        axes.plot(range(len(fields) + 1), [*heights, share], color=colour, **look)
    _draw_axes(axes, fields, places, (low, high), metric)
    failed = len(scores) - len(known)
    note = f", {failed} failed (dotted)" if failed else ""
    axes.set_title(
        f"{len(trials)} trials{note}; the best {display_name(metric)} is thick", fontsize=10
    )
    return figure


def _draw_axes(
    axes: "Axes",
    fields: Sequence[str],
    places: Sequence[Mapping[str, float]],
    span: tuple[float, float],
    metric: str,
) -> None:
    """An upright axis a field with its values, and one for the score."""
    for at, place in enumerate(places):
        axes.axvline(at, color="#555555", linewidth=0.9)
        shown = list(place.items())
        for text, height in shown[:: max(1, len(shown) // _MOST_TICKS)]:
            _label_value(axes, at, height, text)
    axes.axvline(len(fields), color="#555555", linewidth=0.9)
    low, high = span
    for share in (0.0, 0.25, 0.5, 0.75, 1.0) if high > low else (1.0,):
        value = low + share * (high - low)
        axes.text(len(fields) + 0.03, share, f"{value:.4g}", ha="left", va="center", fontsize=8)
    axes.set_xticks(range(len(fields) + 1), [*fields, display_name(metric)], fontsize=9)
    axes.set_yticks([])
    axes.set(xlim=(-0.55, len(fields) + 0.45), ylim=(-0.09, 1.09))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _label_value(axes: "Axes", at: int, height: float, text: str) -> None:
    """A value beside its axis: off the lines, which come to all axes but the first from the left.

    Above the highest value and below the lowest there are none; between them the paper covers them.
    """
    look: dict[str, Any] = {"fontsize": 8, "zorder": 5}
    if at and height in (0.0, 1.0):
        away, align = (_SPREAD, "bottom") if height else (-_SPREAD, "top")
        axes.text(at, height + 0.6 * away, text, ha="center", va=align, bbox=_PAPER, **look)
    else:
        axes.text(at - 0.035, height, text, ha="right", va="center", bbox=_PAPER, **look)


def _places(values: Sequence[Any]) -> dict[str, float]:
    """Each value's height: numbers in their order, evenly spread; others as they come."""
    different = {_key(value): value for value in values}
    numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    keys = sorted(different, key=lambda k: different[k]) if numeric else list(different)
    if len(keys) == 1:
        return {keys[0]: 0.5}
    return {key: at / (len(keys) - 1) for at, key in enumerate(keys)}


def _key(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
