"""A text as a picture: its first lines, for people to look at."""

import textwrap

from PIL import Image, ImageDraw, ImageFont

from striate.data.show.contact_sheet import INK, PAPER

LINES, LETTERS = 24, 84
_SIZE_PX, _LINE_PX, _WIDTH_PX = 13, 17, 640


def text_page(payload: bytes | memoryview) -> Image.Image:
    """The first `LINES` lines of a UTF-8 text, long ones folded; bytes that are none as marks."""
    lines: list[str] = []
    for line in bytes(payload).decode(errors="replace").expandtabs(3).splitlines():
        if len(lines) >= LINES:
            break
        lines += textwrap.wrap(line, LETTERS) or [""]
    page = Image.new("RGB", (_WIDTH_PX, max(1, len(lines[:LINES])) * _LINE_PX), PAPER)
    pen = ImageDraw.Draw(page)
    for at, line in enumerate(lines[:LINES]):
        pen.text((0, at * _LINE_PX), line, INK, ImageFont.load_default(_SIZE_PX))
    return page
