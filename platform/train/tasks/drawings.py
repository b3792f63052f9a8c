"""The worst mistakes as pictures: what was shown, what it is, what the network took it for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np
from PIL import Image

from striate.core.arrays import Pixels
from striate.core.errors import StriateError
from striate.data.pipelines.base import Pipeline
from striate.data.show.contact_sheet import Cell, contact_sheet, shorten, stack
from striate.data.show.rows import SampleRow, image_of
from striate.data.show.text_page import text_page
from striate.data.stream.reader import SplitReader
from striate.data.transforms.audio.frames import frame_centres
from striate.train.run.mistake import Mistake

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Picture: TypeAlias = Union[Image.Image, "Figure"]
"""What a task draws."""

_MOST_STRIPS, _FRAMES_IN_STRIP, _STRIP_HEIGHT = 8, 8, 96
_AROUND_S, _STEP = 0.25, 40
_RANGE_DB = 70.0


@dataclass(frozen=True)
class HeldOut:
    """The samples that were evaluated, for a task to draw.

    Attributes:
        recipe: the run's.
        labels: class names.
        reader: of the split.
        pipeline: that they were evaluated with, made for their shards; None for raw images.
    """

    recipe: str
    labels: tuple[str, ...]
    reader: SplitReader
    pipeline: Pipeline | None = None

    @property
    def title(self) -> str:
        """What stands above a picture of mistakes."""
        return f"{self.recipe}: the most confident mistakes on held-out data"

    def row(self, number: int) -> SampleRow:
        """A row by its number.

        Raises:
            DataError: its shard is missing or damaged.
        """
        return row_of(self.reader, number)


def draw_classes(mistakes: Sequence[Mistake], held_out: HeldOut) -> Picture:
    """Samples of one class each that were taken for another.

    Photographs on a contact sheet, film strips of clips, spectrograms about frames of speech, pages
    of text.

    Raises:
        DataError: a shard is missing or damaged.
    """
    rows = [held_out.row(mistake.row) for mistake in mistakes]
    kind = held_out.reader.manifest.columns.payload.kind
    if kind == "video":
        return _draw_strips(held_out.title, held_out.labels, mistakes, rows)
    if kind == "text":
        return _draw_pages(held_out.title, held_out.labels, mistakes, rows)
    if kind == "audio":
        return _draw_spectrograms(held_out.title, held_out.labels, mistakes, rows)
    return _draw_sheet(held_out.title, held_out.labels, mistakes, rows)


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


def _draw_sheet(
    title: str, labels: tuple[str, ...], mistakes: Sequence[Mistake], rows: Sequence[SampleRow]
) -> Image.Image:
    cells = []
    for mistake, row in zip(mistakes, rows, strict=True):
        true, found = shorten(labels[mistake.true]), shorten(labels[mistake.predicted])
        captions = (f"is {true}", f"taken for {found}", f"{mistake.score:.3f}, row {row.number}")
        cells.append(Cell(decode_row(row), captions))
    return contact_sheet(title, cells)


def decode_row(row: SampleRow) -> Pixels | None:
    """A row's image; None for one that cannot be decoded."""
    try:
        return image_of(row)
    except StriateError:
        return None


def _draw_strips(
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


def _draw_pages(
    title: str, labels: tuple[str, ...], mistakes: Sequence[Mistake], rows: Sequence[SampleRow]
) -> Image.Image:
    pages: list[tuple[str, Image.Image | None]] = []
    for mistake, row in list(zip(mistakes, rows, strict=True))[:_MOST_STRIPS]:
        part = f"{row.shard.key(row.at)}, {mistake.unit + 1}"
        page = text_page(row.shard.payload(row.at))
        pages.append((f"{describe_mistake(mistake, labels)}   {part}", page))
    return stack(title, pages)


def _draw_spectrograms(
    title: str, labels: tuple[str, ...], mistakes: Sequence[Mistake], rows: Sequence[SampleRow]
) -> "Figure":
    """A quarter of a second before and after each frame, which stands between the two lines."""
    from matplotlib.figure import Figure

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
