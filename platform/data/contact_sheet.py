"""Layouts of pictures to look at: a contact sheet of images, and film strips of clips."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]

PAPER, INK, FAINT, FILM = "#fbfaf7", "#22252a", "#8a8d91", "#16181b"
_CELL, _GAP, _MARGIN = 128, 14, 24
_TITLE_PX, _TEXT_PX = 20, 13
_LINE = _TEXT_PX + 5
_FRAME_HEIGHT = 96
_HOLE, _HOLE_STEP, _EDGE = (7, 5), 15, 15


@dataclass(frozen=True)
class Cell:
    """One sample of a contact sheet.

    Attributes:
        image: (height, width, 1 or 3) uint8, or None for one that cannot be decoded.
        captions: lines that stand under it.
    """

    image: Pixels | None
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Strip:
    """One clip.

    Attributes:
        frames: (time, height, width, 3) uint8, or None for one that cannot be decoded.
        times_s: seconds of each frame.
        caption: what stands above it.
    """

    frames: Pixels | None
    times_s: tuple[float, ...]
    caption: str


def contact_sheet(title: str, cells: Sequence[Cell], columns: int = 8) -> Image.Image:
    """Images in rows, each fitted into a square, with captions under it."""
    columns = max(1, min(columns, len(cells)))
    lines = max((len(cell.captions) for cell in cells), default=0)
    step_x, step_y = _CELL + _GAP, _CELL + lines * _LINE + _GAP
    rows = -(-len(cells) // columns)
    size = 2 * _MARGIN + columns * step_x - _GAP, _top() + rows * step_y - _GAP + _MARGIN
    sheet, draw = _paper(title, size)
    for index, cell in enumerate(cells):
        x = _MARGIN + index % columns * step_x
        y = _top() + index // columns * step_y
        _put(sheet, draw, cell.image, x, y)
        for line, caption in enumerate(cell.captions):
            colour = INK if line == 0 else FAINT
            text = _fitted(draw, caption, _CELL)
            draw.text((x, y + _CELL + 4 + line * _LINE), text, colour, _font(_TEXT_PX))
    return sheet


def film_strips(title: str, strips: Sequence[Strip]) -> Image.Image:
    """Clips under each other, each a strip of film with the times of its frames."""
    films = [_film(strip) for strip in strips]
    width = max((film.width for film in films), default=_CELL)
    step = _LINE + 4 + _FRAME_HEIGHT + 2 * _EDGE + _LINE + _GAP
    size = 2 * _MARGIN + width, _top() + len(films) * step - _GAP + _MARGIN
    sheet, draw = _paper(title, size)
    for index, (strip, film) in enumerate(zip(strips, films, strict=True)):
        y = _top() + index * step
        caption = _fitted(draw, strip.caption, width)
        draw.text((_MARGIN, y), caption, INK, _font(_TEXT_PX))
        y += _LINE + 4
        sheet.paste(film, (_MARGIN, y))
        frame_width = (film.width - _HOLE_STEP) / max(1, len(strip.times_s))
        for at, time_s in enumerate(strip.times_s if strip.frames is not None else ()):
            middle = _MARGIN + _HOLE_STEP / 2 + (at + 0.5) * frame_width
            place = (middle, y + film.height + 3)
            draw.text(place, f"{time_s:.2f} s", FAINT, _font(_TEXT_PX), anchor="ma")
    return sheet


def _film(strip: Strip) -> Image.Image:
    """The frames on black, with perforations along both edges."""
    frames = _frames(strip)
    gap = 4
    width = sum(frame.width + gap for frame in frames) - gap + _HOLE_STEP
    film = Image.new("RGB", (width, _FRAME_HEIGHT + 2 * _EDGE), FILM)
    draw = ImageDraw.Draw(film)
    x = _HOLE_STEP // 2
    for frame in frames:
        film.paste(frame, (x, _EDGE))
        x += frame.width + gap
    for left in range(_HOLE_STEP // 2, width - _HOLE[0], _HOLE_STEP):
        for top in ((_EDGE - _HOLE[1]) // 2, film.height - (_EDGE + _HOLE[1]) // 2):
            box = (left, top, left + _HOLE[0], top + _HOLE[1])
            draw.rounded_rectangle(box, 2, PAPER)
    return film


def _frames(strip: Strip) -> list[Image.Image]:
    if strip.frames is None:
        empty = Image.new("RGB", (3 * _FRAME_HEIGHT, _FRAME_HEIGHT), FILM)
        middle = (empty.width // 2, empty.height // 2)
        ImageDraw.Draw(empty).text(middle, "damaged", PAPER, _font(_TEXT_PX), anchor="mm")
        return [empty]
    pictures = [Image.fromarray(frame) for frame in strip.frames]
    width = round(pictures[0].width * _FRAME_HEIGHT / pictures[0].height)
    return [frame.resize((width, _FRAME_HEIGHT), Image.Resampling.LANCZOS) for frame in pictures]


def _put(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, image: Pixels | None, x: int, y: int
) -> None:
    """Fit an image into its square; small ones are enlarged by whole pixels."""
    if image is None:
        draw.rectangle((x, y, x + _CELL - 1, y + _CELL - 1), outline=FAINT)
        middle = (x + _CELL // 2, y + _CELL // 2)
        draw.text(middle, "damaged", FAINT, _font(_TEXT_PX), anchor="mm")
        return
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("RGB")
    scale = _CELL / max(picture.size)
    if scale >= 1:
        scale = int(scale)
    size = tuple(max(1, round(side * scale)) for side in picture.size)
    kind = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
    fitted = picture.resize((size[0], size[1]), kind)
    sheet.paste(fitted, (x, y + _CELL - fitted.height))  # above its caption


def _paper(title: str, size: tuple[int, int]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    probe = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    width = max(size[0], 2 * _MARGIN + round(probe.textlength(title, _font(_TITLE_PX))))
    sheet = Image.new("RGB", (width, size[1]), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN - 6), title, INK, _font(_TITLE_PX))
    return sheet, draw


def _top() -> int:
    return _MARGIN + _TITLE_PX + _GAP


def _fitted(draw: ImageDraw.ImageDraw, text: str, width: float) -> str:
    """The text, its middle left out where it is too long: both ends of a path tell something."""
    font = _font(_TEXT_PX)
    if draw.textlength(text, font) <= width:
        return text
    kept = len(text)
    while kept > 1:
        kept -= 1
        short = f"{text[: kept // 2]}…{text[len(text) - (kept - kept // 2) :]}"
        if draw.textlength(short, font) <= width:
            return short
    return "…"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
