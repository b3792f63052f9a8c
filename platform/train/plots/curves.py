"""Learning curves: training and held-out loss, and the task's headline metric, against epochs."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from striate.train.plots.style import TEST, TRAIN, TRAIN_SMOOTH, simplify_axes
from striate.train.run.folder import Run
from striate.train.run.spec import RunSpec
from striate.train.tracking.events import headline_of
from striate.train.tracking.metric_log import MetricLogReader, Points, history
from striate.train.tracking.metric_names import (
    LOSS,
    display_name,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEAST_PLAIN = 1e-4  # smaller losses have more noughts than digits

_AS_ERROR = {
    "top1": "top-1 error",
    "frame_accuracy": "frame error",
    "pair_accuracy": "pair error",
    "pixel_accuracy": "pixel error",
}
_SECOND = {"top1": "top5", "video_hit1": "video_hit5"}


class _OneNotation(LogFormatter):
    """Labels where matplotlib has them on a logarithmic axis, plain or with exponents throughout.

    Its own `LogFormatter` changes over between them from label to label: 6e-01, and 2.
    """

    def __init__(self, plain: bool, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._plain = plain

    def __call__(self, x: float, pos: int | None = None) -> str:
        if not super().__call__(x, pos):
            return ""
        return f"{x:g}" if self._plain else f"{x:.0e}"


def draw_learning_curves(run: Run) -> Figure | None:
    """Two panels: losses, and the headline metric in per cent; None before the first report."""
    spec, series = run.spec, history(MetricLogReader(run.folder.metric_log).read())
    if not series.get(LOSS):
        return None
    figure = Figure(figsize=(10, 4), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    _draw_losses(losses, spec, series[LOSS], series.get("test/loss", []))
    _draw_scores(scores, spec, series)
    for axes in (losses, scores):
        simplify_axes(axes)
    figure.suptitle(f"{spec.recipe.name}, seed {spec.recipe.seed}")
    return figure


def epochs_of(run: RunSpec, points: Points) -> list[float]:
    """Where points stand on the axis of epochs."""
    return [step * run.recipe.batch_size / run.train_rows for step, _ in points]


def log_scale(axes: "Axes", lowest: float) -> None:
    """A logarithmic loss with numbers on it that are all written the same way."""
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.8 * lowest)
    low, high = axes.get_ylim()
    plain = low >= _LEAST_PLAIN and high <= 1 / _LEAST_PLAIN
    axes.yaxis.set_major_formatter(_OneNotation(plain))
    axes.yaxis.set_minor_formatter(_OneNotation(plain, minor_thresholds=(2, 0.5)))


def smooth(values: np.ndarray, width: int) -> np.ndarray:
    """The mean of each value and the ones before it, `width` altogether."""
    return np.convolve(values, np.ones(width) / width, mode="valid")


def _draw_losses(axes: "Axes", run: RunSpec, train: Points, held_out: Points) -> None:
    values = np.array([value for _, value in train])
    epochs = epochs_of(run, train)
    width = max(1, round(run.train_rows / run.recipe.batch_size))
    enough = len(values) >= 2 * width > 2
    faint = 0.35 if enough else 1.0
    label = None if enough else "train, each batch"
    axes.plot(epochs, values, color=TRAIN, alpha=faint, linewidth=0.8, label=label)
    if enough:
        means = smooth(values, width)
        axes.plot(epochs[width - 1 :], means, color=TRAIN_SMOOTH, label="train, mean of an epoch")
    _draw_held_out(axes, run, held_out, "held out")
    axes.set(xlabel="epoch", ylabel="loss", title="Loss")
    finite = values[np.isfinite(values)]
    if len(finite) and finite.min() > 0:
        low = np.percentile(finite, 2)  # a few lucky batches would squeeze the rest
        log_scale(axes, min([low, *(value for _, value in held_out if value > 0)]))
    axes.legend(frameon=False)


def _draw_scores(axes: "Axes", run: RunSpec, series: dict[str, Points]) -> None:
    """The headline metric, as an error where the field says so, and its companion at five."""
    headline = headline_of(run.recipe, len(run.labels))
    error, second = headline in _AS_ERROR, _SECOND.get(headline)
    named = {headline: "o-"} | ({second: ".:"} if second else {})
    drawn = {}
    for metric, style in named.items():
        points = series.get(f"test/{metric}", [])
        drawn[metric] = [(s, 100 * (1 - v if error else v)) for s, v in points]
        label = display_name(metric) + (" error" if error and metric in {"top1", "top5"} else "")
        label = _AS_ERROR.get(metric, label)
        _draw_held_out(axes, run, drawn[metric], label, style)
    title = _AS_ERROR.get(headline, display_name(headline))
    what = ("error" if error else "share of the held-out") if second else title
    axes.set(xlabel="epoch", ylabel=f"{what}, %", title=f"Held-out {title}")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    if drawn[headline]:
        _annotate(axes, run, drawn[headline])
        axes.legend(frameon=False)


def _annotate(axes: "Axes", run: RunSpec, points: Points) -> None:
    end = epochs_of(run, points)[-1], points[-1][1]
    # To the right of the last point, where no line goes.
    beside: dict[str, Any] = {"xytext": (7, 0), "textcoords": "offset points", "va": "center"}
    axes.annotate(f"{end[1]:.2f} %", end, color=TEST, annotation_clip=False, **beside)


def _draw_held_out(
    axes: "Axes", run: RunSpec, points: Points, label: str, style: str = "o-"
) -> None:
    if points:
        values = [value for _, value in points]
        look: dict[str, Any] = {"markersize": 4, "label": label, "color": TEST}
        axes.plot(epochs_of(run, points), values, style, **look)
