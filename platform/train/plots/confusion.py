"""The confusion matrix, readable from ten classes to a thousand."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from striate.data.show.contact_sheet import shorten
from striate.train.plots.style import TEST, simplify_axes
from striate.train.run.folder import Run
from striate.train.run.spec import RunOutcome, RunSpec
from striate.train.tracking.events import headline_of, unit_of
from striate.train.tracking.metric_names import display_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_WITH_COUNTS, _MOST_WITH_NAMES, _MOST_CELLS = 30, 60, 150
_PAIRS = 18
_SHADES = LinearSegmentedColormap.from_list("errors", ["#ffffff", "#f3b9a5", TEST, "#7d1d0e"])


def draw_confusion_matrix(run: Run) -> Figure | None:
    """Counts of the last evaluation; errors stand out, the diagonal is muted.

    Up to thirty classes each cell holds its count. Of more, classes next to each other share a cell
    where they are too many for the paper, and the pairs that are confused most are listed.
    """
    if not run.folder.outcome.is_file():
        return None
    outcome = RunOutcome.model_validate_json(run.folder.outcome.read_bytes())
    counts = np.array(outcome.confusion)
    if not counts.size:
        return None
    errors = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    draw = _draw_small if len(counts) <= _MOST_WITH_COUNTS else _draw_large
    figure = draw(counts, errors, run.spec.labels)
    headline = headline_of(run.spec.recipe, len(run.spec.labels))
    wrong, samples = int(errors.sum()), int(counts.sum())
    title = f"{run.spec.recipe.name}: {wrong:,} of {samples:,} held-out {_counted(run.spec)} wrong"
    score = outcome.metrics[headline]
    figure.suptitle(f"{title}, {display_name(headline)} {score:.4f}", fontsize=10)
    return figure


def most_confused(errors: np.ndarray, most: int) -> list[tuple[int, int, int]]:
    """(true, predicted, count) of the pairs that are confused most, the most frequent first."""
    order = np.argsort(-errors, axis=None, kind="stable")[:most]
    size = len(errors)
    pairs = [(int(at) // size, int(at) % size) for at in order]
    return [(true, found, int(errors[true, found])) for true, found in pairs if errors[true, found]]


def pool_errors(errors: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    """Sums of square blocks, so that no more than `most` rows are left; and the blocks' side."""
    side = -(-len(errors) // most)
    padding = -len(errors) % side
    whole = np.pad(errors, (0, padding))
    blocks = len(whole) // side
    return whole.reshape(blocks, side, blocks, side).sum(axis=(1, 3)), side


def _counted(run: RunSpec) -> str:
    unit = unit_of(run.recipe)
    return "videos" if unit == "clips" else unit


def _draw_small(counts: np.ndarray, errors: np.ndarray, labels: tuple[str, ...]) -> Figure:
    size = len(counts)
    figure = Figure(figsize=(max(5.0, 0.55 * size + 1.5),) * 2, layout="constrained")
    axes = figure.subplots()
    axes.imshow(errors, cmap=_SHADES, vmin=0, vmax=max(3, 1.5 * errors.max()))
    axes.imshow(np.ma.masked_equal(np.eye(size), 0), cmap=ListedColormap(["#e8eef4"]))
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour, weight = ("#5f7386", "normal") if row == column else ("black", "bold")
            middle: dict[str, Any] = {"ha": "center", "va": "center", "weight": weight}
            axes.text(column, row, str(count), color=colour, **middle)
    names = [shorten(name) for name in labels]
    axes.set_xticks(range(size), names, rotation=90 if size > 12 or _long(names) else 0)
    axes.set_yticks(range(size), names)
    axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#e6e6e6", linewidth=0.8)
    _name_axes(axes)
    return figure


def _draw_large(counts: np.ndarray, errors: np.ndarray, labels: tuple[str, ...]) -> Figure:
    """The matrix, sums of blocks where it must be, beside the most frequent confusions."""
    size = len(counts)
    figure = Figure(figsize=(16, 7.8), layout="constrained")
    axes, listed = figure.subplots(1, 2, width_ratios=(1.9, 1))
    cells, side = pool_errors(errors, _MOST_CELLS)
    edge = len(cells) * side - 0.5
    axes.imshow(
        np.sqrt(cells),  # one error among many must still be seen
        cmap=_SHADES,
        vmin=0,
        extent=(-0.5, edge, edge, -0.5),
        interpolation="nearest",
    )
    axes.plot([-0.5, size - 0.5], [-0.5, size - 0.5], color="#c9d6e2", linewidth=0.8)
    axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))
    if size <= _MOST_WITH_NAMES:
        names = [shorten(name, 16) for name in labels]
        axes.set_xticks(range(size), names, rotation=90, fontsize=7)
        axes.set_yticks(range(size), names, fontsize=7)
    shared = f"; {side} × {side} classes share a cell" if side > 1 else ""
    axes.set_title(f"errors of {size} classes{shared}", fontsize=9)
    _name_axes(axes)
    _draw_pairs(listed, errors, counts, labels)
    return figure


def _draw_pairs(
    axes: "Axes", errors: np.ndarray, counts: np.ndarray, labels: tuple[str, ...]
) -> None:
    """Bars of the pairs that are confused most, in per cent of the true class."""
    pairs = most_confused(errors, _PAIRS)
    if not pairs:
        axes.set_axis_off()
        return
    of = counts.sum(axis=1)
    names = [f"{shorten(labels[true])} → {shorten(labels[found])}" for true, found, _ in pairs]
    values = [count for _, _, count in pairs]
    axes.barh(range(len(pairs)), values, color=TEST, alpha=0.75, height=0.62)
    for at, (true, _, count) in enumerate(pairs):
        axes.text(count, at, f" {count} of {of[true]}", va="center", fontsize=8, color="#444444")
    axes.set_yticks(range(len(pairs)), names, fontsize=8)
    axes.set(ylim=(len(pairs) - 0.4, -0.6), xlim=(0, 1.2 * max(values)))
    axes.set_title("confused most often: true → most likely", fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(length=0)
    simplify_axes(axes)


def _long(names: list[str]) -> bool:
    return max(map(len, names)) * len(names) > 60


def _name_axes(axes: "Axes") -> None:
    axes.tick_params(which="both", length=0)
    axes.set(xlabel="most likely class", ylabel="true class")
