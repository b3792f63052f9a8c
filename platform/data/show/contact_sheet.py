"""Layouts of pictures to look at: a contact sheet of images, and pictures under each other."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from striate.core.arrays import Pixels

PAPER, INK, FAINT = "#fbfaf7", "#22252a", "#8a8d91"
_CELL, _GAP, _MARGIN = 128, 14, 24
_WHOLE_FROM = 3  # how much smaller than its square an image is whose pixels are to be seen
_TITLE_PX, _TEXT_PX = 20, 13
_LINE = _TEXT_PX + 5
_LONGEST_NAME = 26


@dataclass(frozen=True)
class Cell:
    """One sample of a contact sheet.

    Attributes:
        image: (height, width, 1 or 3) uint8, or None for one that cannot be decoded.
        captions: lines that stand under it.
    """

    image: Pixels | None
    captions: tuple[str, ...]


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


def stack(title: str, pictures: Sequence[tuple[str, Image.Image | None]]) -> Image.Image:
    """Pictures under each other, each with its caption above it; None for a damaged sample."""
    width = max((picture.width for _, picture in pictures if picture is not None), default=_CELL)
    heights = [_LINE + 4 + (_LINE if p is None else p.height) + _GAP for _, p in pictures]
    size = 2 * _MARGIN + width, _top() + sum(heights) - _GAP + _MARGIN
    sheet, draw = _paper(title, size)
    y = _top()
    for (caption, picture), height in zip(pictures, heights, strict=True):
        draw.text((_MARGIN, y), _fitted(draw, caption, width), INK, _font(_TEXT_PX))
        if picture is None:
            draw.text((_MARGIN, y + _LINE + 4), "damaged", FAINT, _font(_TEXT_PX))
        else:
            sheet.paste(picture, (_MARGIN, y + _LINE + 4))
        y += height
    return sheet


def shorten(name: str, longest: int = _LONGEST_NAME) -> str:
    """A class in a few letters: the first of its synonyms, cut where it is still long."""
    first = name.split(",")[0].strip()
    return first if len(first) <= longest else f"{first[: longest - 1]}…"


def _put(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, image: Pixels | None, x: int, y: int
) -> None:
    """Fit an image into its square; tiny ones are enlarged by whole pixels."""
    if image is None:
        draw.rectangle((x, y, x + _CELL - 1, y + _CELL - 1), outline=FAINT)
        middle = (x + _CELL // 2, y + _CELL // 2)
        draw.text(middle, "damaged", FAINT, _font(_TEXT_PX), anchor="mm")
        return
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("RGB")
    scale = _CELL / max(picture.size)
    if scale >= _WHOLE_FROM:
        scale = int(scale)
    size = tuple(max(1, round(side * scale)) for side in picture.size)
    kind = Image.Resampling.NEAREST if scale >= _WHOLE_FROM else Image.Resampling.LANCZOS
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
