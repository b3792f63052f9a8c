"""Drawing generated people: points of all surfaces, turned, lit, and seen from the front.

The surfaces are dense clouds of points. Each pixel takes the mean of the points that fall on it and
lie near the front one, so that edges are smooth without a larger canvas.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.core.arrays import Pixels
from striate.data.corpora.face_parts import Cloud, all_clouds
from striate.data.corpora.face_person import DrawnPerson, Look
from striate.data.corpora.face_surface import (
    Points,
    landmark_places,
    surface,
    to_directions,
)

HEAD_SHARE = 0.27
"""Half height of a head over the height of its picture, at a scale of 1."""

FACE_SIDE = 1.8
"""Side of a square around a face, in half heights of its head."""

_FACE_MIDDLE = np.array([[0.0, 0.08, 0.35]])  # between eyes and mouth, below the skin
_FAR = 7.0  # from the head to the camera, in half heights
_THICK = 0.06  # points so much behind the front one still show


class Drawing(NamedTuple):
    """A picture of a person.

    Attributes:
        pixels: (height, width, 3) uint8.
        landmarks: (67, 2) x and y in pixels, from the upper left corner.
        centre: x and y of the middle of the face, in pixels.
        side: of a square around the face, in pixels.
    """

    pixels: Pixels
    landmarks: NDArray[np.float64]
    centre: tuple[float, float]
    side: float


def draw_face(
    person: DrawnPerson,
    look: Look,
    background: NDArray[np.float64],
    *,
    scale: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),
) -> Drawing:
    """A person in a look before a background.

    Args:
        person, look: whom and how.
        background: (height, width, 3) from 0 to 1.
        scale: size of the head.
        shift: of its middle from the picture's, in parts of the picture's height.
    """
    height, width = background.shape[:2]
    unit = HEAD_SHARE * scale * height
    turn = _rotation(look)
    seen = all_clouds(person, look, turn, unit)
    lit = _light(seen, look)
    camera = _Camera(unit, (width / 2 + shift[0] * height, height * (0.5 + shift[1])))
    pixels = _project(seen, lit, camera, background)
    places = landmark_places(person, look)
    marks = camera.see(surface(to_directions(places), person, look) @ turn.T)
    middle = camera.see(_FACE_MIDDLE @ turn.T)[0]
    centre = (float(middle[0]), float(middle[1]))
    landmarks = marks[:, :2].astype(np.float64)
    return Drawing(pixels, landmarks, centre, FACE_SIDE * unit)


def place_of_face(look: Look, unit: float) -> tuple[float, float]:
    """How far, in pixels, the middle of a face is off that of its head.

    Args:
        look: whose pose counts.
        unit: half height of the head, in pixels.
    """
    middle = _Camera(unit, (0.0, 0.0)).see(_FACE_MIDDLE @ _rotation(look).T)[0]
    return float(middle[0]), float(middle[1])


class _Camera(NamedTuple):
    unit: float
    middle: tuple[float, float]

    def see(self, points: Points) -> Points:
        """(n, 3) points → (n, 3) x and y in pixels, and depth."""
        near = _FAR / (_FAR - points[:, 2])
        x, y = (points[:, axis] * near * self.unit + self.middle[axis] for axis in (0, 1))
        return np.stack([x, y, points[:, 2]], 1)


def _rotation(look: Look) -> Points:
    """(3, 3): first the yaw, then the pitch, then the roll."""
    cy, sy = np.cos(look.yaw), np.sin(look.yaw)
    cp, sp = np.cos(look.pitch), np.sin(look.pitch)
    cr, sr = np.cos(look.roll), np.sin(look.roll)
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    pitch = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    roll = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    turn: Points = roll @ pitch @ yaw
    return turn


def _light(cloud: Cloud, look: Look) -> Points:
    """(n, 3) colours under one light, the sky's, and a highlight."""
    light = np.array(look.light) / np.linalg.norm(look.light)
    half = light + np.array([0, 0, 1.0])
    half /= np.linalg.norm(half)
    facing = np.clip((cloud.normals @ light + 0.15) / 1.15, 0, 1)
    sky = 0.82 - 0.18 * cloud.normals[:, 1]
    shine = np.clip(cloud.normals @ half, 0, 1) ** 22 * cloud.gloss
    strength = look.ambient * sky + (1.25 - look.ambient) * facing
    tinted = cloud.colour * strength[:, None] * np.array(look.light_colour)
    lit: Points = tinted + 0.55 * shine[:, None]
    return lit


def _project(cloud: Cloud, lit: Points, camera: _Camera, background: Points) -> Pixels:
    """The points on the background; small holes between them are closed."""
    height, width = background.shape[:2]
    seen = camera.see(cloud.points)
    column, row = np.floor(seen[:, 0]).astype(int), np.floor(seen[:, 1]).astype(int)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    place, depth, lit = (row * width + column)[inside], seen[inside, 2], lit[inside]
    front = np.full(height * width, -np.inf)
    np.maximum.at(front, place, depth)
    near = depth > front[place] - _THICK
    place, lit = place[near], lit[near]
    count = np.bincount(place, minlength=height * width)
    sums = [np.bincount(place, lit[:, one], height * width) for one in range(3)]
    image: Points = np.stack(sums, -1) / np.maximum(count, 1)[:, None]
    image, filled = image.reshape(height, width, 3), (count > 0).reshape(height, width)
    for _ in range(2):
        image, filled = _close(image, filled)
    image = np.where(filled[..., None], image, background)
    pixels: Pixels = np.rint(np.clip(image, 0, 1) ** 0.9 * 255).astype(np.uint8)
    return pixels


def _close(image: Points, filled: NDArray[np.bool_]) -> tuple[Points, NDArray[np.bool_]]:
    """Pixels without a point between pixels that have some take their mean."""
    padded = np.pad(filled, 1)
    around = [(0, 1), (2, 1), (1, 0), (1, 2)]
    height, width = filled.shape
    beside = [padded[y : y + height, x : x + width] for y, x in around]
    holes = ~filled & ((beside[0] & beside[1]) | (beside[2] & beside[3]))
    if not holes.any():
        return image, filled
    values = np.pad(image * filled[..., None], ((1, 1), (1, 1), (0, 0)))
    total = sum(values[y : y + height, x : x + width] for y, x in around)
    weight = np.sum(beside, axis=0)
    closed = np.where(holes[..., None], total / np.maximum(weight, 1)[..., None], image)
    return closed, filled | holes
