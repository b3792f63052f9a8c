"""Pictures that people look at: learning curves, confusion matrix, first-layer filters."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter
from safetensors.numpy import load_file

from striate.train.assignment import Assignment, Outcome
from striate.train.report import LOSS
from striate.train.spool import SpoolReader, history

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Points = list[tuple[int, float]]
TRAIN_COLOUR, TEST_COLOUR = "#7f9fbf", "#c4452d"
_MOST_FILTERS, _MOST_TIMES, _MOST_CLASSES_IN_FIGURES = 32, 6, 30


def draw_all(run: Assignment) -> list[Path]:
    """Draw what the run's folder holds data for, as PNG files in its ``pictures``."""
    drawings: dict[str, Callable[[], Figure | None]] = {
        "learning_curves.png": lambda: learning_curves(run),
        "confusion_matrix.png": lambda: confusion_matrix(run),
        "first_layer_filters.png": lambda: first_layer_filters(run),
    }
    folder = run.folder / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, draw in drawings.items():
        figure = draw()
        if figure is not None:
            figure.savefig(folder / name, dpi=130)
            drawn.append(folder / name)
    return drawn


def learning_curves(run: Assignment) -> Figure | None:
    """Training and held-out loss, and held-out top-1 error, against epochs."""
    series = history(SpoolReader(run.spool).read())
    if not series.get(LOSS):
        return None
    figure = Figure(figsize=(10, 4), layout="constrained")
    losses, errors = figure.subplots(1, 2)
    _draw_losses(losses, run, series[LOSS], series.get("test/loss", []))
    _draw_errors(errors, run, series.get("test/top1", []))
    for axes in (losses, errors):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{run.recipe.name}, seed {run.recipe.seed}")
    return figure


def _draw_losses(axes: "Axes", run: Assignment, train: Points, held_out: Points) -> None:
    steps, values = (np.array(column) for column in zip(*train, strict=True))
    epochs = steps * run.recipe.batch_size / run.train_rows
    axes.plot(epochs, values, color=TRAIN_COLOUR, alpha=0.35, linewidth=0.8)
    width = max(1, round(run.train_rows / run.recipe.batch_size))
    if len(values) >= 2 * width:
        smooth = np.convolve(values, np.ones(width) / width, mode="valid")
        axes.plot(epochs[width - 1 :], smooth, color="#2d5f8f", label="train, mean of an epoch")
    _draw_held_out(axes, run, held_out)
    axes.set(xlabel="epoch", ylabel="loss", title="Loss")
    if values.min() > 0:
        axes.set_yscale("log")
        low = np.percentile(values, 2)  # a few lucky batches would squeeze the rest
        axes.set_ylim(bottom=0.8 * min([low, *(value for _, value in held_out if value > 0)]))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
    axes.legend(frameon=False)


def _draw_errors(axes: "Axes", run: Assignment, top1: Points) -> None:
    points = [(step, 100 * (1 - value)) for step, value in top1]
    _draw_held_out(axes, run, points)
    axes.set(xlabel="epoch", ylabel="top-1 error, %", title="Held-out top-1 error")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    if points:
        step, error = points[-1]
        end = (step * run.recipe.batch_size / run.train_rows, error)
        near: dict[str, Any] = {"xytext": (-4, 8), "textcoords": "offset points", "ha": "right"}
        axes.annotate(f"{error:.2f} %", end, color=TEST_COLOUR, **near)


def _draw_held_out(axes: "Axes", run: Assignment, points: Points) -> None:
    if points:
        epochs = [step * run.recipe.batch_size / run.train_rows for step, _ in points]
        values = [value for _, value in points]
        style: dict[str, Any] = {"markersize": 4, "label": "held out"}
        axes.plot(epochs, values, "o-", color=TEST_COLOUR, **style)


def confusion_matrix(run: Assignment) -> Figure | None:
    """Counts of the last evaluation; errors stand out, the diagonal is muted."""
    if not run.outcome.is_file():
        return None
    outcome = Outcome.model_validate_json(run.outcome.read_bytes())
    counts = np.array(outcome.confusion)
    size = len(counts)
    figure = Figure(figsize=(max(5.0, 0.55 * size + 1.5),) * 2, layout="constrained")
    axes = figure.subplots()
    errors = counts * (1 - np.eye(size))
    shades = LinearSegmentedColormap.from_list("errors", ["#ffffff", TEST_COLOUR])
    axes.imshow(errors, cmap=shades, vmin=0, vmax=max(3, errors.max()))
    axes.imshow(np.ma.masked_equal(np.eye(size), 0), cmap=ListedColormap(["#e8eef4"]))
    if size <= _MOST_CLASSES_IN_FIGURES:
        _write_counts(axes, counts, run.labels)
    axes.tick_params(which="both", length=0)
    wrong, images = int(errors.sum()), int(counts.sum())
    axes.set(xlabel="most likely class", ylabel="true class")
    title = f"{run.recipe.name}: {wrong} of {images} held-out images wrong"
    axes.set_title(f"{title}, top-1 {outcome.metrics['top1']:.4f}", fontsize=10)
    return figure


def _write_counts(axes: "Axes", counts: np.ndarray, labels: tuple[str, ...]) -> None:
    """Figures in the cells that hold any, class names and a grid."""
    size = len(counts)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour, weight = ("#5f7386", "normal") if row == column else ("black", "bold")
            middle: dict[str, Any] = {"ha": "center", "va": "center", "weight": weight}
            axes.text(column, row, str(count), color=colour, **middle)
    axes.set_xticks(range(size), labels, rotation=90 if size > 12 else 0)
    axes.set_yticks(range(size), labels)
    axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#e6e6e6", linewidth=0.8)


def first_layer_filters(run: Assignment) -> Figure | None:
    """First-layer kernels as they learn: one row a time, one column a feature map."""
    files = sorted(run.filters.glob("step-*.safetensors"))
    if not files:
        return None
    chosen = sorted({round(i) for i in np.linspace(0, len(files) - 1, _MOST_TIMES)})
    rows = [(int(files[i].stem[5:]), load_file(files[i])["weight"]) for i in chosen]
    maps = min(_MOST_FILTERS, rows[0][1].shape[0])
    figure = Figure(figsize=(1.1 * maps + 1.3, 1.15 * len(rows) + 0.7), layout="constrained")
    grid = figure.subplots(len(rows), maps, squeeze=False)
    limit = max(float(np.abs(weight).max()) for _, weight in rows)
    for (step, weight), line in zip(rows, grid, strict=True):
        for index, axes in enumerate(line):
            _kernel(axes, weight[index], limit)
            if step == rows[0][0]:
                axes.set_title(str(index + 1), fontsize=9)
        epoch = step * run.recipe.batch_size / run.train_rows
        line[0].set_ylabel(f"epoch {epoch:.0f}", fontsize=9)
    figure.suptitle(f"{run.recipe.name}: first-layer kernels as they learn", fontsize=10)
    return figure


def _kernel(axes: "Axes", kernel: np.ndarray, limit: float) -> None:
    """A (channels, height, width) kernel: colours for three channels, else signed grey."""
    if kernel.shape[0] == 3:
        axes.imshow(np.clip(0.5 + kernel.transpose(1, 2, 0) / (2 * limit), 0, 1))
    else:
        axes.imshow(kernel.mean(0), cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#cccccc")
