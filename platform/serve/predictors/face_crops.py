"""What is cut out of a photo around a face: the kept crop, and the measure of its sharpness.

The crop is upright and of one size, and a face's description is computed of it alone: made anew of
a kept crop it is the same, but for the rounding that other faces of a batch bring about.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image

from striate.core.arrays import Pixels
from striate.data.transforms.image.align import align_similar
from striate.data.transforms.image.posed_points import six_of_pose
from striate.models.evaluation.detect_faces import Face

CROP_SIDE = 240
"""Pixels of a crop's side."""

FACE_PIXELS = 160
"""Of which the middle ones hold the face, as `striate.data.transforms.image.align.SIX` lays it."""

ALIGNMENT = "1"
"""Names how faces are cut out: part of the code's version, for other cuts give other codes."""

_AROUND = 1.2  # of a face's side, on each side of its middle: whatever its roll, the crop is in it
_SHARPNESS_SIDE = 96
_FINEST = 1.5  # pixels of the photo for one of the crop, above which the photo is scaled down first


class CutFace(NamedTuple):
    """A face cut out of a photo, (CROP_SIDE, CROP_SIDE, 3), and how sharp it is there."""

    crop: Pixels
    sharpness: float


def cut_face(photo: Pixels, face: Face) -> CutFace:
    """Cut a face out.

    Args:
        photo: (height, width, 3) uint8.
        face: where it is and how it stands; its box in pixels of the photo.
    """
    left, top, right, low = face.box.edges
    side, middle = right - left, ((left + right) / 2, (top + low) / 2)
    near = _nearby(photo, middle, side)
    moved = tuple((at - start) / near.scale for at, start in zip(middle, near.corner, strict=True))
    six = six_of_pose((moved[0], moved[1]), side / near.scale, face.yaw_deg, face.roll_deg)
    margin = (1 - FACE_PIXELS / CROP_SIDE) / 2
    return CutFace(align_similar(near.pixels, six, CROP_SIDE, margin), sharpness(photo, face))


def middle_of(crop: Pixels) -> Pixels:
    """The face in a crop: (FACE_PIXELS, FACE_PIXELS, 3)."""
    first = (CROP_SIDE - FACE_PIXELS) // 2
    return crop[first : first + FACE_PIXELS, first : first + FACE_PIXELS]


def sharpness(photo: Pixels, face: Face) -> float:
    """Variance of the Laplacian over the face's box in grey (Pech-Pacheco et al., ICPR 2000).

    At the photo's own size, but for large faces, which are scaled down to 96 pixels first: so a
    small sharp face and a large one measure alike.
    """
    left, top, right, low = _within(face.box.edges, photo)
    side = min(_SHARPNESS_SIDE, max(3, round(right - left)))
    image = Image.fromarray(photo).resize(
        (side, side), Image.Resampling.BILINEAR, box=(left, top, right, low)
    )
    grey = np.asarray(image.convert("L"), np.float32)
    across = grey[1:-1, :-2] + grey[1:-1, 2:] + grey[:-2, 1:-1] + grey[2:, 1:-1]
    return float((across - 4 * grey[1:-1, 1:-1]).var())


class _Nearby(NamedTuple):
    """A part of a photo: its corner in it, and how many of its pixels make one here."""

    pixels: Pixels
    corner: tuple[float, float]
    scale: float


def _nearby(photo: Pixels, middle: tuple[float, float], side: float) -> _Nearby:
    """What lies around a face, scaled down where the photo is much finer than the crop."""
    reach = _AROUND * side
    edges = (middle[0] - reach, middle[1] - reach, middle[0] + reach, middle[1] + reach)
    left, top, right, low = (int(edge) for edge in _within(edges, photo))
    part, scale = photo[top:low, left:right], side / FACE_PIXELS
    if scale <= _FINEST:
        return _Nearby(part, (left, top), 1.0)
    size = (max(1, round((right - left) / scale)), max(1, round((low - top) / scale)))
    scaled = Image.fromarray(part).resize(size, Image.Resampling.BILINEAR)
    return _Nearby(np.asarray(scaled), (left, top), scale)


def _within(
    edges: tuple[float, float, float, float], photo: Pixels
) -> tuple[float, float, float, float]:
    """Edges within a photo, at least three pixels apart where it has so many."""
    height, width = photo.shape[:2]
    left, right = _between(edges[0], edges[2], width)
    top, low = _between(edges[1], edges[3], height)
    return left, top, right, low


def _between(first: float, last: float, size: int) -> tuple[float, float]:
    least = min(3, size)
    first = min(max(first, 0.0), size - least)
    return first, min(max(last, first + least), float(size))
