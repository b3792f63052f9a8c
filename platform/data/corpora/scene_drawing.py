"""What the generated scenes show: sky, ground and what stands on it, and the class of each pixel.

Colours overlap between classes (sky and water, road and building, grass and tree), so that texture,
shape and what is around tell them apart as well.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from striate.core.arrays import Floats
from striate.data.corpora.stanford import CLASSES
from striate.data.shards.schema import UNKNOWN

HEIGHT, WIDTH = 96, 128
SKY, TREE, ROAD, GRASS, WATER, BUILDING, MOUNTAIN, OBJECT = range(len(CLASSES))

Mask = NDArray[np.bool_]

_GROUNDS: dict[int, tuple[tuple[int, int, int], float]] = {  # class → colour, contrast of its noise
    ROAD: ((118, 116, 114), 8.0),
    GRASS: ((96, 138, 62), 26.0),
    WATER: ((88, 122, 158), 12.0),
}


class DrawnScene(NamedTuple):
    """A picture with its classes.

    Attributes:
        pixels: (HEIGHT, WIDTH, 3) uint8.
        regions: (HEIGHT, WIDTH) int16 classes; −1 along the outlines of things in the foreground,
            where nobody would say whose a pixel is.
        horizon: the row of the horizon.
    """

    pixels: NDArray[np.uint8]
    regions: NDArray[np.int16]
    horizon: int


class _Canvas:
    """A picture that is being drawn."""

    def __init__(self) -> None:
        self.colours: Floats = np.zeros((HEIGHT, WIDTH, 3))
        self.regions: NDArray[np.int16] = np.full((HEIGHT, WIDTH), UNKNOWN, np.int16)
        self.rows, self.columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)

    def put(self, where: Mask, kind: int, colours: Floats) -> None:
        """Draw over what is there: `colours` (3,) or (HEIGHT, WIDTH, 3)."""
        self.colours[where] = np.broadcast_to(colours, self.colours.shape)[where]
        self.regions[where] = kind


def draw_scene(random: Generator) -> DrawnScene:
    """A scene, a function of the generator's state."""
    canvas = _Canvas()
    horizon = int(random.integers(HEIGHT * 3 // 10, HEIGHT * 6 // 10))
    _draw_sky(canvas, random)
    if random.random() < 0.5:
        _draw_mountains(canvas, random, horizon)
    _draw_ground(canvas, random, horizon)
    standing: list[Callable[[_Canvas, Generator, int], None]] = [_draw_building, _draw_tree]
    for _ in range(int(random.integers(1, 5))):
        standing[int(random.integers(2))](canvas, random, horizon)
    for _ in range(int(random.integers(0, 3))):
        _draw_object(canvas, random, horizon)
    light = random.uniform(0.8, 1.15)
    noisy = canvas.colours * light + random.normal(0, 4, canvas.colours.shape)
    return DrawnScene(noisy.clip(0, 255).astype(np.uint8), canvas.regions, horizon)


def smooth_noise(random: Generator, rows: int, columns: int) -> Floats:
    """(HEIGHT, WIDTH) of about −1 to 1, from a grid of `rows` × `columns` numbers."""
    grid = Image.fromarray(random.uniform(-1, 1, (rows, columns)).astype(np.float32))
    return np.asarray(grid.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.float64)


def _jitter(random: Generator, colour: tuple[int, int, int], spread: float = 14.0) -> Floats:
    shifted: Floats = np.array(colour, np.float64) + random.normal(0, spread, 3)
    return shifted


def _draw_sky(canvas: _Canvas, random: Generator) -> None:
    blue, pale = _jitter(random, (96, 146, 206)), _jitter(random, (196, 210, 224))
    height = (canvas.rows / HEIGHT)[:, :, None]
    clouds = np.clip(smooth_noise(random, 5, 4), 0, 1)[:, :, None] * random.uniform(0, 90)
    canvas.put(np.ones((HEIGHT, WIDTH), bool), SKY, blue + (pale - blue) * height * 1.6 + clouds)


def _draw_mountains(canvas: _Canvas, random: Generator, horizon: int) -> None:
    peaks = np.interp(np.arange(WIDTH), np.linspace(0, WIDTH, 9), random.uniform(0, 1, 9))
    top = horizon - (4 + peaks * horizon * random.uniform(0.3, 0.7))
    where = (canvas.rows >= top[None, :]) & (canvas.rows < horizon)
    shade = smooth_noise(random, 12, 16)[:, :, None] * 14
    canvas.put(where, MOUNTAIN, _jitter(random, (104, 108, 126)) + shade)


def _draw_ground(canvas: _Canvas, random: Generator, horizon: int) -> None:
    """One ground everywhere, and often a second one in the shape of a street or a shore."""
    kinds = random.permutation(list(_GROUNDS))
    below = canvas.rows >= horizon
    _put_ground(canvas, random, below, int(kinds[0]))
    if random.random() < 0.7:
        depth = (canvas.rows - horizon) / (HEIGHT - horizon)
        middle = random.uniform(0.2, 0.8) * WIDTH + random.uniform(-60, 60) * depth
        half = (4 + depth * WIDTH * random.uniform(0.15, 0.5)) / 1.5
        street = below & (np.abs(canvas.columns - middle) < half)
        shore = canvas.rows >= horizon + (HEIGHT - horizon) * random.uniform(0.3, 0.7)
        _put_ground(canvas, random, street if random.random() < 0.6 else shore, int(kinds[1]))


def _put_ground(canvas: _Canvas, random: Generator, where: Mask, kind: int) -> None:
    colour, contrast = _GROUNDS[kind]
    grain = {ROAD: (24, 24), GRASS: (HEIGHT, WIDTH), WATER: (HEIGHT // 2, 6)}[kind]
    noise = smooth_noise(random, *grain)[:, :, None] * contrast
    canvas.put(where, kind, _jitter(random, colour) + noise)


def _draw_building(canvas: _Canvas, random: Generator, horizon: int) -> None:
    """A front with rows of windows, from a little below the horizon upwards."""
    wide, tall = random.uniform(16, 46), random.uniform(0.4, 1.1) * horizon
    left, foot = random.uniform(-8, WIDTH - 12), horizon + random.uniform(0, 8)
    across, up = canvas.columns - left, foot - canvas.rows
    where = (across >= 0) & (across < wide) & (up >= 0) & (up < tall)
    base = [(150, 142, 132), (166, 118, 96), (124, 122, 124)][int(random.integers(3))]
    wall = np.broadcast_to(_jitter(random, base), canvas.colours.shape).copy()
    pitch = random.uniform(5, 9)
    window = (np.mod(across, pitch) > pitch * 0.5) & (np.mod(up, pitch) > pitch * 0.45)
    wall[window] = _jitter(random, (62, 72, 86))
    canvas.put(where, BUILDING, wall)


def _draw_tree(canvas: _Canvas, random: Generator, horizon: int) -> None:
    """A crown with a ragged edge on a trunk."""
    x, radius = random.uniform(0, WIDTH), random.uniform(8, 18)
    foot = horizon + random.uniform(0, 14)
    y = foot - radius * random.uniform(1.2, 1.9)
    ragged = 1 + 0.25 * smooth_noise(random, 14, 18)
    crown = np.hypot(canvas.columns - x, (canvas.rows - y) * 0.85) < radius * ragged
    trunk = (np.abs(canvas.columns - x) < radius * 0.12) & (canvas.rows > y) & (canvas.rows < foot)
    canvas.put(trunk, TREE, _jitter(random, (92, 70, 50), 8))
    leaves = smooth_noise(random, HEIGHT // 2, WIDTH // 2)[:, :, None] * 34
    canvas.put(crown, TREE, _jitter(random, (58, 98, 48)) + leaves)


def _draw_object(canvas: _Canvas, random: Generator, horizon: int) -> None:
    """Something of one strong colour in front; its outline is of no class."""
    x, y = random.uniform(8, WIDTH - 8), random.uniform(horizon + 6, HEIGHT - 6)
    wide, tall = random.uniform(6, 14), random.uniform(5, 12)
    power = random.choice([2.0, 6.0])  # an ellipse, or nearly a box
    reach = np.abs((canvas.columns - x) / wide) ** power + np.abs((canvas.rows - y) / tall) ** power
    hue = np.array([random.uniform(150, 240), random.uniform(20, 90), random.uniform(20, 90)])
    canvas.put(reach < 1, OBJECT, random.permutation(hue) * (1.1 - 0.4 * reach)[:, :, None])
    canvas.regions[(reach >= 0.85) & (reach < 1.15)] = UNKNOWN
