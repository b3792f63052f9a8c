"""Dense labels as pictures: an image, its true regions, and those that a network found."""

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.core.arrays import Pixels
from striate.core.errors import StriateError
from striate.data.pipelines.base import Stored
from striate.data.pipelines.dense_labels import fit_size, read_labelled
from striate.data.show.contact_sheet import shorten
from striate.data.show.rows import SampleRow, class_colours, colour_regions
from striate.train.run.mistake import Mistake
from striate.train.tasks.drawings import HeldOut, Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANELS = ("image", "true", "predicted")
_COLUMNS, _MOST = 2, 8  # of mistakes, each of as many panels


def encode_regions(classes: NDArray[Any]) -> str:
    """(height, width) classes below 256 as the text of a PNG, a few hundred bytes."""
    out = io.BytesIO()
    Image.fromarray(classes.astype(np.uint8)).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def decode_regions(text: str) -> NDArray[np.int64]:
    """The inverse of `encode_regions`."""
    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        return np.asarray(image).astype(np.int64)


def draw_regions(mistakes: Sequence[Mistake], held_out: HeldOut) -> Picture:
    """Three panels for each image, and what the colours mean.

    Raises:
        DataError: a shard is missing or damaged.
    """
    from matplotlib.figure import Figure

    shown = mistakes[:_MOST]
    lines = -(-len(shown) // _COLUMNS)
    figure = Figure(figsize=(12.5, 1.95 * lines + 0.9))
    figure.set_layout_engine("constrained", hspace=0.14)  # room for what stands under a mistake
    widths = (*[1.0] * len(_PANELS), 0.12) * _COLUMNS  # a gap after each mistake
    grid = figure.subplots(lines, len(widths), squeeze=False, width_ratios=widths)
    for axes in grid.flat:
        axes.set_axis_off()
    for at, mistake in enumerate(shown):
        line, column = divmod(at, _COLUMNS)
        places = grid[line, column * (len(_PANELS) + 1) :][: len(_PANELS)]
        panels = _panels_of(held_out.row(mistake.row), mistake, len(held_out.labels))
        for axes, panel, name in zip(places, panels, _PANELS, strict=True):
            axes.imshow(panel, interpolation="nearest")
            axes.set_title(name if name != "image" else f"row {mistake.row}", fontsize=8)
        _describe(places[1], mistake, held_out.labels)
    _explain_colours(figure, held_out.labels)
    figure.suptitle(f"{held_out.recipe}: the held-out images with most wrong pixels", fontsize=10)
    return figure


def _panels_of(row: SampleRow, mistake: Mistake, classes: int) -> list[Pixels]:
    """Image, true regions, predicted ones; grey fields where the image cannot be decoded."""
    predicted = decode_regions(mistake.evidence)
    payload, label = row.shard.payload(row.at), row.shard.label(row.at)
    try:
        image, true = read_labelled(Stored(row.number, 0, payload, label))
    except StriateError:
        field = np.full((*predicted.shape, 3), 200, np.uint8)
        return [field, field, colour_regions(predicted, classes)]
    canvas = (predicted.shape[0], predicted.shape[1])
    height, width = fit_size((image.shape[0], image.shape[1]), canvas)
    found = colour_regions(predicted[:height, :width], classes)
    return [image, colour_regions(true, classes), found]


def _describe(axes: Any, mistake: Mistake, labels: tuple[str, ...]) -> None:
    true, taken = shorten(labels[mistake.true]), shorten(labels[mistake.predicted])
    text = f"{100 * mistake.score:.0f} % wrong, most of it {true} taken for {taken}"
    said = axes.text(0.5, -0.06, text, transform=axes.transAxes, fontsize=8, ha="center", va="top")
    said.set_in_layout(False)  # it may be wider than its panel


def _explain_colours(figure: "Figure", labels: tuple[str, ...]) -> None:
    from matplotlib.patches import Patch

    colours = class_colours(len(labels)) / 255
    patches = [
        Patch(color=colour, label=shorten(name))
        for name, colour in zip((*labels, "unknown"), colours, strict=True)
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=9, fontsize=8, frameon=False)
