"""Pairs as pictures: both members side by side, what they are, and how far apart they came out."""

import json
from collections.abc import Sequence

import numpy as np

from striate.core.arrays import Pixels
from striate.data.show.contact_sheet import Cell, contact_sheet, shorten
from striate.data.show.rows import label_text
from striate.train.run.mistake import Mistake
from striate.train.tasks.drawings import HeldOut, Picture, decode_row

_GAP, _WHITE = 2, 255


def draw_pairs(mistakes: Sequence[Mistake], held_out: HeldOut) -> Picture:
    """A contact sheet of pairs.

    Raises:
        DataError: a shard is missing or damaged.
    """
    cells = []
    for mistake in mistakes:
        other, distance = json.loads(mistake.evidence)
        rows = [held_out.row(mistake.row), held_out.row(other)]
        names = [shorten(label_text(row.shard, row.at, held_out.labels)) for row in rows]
        taken = "one class" if mistake.predicted else "two classes"
        captions = (
            f"{names[0]} and {names[1]}",
            f"taken for {taken}",
            f"distance {distance:.3f}",
            f"rows {mistake.row}, {other}",
        )
        cells.append(Cell(join_side_by_side([decode_row(row) for row in rows]), captions))
    return contact_sheet(held_out.title, cells)


def join_side_by_side(images: Sequence[Pixels | None]) -> Pixels | None:
    """Images in one row, at the top of a white field; None where one could not be decoded."""
    whole = [image for image in images if image is not None]
    if len(whole) < len(images):
        return None
    height = max(image.shape[0] for image in whole)
    channels = max(image.shape[2] for image in whole)
    parts: list[Pixels] = []
    for image in whole:
        field = np.full((height, image.shape[1] + _GAP, channels), _WHITE, np.uint8)
        field[: image.shape[0], : image.shape[1]] = image
        parts.append(field)
    return np.concatenate(parts, axis=1)[:, :-_GAP]
