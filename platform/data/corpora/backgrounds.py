"""Generated backgrounds without faces: gradients, blobs, stripes and noise."""

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float64]
"""(height, width, 3) from 0 to 1."""


def draw_background(rng: np.random.Generator, height: int, width: int) -> Picture:
    """A room, a wall or a garden, out of focus: a gradient with a few soft and hard shapes."""
    rows, columns = np.mgrid[0:height, 0:width] / max(height, width)
    first, second = rng.uniform(0.05, 0.95, (2, 3))
    turn = rng.uniform(0, 2 * np.pi)
    along = np.clip(0.5 + (rows - 0.5) * np.sin(turn) + (columns - 0.5) * np.cos(turn), 0, 1)
    picture = first + along[..., None] * (second - first)
    for _ in range(rng.integers(0, 7)):
        picture = _with_shape(picture, rows, columns, rng)
    if rng.random() < 0.3:
        wave = np.sin((rows * np.sin(turn * 3) + columns * np.cos(turn * 3)) * rng.uniform(8, 120))
        picture = picture + rng.uniform(0.02, 0.15) * wave[..., None]
    noise = rng.normal(0, rng.uniform(0, 0.05), (height, width, 1))
    noisy: Picture = np.clip(picture + noise, 0, 1)
    return noisy


def _with_shape(
    picture: Picture, rows: Picture, columns: Picture, rng: np.random.Generator
) -> Picture:
    """An ellipse, a bar or a line of any colour, its edge hard or soft."""
    x, y = columns - rng.uniform(0, 1), rows - rng.uniform(0, 1)
    turn = rng.uniform(0, np.pi)
    across, along = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    wide, high = rng.uniform(0.02, 0.4, 2)
    kind = rng.integers(3)
    if kind == 0:
        inside = 1 - (across / wide) ** 2 - (along / high) ** 2
    elif kind == 1:
        inside = np.minimum(1 - np.abs(across / wide), 1 - np.abs(along / high))
    else:
        inside = 1 - np.abs(across / (0.2 * wide))
    share = np.clip(inside * rng.uniform(1, 40), 0, 1)[..., None]
    mixed: Picture = picture + share * rng.uniform(0.4, 1) * (rng.uniform(0, 1, 3) - picture)
    return mixed
