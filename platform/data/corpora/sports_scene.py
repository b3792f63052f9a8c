"""What the generated clips show: backgrounds and things of random shape, texture and colour."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from striate.core.arrays import Floats, Pixels

HEIGHT, WIDTH = 120, 160
_TEXTURE = 96  # pixels of a thing's picture each way, finer than it is ever shown
_CONTRAST = 70.0


@dataclass(frozen=True)
class Sprite:
    """An object: `colours` (n, n, 3) uint8 and where it covers what is behind it, (n, n) bool."""

    colours: Pixels
    covers: NDArray[np.bool_]


@dataclass(frozen=True)
class Pose:
    """Where a thing is in every frame: centre, turn in radians, and half its width in pixels."""

    x: Floats
    y: Floats
    turn: Floats
    size: Floats

    def move(
        self,
        *,
        x: Floats | float = 0.0,
        y: Floats | float = 0.0,
        turn: Floats | float = 0.0,
        grow: Floats | float = 1.0,
    ) -> "Pose":
        """The same, with a motion on top."""
        return Pose(self.x + x, self.y + y, self.turn + turn, self.size * grow)


def background(random: Generator) -> Pixels:
    """(HEIGHT, WIDTH, 3) uint8."""
    return _texture(random, HEIGHT, WIDTH)


def draw_sprite(random: Generator) -> Sprite:
    """A blob, polygon, star or ring with a texture of its own."""
    axis = (np.arange(_TEXTURE) + 0.5) / _TEXTURE * 2 - 1
    x, y = axis[None, :], axis[:, None]
    angle, radius = np.arctan2(y, x), np.hypot(x, y)
    corners = int(random.integers(3, 8))
    sector = np.mod(angle, 2 * np.pi / corners) - np.pi / corners
    outlines = (
        np.cos(np.pi / corners) / np.cos(sector),  # polygon
        1 - 0.5 * np.abs(sector) / (np.pi / corners),  # star
        0.75 + 0.25 * np.sin(angle * corners + 1),  # blob
        1 / np.hypot(np.cos(angle), np.sin(angle) * random.uniform(1, 2.5)),  # ellipse
    )
    covers = radius < outlines[int(random.integers(len(outlines)))]
    if random.integers(4) == 0:
        covers &= radius > 0.3
    return Sprite(_texture(random, _TEXTURE, _TEXTURE), covers)


def draw(frame: Pixels, what: Sprite, pose: Pose, index: int) -> None:
    """Draw a thing into a frame, in place; what leaves on one side comes in on the other."""
    size = float(pose.size[index])
    reach = min(int(np.ceil(size)), HEIGHT // 2)
    span = np.arange(-reach, reach)
    x, y = float(pose.x[index]), float(pose.y[index])
    across = (span + 0.5 - x % 1)[None, :] / size
    down = (span + 0.5 - y % 1)[:, None] / size
    cosine, sine = np.cos(pose.turn[index]), np.sin(pose.turn[index])
    column = np.floor((across * cosine + down * sine + 1) * (_TEXTURE / 2)).astype(np.intp)
    row = np.floor((down * cosine - across * sine + 1) * (_TEXTURE / 2)).astype(np.intp)
    inside = (column >= 0) & (column < _TEXTURE) & (row >= 0) & (row < _TEXTURE)
    column, row = column.clip(0, _TEXTURE - 1), row.clip(0, _TEXTURE - 1)
    seen = inside & what.covers[row, column]
    at = np.ix_((span + int(np.floor(y))) % HEIGHT, (span + int(np.floor(x))) % WIDTH)
    frame[at] = np.where(seen[:, :, None], what.colours[row, column], frame[at])


def _texture(random: Generator, height: int, width: int) -> Pixels:
    """Smooth patches of colour around one colour, with stripes or without."""
    cells = int(random.integers(3, 9))
    base = random.uniform(40, 215, 3)
    patches = (base + random.normal(0, _CONTRAST, (cells, cells, 3))).clip(0, 255)
    image = Image.fromarray(patches.astype(np.uint8))
    pixels = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC), np.float64)
    if random.integers(2):
        direction, wave = random.uniform(0, np.pi), random.uniform(0.15, 0.5)
        across = np.arange(width)[None, :] * np.cos(direction)
        down = np.arange(height)[:, None] * np.sin(direction)
        pixels = pixels + 40 * np.sign(np.sin((across + down) * wave))[:, :, None]
    return pixels.clip(0, 255).astype(np.uint8)
