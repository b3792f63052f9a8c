"""Finding faces in an image: the face and pose network at all places of a pyramid.

Osadchy, LeCun, Miller, JMLR 8:1197-1215, 2007, section 5: the image at steps of √2, a window each
four pixels, and of windows that overlap the one of least energy. Besides the box it says the pose.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import UsageError
from striate.models.evaluation.boxes import Box, overlap
from striate.models.evaluation.pose_manifold import nearest_pose
from striate.models.face_pose import FIELD, STRIDE, FacePose

STEP = math.sqrt(2)
"""From a size of the image to the next smaller one."""

FACE_SHARE = 0.75
"""Side of a face's box over that of its window: a quarter of the window is around the face."""

MOST_WINDOWS = 1000
"""Windows of an image that are looked at for overlaps: of more, those of least energy."""

_MOST_OVERLAP = 0.3


@dataclass(frozen=True)
class Face:
    """A face in an image.

    Attributes:
        box: a square around it in pixels of the image; its score is the threshold less the energy.
        energy: distance of the window's point to the manifold of faces; less is surer.
        yaw_deg: turned to the side, in degrees; positive to the right of the image.
        roll_deg: tilted in the image's plane, in degrees; positive clockwise.
    """

    box: Box
    energy: float
    yaw_deg: float
    roll_deg: float


@torch.no_grad()
def detect_faces(
    model: FacePose,
    image: Tensor,
    threshold: float,
    *,
    least_side: float = 24.0,
    most_overlap: float = _MOST_OVERLAP,
) -> list[Face]:
    """The faces of one image, the surest first.

    Args:
        model: in evaluation mode.
        image: (H, W) grey, as the network was trained on: see the bundle's preprocessing.
        threshold: the greatest energy of a face.
        least_side: least side of a face's box, in pixels; below 24 the image is enlarged.
        most_overlap: intersection over union from which two boxes are of one face.

    Raises:
        UsageError: the image is not grey, or the least side is not positive.
    """
    found: list[Face] = []
    for scale, level in pyramid(image, least_side):
        found += _at_level(model, level, scale, threshold)
    surest = sorted(found, key=lambda one: one.energy)[:MOST_WINDOWS]
    return suppress(surest, most_overlap)


def pyramid(image: Tensor, least_side: float = 24.0) -> list[tuple[float, Tensor]]:
    """The image (H, W) at each size, with the factor that it was scaled by, the largest first.

    Down to the size at which a window fits; an image that is too small for one is filled up at its
    right and lower edge by its edge's pixels.

    Raises:
        UsageError: the image is not grey, or the least side is not positive.
    """
    if image.ndim != 2 or not image.numel():
        raise UsageError(
            f"An image of the shape {tuple(image.shape)} is not grey.", "Give height and width."
        )
    if least_side <= 0:
        raise UsageError(f"No face has a side of {least_side} pixels.", "Give one above 0.")
    scale = FIELD * FACE_SHARE / least_side
    levels: list[tuple[float, Tensor]] = []
    while not levels or min(image.shape) * scale >= FIELD:
        levels.append((scale, _scaled(image, scale)))
        scale /= STEP
    return levels


def suppress(faces: Sequence[Face], most_overlap: float = _MOST_OVERLAP) -> list[Face]:
    """Of faces whose boxes overlap by more, the one of least energy; the surest first."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda one: one.energy):
        if all(overlap(face.box, other.box) <= most_overlap for other in kept):
            kept.append(face)
    return kept


def _at_level(model: FacePose, level: Tensor, scale: float, threshold: float) -> list[Face]:
    """The windows below the threshold at one size, as boxes of the image at its own size."""
    points = model.dense(level[None, None])[0].movedim(0, -1)
    pose = nearest_pose(points)
    rows, columns = (pose.energy < threshold).nonzero(as_tuple=True)
    margin = FIELD * (1 - FACE_SHARE) / 2
    side = FIELD * FACE_SHARE / scale
    faces = []
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        left, top = ((place * STRIDE + margin) / scale for place in (column, row))
        energy = float(pose.energy[row, column])
        faces.append(
            Face(
                Box(left, top, left + side, top + side, threshold - energy),
                energy,
                math.degrees(float(pose.yaw[row, column])),
                math.degrees(float(pose.roll[row, column])),
            )
        )
    return faces


def _scaled(image: Tensor, scale: float) -> Tensor:
    """At another size; at least as large as a window."""
    height, width = (max(1, round(side * scale)) for side in image.shape)
    if (height, width) != tuple(image.shape):
        image = F.interpolate(
            image[None, None], (height, width), mode="bilinear", antialias=True, align_corners=False
        )[0, 0]
    padding = (0, max(0, FIELD - width), 0, max(0, FIELD - height))
    return F.pad(image[None, None], padding, mode="replicate")[0, 0] if any(padding) else image
