"""The worst mistakes as pictures: what was shown, what it is, what the network took it for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from striate.core.errors import StriateError
from striate.data.show.contact_sheet import Cell, contact_sheet, stack
from striate.data.show.rows import SampleRow, image_of
from striate.data.stream.reader import SplitReader
from striate.data.transforms.audio.frames import frame_centres
from striate.train.plots.confusion import shorten
from striate.train.run.mistake import Mistake
from striate.train.run.spec import Assignment, RunOutcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_STRIPS, _FRAMES_IN_STRIP, _STRIP_HEIGHT = 8, 8, 96
_AROUND_S, _STEP = 0.25, 40
_RANGE_DB = 70.0


def worst_mistakes(run: Assignment) -> Image.Image | Figure | None:
    """The most confident wrong answers of the last evaluation, the worst first.

    Photographs on a contact sheet, film strips of clips, spectrograms about frames of speech; None
    where there is none, or where the shards are not in reach.
    """
    if not run.outcome.is_file():
        return None
    mistakes = RunOutcome.model_validate_json(run.outcome.read_bytes()).mistakes
    if not mistakes:
        return None
    title = f"{run.recipe.name}: the most confident mistakes on held-out data"
    try:
        reader = SplitReader(run.shards, run.recipe.data.test_split)
        rows = [row_of(reader, mistake.row) for mistake in mistakes]
    except StriateError:
        return None
    kind = reader.manifest.columns.payload.kind
    if kind == "video":
        return _strips(title, run.labels, mistakes, rows)
    if kind == "audio":
        return _spectrograms(title, run.labels, mistakes, rows)
    return _sheet(title, run.labels, mistakes, rows)


def row_of(reader: SplitReader, number: int) -> SampleRow:
    """A row of a split by its number.

    Raises:
        DataError: its shard is missing or damaged.
    """
    ends = np.cumsum(reader.shard_rows)
    index = int(np.searchsorted(ends, number, side="right"))
    return SampleRow(
        number, reader.shard(index), number - int(ends[index]) + reader.shard_rows[index]
    )


def describe_mistake(mistake: Mistake, labels: tuple[str, ...]) -> str:
    """A mistake in words."""
    true, found = shorten(labels[mistake.true]), shorten(labels[mistake.predicted])
    return f"is {true}, taken for {found}  {mistake.score:.2f}"


def _sheet(
    title: str, labels: tuple[str, ...], mistakes: Sequence[Mistake], rows: Sequence[SampleRow]
) -> Image.Image:
    cells = []
    for mistake, row in zip(mistakes, rows, strict=True):
        true, found = shorten(labels[mistake.true]), shorten(labels[mistake.predicted])
        captions = (f"is {true}", f"taken for {found}", f"{mistake.score:.3f}, row {row.number}")
        cells.append(Cell(_decoded(row), captions))
    return contact_sheet(title, cells)


def _decoded(row: SampleRow) -> Any:
    try:
        return image_of(row)
    except StriateError:
        return None


def _strips(
    title: str, labels: tuple[str, ...], mistakes: Sequence[Mistake], rows: Sequence[SampleRow]
) -> Image.Image:
    from striate.data.show.film import film_strip

    strips: list[tuple[str, Image.Image | None]] = []
    for mistake, row in list(zip(mistakes, rows, strict=True))[:_MOST_STRIPS]:
        key, payload = row.shard.key(row.at), row.shard.payload(row.at)
        try:
            strip = film_strip(payload, _FRAMES_IN_STRIP, height=_STRIP_HEIGHT, key=key)
        except StriateError:
            strip = None
        strips.append((f"{describe_mistake(mistake, labels)}   {key}", strip))
    return stack(title, strips)


def _spectrograms(
    title: str, labels: tuple[str, ...], mistakes: Sequence[Mistake], rows: Sequence[SampleRow]
) -> Figure:
    """A quarter of a second before and after each frame, which stands between the two lines."""
    columns = min(4, len(mistakes))
    lines = -(-len(mistakes) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.3 * lines + 0.6), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat[len(mistakes) :]:
        axes.set_axis_off()
    for axes, mistake, row in zip(grid.flat, mistakes, rows, strict=False):
        _draw_sound(axes, row, mistake)
        axes.set_title(describe_mistake(mistake, labels), fontsize=8)
    for axes in grid[:, 0]:
        axes.set_ylabel("kHz", fontsize=8)
    for axes in list(grid.flat[: len(mistakes)])[-columns:]:  # the lowest one of each column
        axes.set_xlabel("ms from the frame's middle", fontsize=8)
        axes.tick_params(labelbottom=True)
    figure.suptitle(title, fontsize=10)
    return figure


def _draw_sound(axes: "Axes", row: SampleRow, mistake: Mistake) -> None:
    from striate.data.show.spectrogram import spectrogram
    from striate.data.transforms.audio.load import RATE_HZ, load_mono

    samples = load_mono(row.shard.payload(row.at))
    around = round(_AROUND_S * RATE_HZ)
    middle = int(frame_centres(mistake.unit + 1)[-1])
    padded = np.pad(samples, around)[middle : middle + 2 * around]
    reach_ms = 1000 * _AROUND_S
    look: dict[str, Any] = {"origin": "lower", "aspect": "auto", "cmap": "magma"}
    extent = (-reach_ms, reach_ms, 0, RATE_HZ / 2000)
    image = spectrogram(padded, _STEP)
    axes.imshow(image, extent=extent, vmin=-_RANGE_DB, vmax=0, **look)
    for edge_ms in (-12.5, 12.5):
        axes.axvline(edge_ms, color="white", linewidth=0.7)
    axes.tick_params(labelsize=7)
