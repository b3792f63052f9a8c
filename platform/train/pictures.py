"""Pictures that people look at: learning curves, confusion matrix, first-layer filters."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

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

TRAIN_COLOUR, TEST_COLOUR = "#7f9fbf", "#c4452d"
_MOST_FILTERS, _MOST_TIMES = 32, 6


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
    steps, values = (np.array(column) for column in zip(*series[LOSS], strict=True))
    epochs = steps * run.recipe.batch_size / run.train_rows
    losses.plot(epochs, values, color=TRAIN_COLOUR, alpha=0.35, linewidth=0.8)
    width = max(1, round(run.train_rows / run.recipe.batch_size))
    if len(values) >= 2 * width:
        smooth = np.convolve(values, np.ones(width) / width, mode="valid")
        losses.plot(epochs[width - 1 :], smooth, color="#2d5f8f", label="train, mean of an epoch")
    _test_curve(losses, run, series.get("test/loss", []), "held out")
    losses.set(xlabel="epoch", ylabel="loss", title="Loss")
    if values.min() > 0:
        losses.set_yscale("log")
        held_out = [value for _, value in series.get("test/loss", []) if value > 0]
        low = np.percentile(values, 2)  # a few lucky batches would squeeze the rest
        losses.set_ylim(bottom=0.8 * min([low, *held_out]))
        losses.yaxis.set_major_formatter("{x:g}")
        losses.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
    losses.legend(frameon=False)
    points = [(step, 100 * (1 - value)) for step, value in series.get("test/top1", [])]
    _test_curve(errors, run, points, "held out")
    errors.set(xlabel="epoch", ylabel="top-1 error, %", title="Held-out top-1 error")
    errors.set_ylim(bottom=0)
    errors.set_xlim(left=0)
    if points:
        errors.annotate(
            f"{points[-1][1]:.2f} %",
            (points[-1][0] * run.recipe.batch_size / run.train_rows, points[-1][1]),
            textcoords="offset points",
            xytext=(-4, 8),
            ha="right",
            color=TEST_COLOUR,
        )
    for axes in (losses, errors):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{run.recipe.name}, seed {run.recipe.seed}")
    return figure


def _test_curve(axes: "Axes", run: Assignment, points: list[tuple[int, float]], name: str) -> None:
    if points:
        epochs = [step * run.recipe.batch_size / run.train_rows for step, _ in points]
        axes.plot(epochs, [v for _, v in points], "o-", color=TEST_COLOUR, markersize=4, label=name)


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
    right = np.ma.masked_equal(np.eye(size), 0)
    axes.imshow(right, cmap=ListedColormap(["#e8eef4"]))
    if size <= 30:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour, weight = ("#5f7386", "normal") if row == column else ("black", "bold")
                axes.text(
                    column, row, str(count), ha="center", va="center", color=colour, weight=weight
                )
        axes.set_xticks(range(size), run.labels, rotation=90 if size > 12 else 0)
        axes.set_yticks(range(size), run.labels)
        axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="#e6e6e6", linewidth=0.8)
    axes.tick_params(which="both", length=0)
    wrong, images = int(errors.sum()), int(counts.sum())
    axes.set(xlabel="most likely class", ylabel="true class")
    axes.set_title(
        f"{run.recipe.name}: {wrong} of {images} held-out images wrong,"
        f" top-1 {outcome.metrics['top1']:.4f}",
        fontsize=10,
    )
    return figure


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
