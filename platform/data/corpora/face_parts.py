"""The surfaces that a generated person is made of: head, ears, hair, neck, shoulders, glasses.

Each is a dense cloud of points, of which those are kept that face the viewer.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.data.corpora.face_paint import hair_cover, paint
from striate.data.corpora.face_person import DrawnPerson, Look
from striate.data.corpora.face_surface import (
    Points,
    Values,
    eye_line,
    smooth,
    surface,
)


class Cloud(NamedTuple):
    """Points of a surface: (n, 3) places and normals, (n, 3) colours, (n,) gloss."""

    points: Points
    normals: Points
    colour: Points
    gloss: Values


def all_clouds(person: DrawnPerson, look: Look, turn: Points, unit: float) -> Cloud:
    """Every point of a person that faces the viewer.

    Args:
        person, look: whom and how.
        turn: (3, 3), the head's rotation.
        unit: half height of the head, in pixels, which says how dense points must be.
    """
    clouds = [*_head(person, look, turn, _columns(unit)), *_body(person, turn, unit)]
    if person.glasses and look.with_glasses:
        clouds.append(_glasses(person, turn))
    return Cloud(*(np.concatenate(parts) for parts in zip(*clouds, strict=True)))


def _columns(unit: float) -> int:
    """Of the grid over the head, so that pixels get a point or more."""
    return int(np.clip(6 * unit, 48, 720))


@lru_cache(maxsize=8)
def _directions(columns: int) -> tuple[Points, Points]:
    """Unit directions of the grids over the front and the back, (rows, columns, 3) each."""
    rows = int(columns * 0.62)
    high = np.linspace(-0.495 * np.pi, 0.495 * np.pi, rows)[:, None]
    grids = []
    for first, last, count in ((-0.62, 0.62, int(0.72 * columns)), (0.6, 1.4, columns // 3)):
        around = np.linspace(first * np.pi, last * np.pi, count)[None]
        cells = [np.cos(high) * np.sin(around), np.sin(high) + 0 * around]
        grid = np.stack([*cells, np.cos(high) * np.cos(around)], -1)
        grids.append(grid.astype(np.float32))
    return grids[0], grids[1]


def _head(person: DrawnPerson, look: Look, turn: Points, columns: int) -> list[Cloud]:
    """Front, back, and ears."""
    clouds = []
    for grid in _directions(columns):
        places = surface(grid, person, look)
        cover = hair_cover(grid, person)
        if person.hair_thick:
            body = person.hair_thick * cover * (0.6 + 0.4 * smooth(-grid[..., 1], -0.2, 0.9))
            places = places + grid * body[..., None]
        seen = _facing(places, turn)
        painted = paint(grid[seen.kept], person, look)
        clouds.append(Cloud(seen.points, seen.normals, painted.colour, painted.gloss))
    clouds += [_ear(person, side, turn, max(10, columns // 12)) for side in (-1, 1)]
    if person.hair_long:
        clouds.append(_curtain(person, turn, columns // 2))
    return clouds


def _ear(person: DrawnPerson, side: int, turn: Points, count: int) -> Cloud:
    around = np.linspace(0, 2 * np.pi, 2 * count)[None]
    radius = np.linspace(0.05, 1, count)[:, None]
    high = person.ear * radius * np.sin(around) * 1.1
    far = person.ear * radius * np.cos(around) * 0.6
    bowl = 0.05 * np.cos(radius * 3.3 * np.pi) + 0 * around
    out = person.width * 0.98 + person.ear_out * (0.09 - far * 0.5) + bowl
    places = np.stack([side * out, high + 0.02, far - 0.1], -1)
    dark = 0.86 + 0.12 * np.cos(radius * 3.3 * np.pi) + 0 * around
    colour = person.skin * np.array([1.02, 0.9, 0.88]) * dark[..., None]
    return _cloud(places, turn, colour, 0.05, outward=np.array([side, 0, 0.35]))


def _curtain(person: DrawnPerson, turn: Points, count: int) -> Cloud:
    """Long hair: a sheet around the sides and the back."""
    around = np.linspace(0.36 * np.pi, 1.64 * np.pi, 2 * count)[None]
    down = np.linspace(-0.5, person.hair_long, count)[:, None]
    wide = person.width + 0.6 * person.hair_thick + 0.08 * np.clip(down, 0, 2)
    x = wide * np.sin(around) * (1 + 0.015 * np.sin(9 * down + 23 * around))
    z = (person.depth * 0.8 + 0.1) * np.cos(around) + 0 * down
    places = np.stack([x, down + 0 * around, z], -1)
    shade = 0.7 + 0.15 * (np.sin(61 * around) + np.sin(97 * around + 3 * down))
    return _cloud(places, turn, person.hair * shade[..., None], 0.12)


def _body(person: DrawnPerson, turn: Points, unit: float) -> list[Cloud]:
    """Neck and shoulders; they turn with the head."""
    count = int(np.clip(2.2 * unit, 24, 200))
    around = np.linspace(-np.pi, np.pi, 2 * count)[None]
    down = np.linspace(0.45, 1.35, count)[:, None]
    neck = 0.4 + 0.12 * np.clip(down - 1.0, 0, 1)
    places = np.stack([neck * np.sin(around), down + 0 * around, neck * np.cos(around) - 0.18], -1)
    shade = 0.62 + 0.3 * smooth(down + 0 * around, 0.7, 1.3)
    clouds = [_cloud(places, turn, person.skin * shade[..., None], 0.0)]
    down = 1.2 + 1.4 * np.linspace(0, 1, 2 * count)[:, None] ** 2
    wide = 0.3 + 1.5 * np.clip((down - 1.2) / 0.7, 0, 1) ** 0.6
    thick = 0.25 + 0.4 * np.clip((down - 1.2) / 0.5, 0, 1) ** 0.5
    x, z = wide * np.sin(around), thick * np.cos(around) - 0.15
    places = np.stack([x, down + 0 * around, z], -1)
    fold = 0.9 + 0.1 * np.sin(17 * down + 5 * around)
    above = np.array([0, -0.7, 0])
    clouds.append(
        _cloud(places, turn, person.cloth * fold[..., None], 0.0, above + places * [1, 0, 1])
    )
    return clouds


def _glasses(person: DrawnPerson, turn: Points) -> Cloud:
    """Rims before the eyes, a bridge and temples."""
    angle = np.linspace(0, 2 * np.pi, 220)
    power = 2 / person.glasses_round
    wide = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power * person.glasses_size
    high = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power * person.glasses_size * 0.75
    line: list[Points] = []
    front = person.depth + 0.04
    level = float(eye_line(np.array(0.0), person)) + 0.02
    for side in (-1, 1):
        x = side * person.eye_u + wide
        z = front - 0.28 * (np.abs(x) / 0.6) ** 2
        line.append(np.stack([x, level + high, z], 1))
        along = np.linspace(0, 1, 120)
        hinge = person.eye_u + person.glasses_size
        start = front - 0.28 * (hinge / 0.6) ** 2
        ear = np.stack([np.full(120, side * (person.width + 0.02)), np.full(120, level - 0.03)], 1)
        first = np.array([side * hinge, level - 0.03])
        bent = np.clip(along * 4, 0, 1)[:, None]
        line.append(np.c_[first + bent * (ear - first), start + along * (-0.1 - start)])
    across = np.linspace(-1, 1, 60) * (person.eye_u - person.glasses_size)
    line.append(np.stack([across, np.full(60, level - 0.05), np.full(60, front + 0.02)], 1))
    bars = np.concatenate(line)
    spread = np.array([[0, 0, 0], [0, 0.016, 0], [0, -0.016, 0], [0.013, 0, 0], [-0.013, 0, 0.01]])
    places = (bars[:, None] + spread).reshape(-1, 3)
    normals = np.broadcast_to(np.array([0.0, -0.3, 0.95]), places.shape)
    colour = np.broadcast_to(np.clip(person.cloth * 0.25, 0, 1), places.shape)
    return Cloud(places @ turn.T, normals @ turn.T, colour, np.full(len(places), 0.5))


class _Facing(NamedTuple):
    """The points of a grid that face the viewer, turned, and which these are."""

    points: Points
    normals: Points
    kept: NDArray[np.bool_]


def _facing(places: Points, turn: Points, outward: Points | None = None) -> _Facing:
    """Normals point away from the head's axis, or to `outward`."""
    turn = turn.astype(np.float32)
    places = places.astype(np.float32)
    down, right = np.gradient(places, axis=0), np.gradient(places, axis=1)
    normals = np.cross(right, down)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True) + np.float32(1e-9)
    away = places * np.array([1, 0.8, 1], np.float32) if outward is None else outward
    normals = np.where(((normals * away).sum(-1) < 0)[..., None], -normals, normals)
    kept = normals @ turn[2] > -0.05
    return _Facing(places[kept] @ turn.T, normals[kept] @ turn.T, kept)


def _cloud(
    places: Points, turn: Points, colour: Points, gloss: float, outward: Points | None = None
) -> Cloud:
    """What is seen of a grid of points."""
    seen = _facing(places, turn, outward)
    return Cloud(seen.points, seen.normals, colour[seen.kept], np.full(len(seen.points), gloss))
