"""Turning a face to the front by its landmarks: a similarity, then a piecewise affine warp.

Taigman, Yang, Ranzato, Wolf, "DeepFace: closing the gap to human-level performance in face
verification", CVPR 2014, section 2. The paper takes 67 points to those of a three-dimensional
shape that it turns; here the shape is a mean frontal one, and the triangles between its points are
those of Delaunay.

Landmarks are (67, 2), x before y, in pixels: 17 of the outline, 10 of the brows, 9 of the nose, 12
of the eyes, 19 of the mouth, as `striate.data.corpora.face_surface` names them. Pixels have their
centres at halves: the upper left corner of an image is (0, 0).
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.core.arrays import Pixels
from striate.core.errors import DataError

Points = NDArray[np.float64]
"""(…, 2), x before y."""

SIX = np.array(
    [[0.33, 0.36], [0.67, 0.36], [0.5, 0.578], [0.398, 0.732], [0.5, 0.732], [0.602, 0.732]]
)
"""Where the six points of a similarity come to lie, in parts of the side of what is cut out."""

FRONTAL = np.array(
    [
        [0.12, 0.451],
        [0.133, 0.545],
        [0.164, 0.634],
        [0.209, 0.716],
        [0.265, 0.791],
        [0.324, 0.854],
        [0.383, 0.901],
        [0.442, 0.935],
        [0.5, 0.95],
        [0.558, 0.935],
        [0.617, 0.901],
        [0.676, 0.854],
        [0.735, 0.791],
        [0.791, 0.716],
        [0.836, 0.634],
        [0.867, 0.545],
        [0.88, 0.451],
        [0.241, 0.258],
        [0.282, 0.242],
        [0.323, 0.237],
        [0.365, 0.244],
        [0.408, 0.265],
        [0.592, 0.265],
        [0.635, 0.244],
        [0.677, 0.237],
        [0.718, 0.242],
        [0.759, 0.258],
        [0.5, 0.39],
        [0.5, 0.452],
        [0.5, 0.514],
        [0.5, 0.578],
        [0.44, 0.616],
        [0.47, 0.617],
        [0.5, 0.617],
        [0.53, 0.617],
        [0.56, 0.616],
        [0.257, 0.363],
        [0.304, 0.325],
        [0.356, 0.326],
        [0.404, 0.365],
        [0.355, 0.391],
        [0.304, 0.39],
        [0.596, 0.365],
        [0.644, 0.326],
        [0.696, 0.325],
        [0.743, 0.363],
        [0.696, 0.39],
        [0.645, 0.391],
        [0.398, 0.732],
        [0.431, 0.71],
        [0.465, 0.705],
        [0.5, 0.712],
        [0.535, 0.705],
        [0.569, 0.71],
        [0.602, 0.732],
        [0.567, 0.763],
        [0.533, 0.776],
        [0.5, 0.78],
        [0.467, 0.776],
        [0.433, 0.763],
        [0.418, 0.728],
        [0.458, 0.728],
        [0.5, 0.728],
        [0.542, 0.728],
        [0.582, 0.728],
        [0.541, 0.746],
        [0.459, 0.746],
    ]
)
"""(67, 2): a face seen from the front, in parts of the side: the mean of 200 generated people."""

_MARGIN = 0.12  # of the corners beyond the face, that keep what is around it


def six_of(landmarks: Points) -> Points:
    """(…, 67, 2) → (…, 6, 2): both eyes, the nose's tip, left, middle and right of the mouth.

    Left and right are those of the picture.
    """
    left, right = (landmarks[..., first : first + 6, :].mean(-2) for first in (36, 42))
    nose, corner, other = (landmarks[..., place, :] for place in (30, 48, 54))
    return np.stack([left, right, nose, corner, (corner + other) / 2, other], -2)


def similarity(source: Points, target: Points) -> Points:
    """The (2, 3) matrix of the rotation, scale and shift that take points nearest to others.

    In the least squares, in closed form (Umeyama, "Least-squares estimation of transformation
    parameters between two point patterns", PAMI 13(4), 1991), and never a reflection.

    Args:
        source, target: (n, 2) each, from 2 points on.

    Raises:
        DataError: all source points are one, or one is not finite.
    """
    middle, other = source.mean(0), target.mean(0)
    from_, to = source - middle, target - other
    size = float((from_**2).sum())
    if not np.isfinite(size) or not np.isfinite(to).all() or size < 1e-12:
        raise DataError("The landmarks of a face are all at one place, or not finite.")
    along = float((from_ * to).sum()) / size
    across = float((from_[:, 0] * to[:, 1] - from_[:, 1] * to[:, 0]).sum()) / size
    turn = np.array([[along, -across], [across, along]])
    return np.column_stack([turn, other - turn @ middle])


def transform(matrix: Points, points: Points) -> Points:
    """(…, 2) points by a (2, 3) matrix."""
    moved: Points = points @ matrix[:, :2].T + matrix[:, 2]
    return moved


def align_similar(image: Pixels, six: Points, side: int, margin: float = 0.0) -> Pixels:
    """The face cut out upright, (side, side, channels) uint8.

    Args:
        image: (height, width, channels).
        six: (6, 2) landmarks; see `six_of`.
        side: in pixels.
        margin: share of the side that is left on each of the four sides around the face.

    Raises:
        DataError: the landmarks are of no use.
    """
    matrix = similarity((SIX * (1 - 2 * margin) + margin) * side, six)
    return sample(image, transform(matrix, _centres(side)))


class FrontalShape(NamedTuple):
    """Where landmarks come to lie, and the triangles between them.

    Attributes:
        points: (67 + 8, 2) in parts of the side; the last ones are on the border.
        triangles: (t, 3) of them.
    """

    points: Points
    triangles: NDArray[np.int32]


def align_frontal(image: Pixels, landmarks: Points, shape: FrontalShape, side: int) -> Pixels:
    """The face cut out and warped to the front, (side, side, channels) uint8.

    First the similarity of the six points; then each triangle of the shape is filled from the
    triangle of the same landmarks.

    Args:
        image: (height, width, channels).
        landmarks: (67, 2).
        shape: such as `frontal_shape` gives.
        side: in pixels.

    Raises:
        DataError: the landmarks are of no use.
    """
    upright = similarity(six_of(landmarks), SIX * side)
    inside = transform(upright, landmarks) / side
    held = np.concatenate([inside, shape.points[len(landmarks) :]])
    place, weights = _barycentric(_Key(shape), side)
    corners = held[shape.triangles[place]]  # (pixels, 3, 2)
    wanted = (weights[..., None] * corners).sum(1) * side
    return sample(image, transform(_inverse(upright), wanted))


def frontal_shape(landmarks: Points) -> FrontalShape:
    """The shape of (67, 2) landmarks of a face seen from the front, at any place and size.

    Raises:
        DataError: the landmarks are of no use.
    """
    from scipy.spatial import Delaunay

    upright = transform(similarity(six_of(landmarks), SIX), landmarks)
    line = np.array([-_MARGIN, 0.5, 1 + _MARGIN])
    border = [(x, y) for x in line for y in line if (x, y) != (0.5, 0.5)]
    points = np.concatenate([upright, border])
    return FrontalShape(points, Delaunay(points).simplices.astype(np.int32))


def sample(image: Pixels, places: Points) -> Pixels:
    """The image at (side, side, 2) or (side², 2) places, between pixels; beyond it, its edge.

    Returns:
        (side, side, channels) uint8.
    """
    height, width = image.shape[:2]
    side = int(np.sqrt(places.size // 2))
    x = np.clip(places[..., 0].ravel() - 0.5, 0, width - 1)
    y = np.clip(places[..., 1].ravel() - 0.5, 0, height - 1)
    left, top = (np.minimum(v.astype(np.intp), n - 1) for v, n in ((x, width), (y, height)))
    right, low = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = (x - left)[:, None], (y - top)[:, None]
    upper = image[top, left] * (1 - across) + image[top, right] * across
    lower = image[low, left] * (1 - across) + image[low, right] * across
    mixed = np.rint(upper * (1 - down) + lower * down)
    taken: Pixels = mixed.astype(np.uint8).reshape(side, side, image.shape[2])
    return taken


def _inverse(matrix: Points) -> Points:
    """The (2, 3) matrix that undoes another."""
    turn = np.linalg.inv(matrix[:, :2])
    return np.column_stack([turn, -turn @ matrix[:, 2]])


@lru_cache(maxsize=8)
def _centres(side: int) -> Points:
    """(side, side, 2) centres of pixels."""
    line = np.arange(side) + 0.5
    return np.stack(np.meshgrid(line, line), -1)


class _Key:
    """A shape to look up by what is in it, for arrays have no hash."""

    def __init__(self, shape: FrontalShape) -> None:
        self.shape = shape
        self._bytes = shape.points.tobytes()

    def __hash__(self) -> int:
        return hash(self._bytes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other._bytes == self._bytes


@lru_cache(maxsize=8)
def _barycentric(key: _Key, side: int) -> tuple[NDArray[np.intp], Points]:
    """For each pixel of a cut its triangle of the shape, (n,), and its weights of it, (n, 3)."""
    shape = key.shape
    centres = _centres(side).reshape(-1, 2) / side
    corners = shape.points[shape.triangles]  # (t, 3, 2)
    edges = np.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]], -1)
    inverse = np.linalg.inv(edges)
    place = np.zeros(len(centres), np.intp)
    weights = np.full((len(centres), 3), -np.inf)
    for number in range(len(corners)):
        two = (centres - corners[number, 0]) @ inverse[number].T
        found = np.column_stack([1 - two.sum(1), two])
        better = found.min(1) > weights.min(1)
        place[better], weights[better] = number, found[better]
    return place, weights
