"""Where the six points of a face lie, as far as its detector tells: by its box and its pose.

A detector gives a square, a yaw and a roll, and no landmarks. Six points of a generic head are
turned by that pose and seen by a camera, as DeepFace turns a generic shape (Taigman, Yang, Ranzato,
Wolf, CVPR 2014, section 2); a similarity of them then cuts the face out upright, at one size
(`striate.data.transforms.image.align.align_similar`).
"""

import math

import numpy as np

from striate.data.transforms.image.align import Points

HEAD = np.array(
    [
        [-0.285, -0.1, 0.796],
        [0.285, -0.1, 0.796],
        [0.0, 0.25, 1.073],
        [-0.177, 0.51, 0.78],
        [0.0, 0.51, 0.78],
        [0.177, 0.51, 0.78],
    ]
)
"""(6, 3): both eyes, the nose's tip, left, middle and right of the mouth, in half heights of a
head: x to the right of the picture, y down, z towards the viewer. Of the mean generated person."""

FACE_SIDE = 1.8
"""Side of a face's square, in half heights of its head."""

_MIDDLE = np.array([0.0, 0.08, 0.35])  # of the square: between eyes and mouth, below the skin
_FAR = 7.0  # from the head to the camera, in half heights


def six_of_pose(
    middle: tuple[float, float], side: float, yaw_deg: float, roll_deg: float
) -> Points:
    """(6, 2) pixels, x before y, in the order of `striate.data.transforms.image.align.six_of`.

    Args:
        middle: of the face's square, in pixels.
        side: of the square, in pixels.
        yaw_deg: turned to the side; positive to the right of the picture.
        roll_deg: tilted in the picture's plane; positive clockwise.
    """
    turn = _turn(math.radians(yaw_deg), math.radians(roll_deg))
    unit = side / FACE_SIDE
    return np.asarray(middle) + unit * (_seen(HEAD @ turn.T) - _seen(turn @ _MIDDLE))


def _turn(yaw: float, roll: float) -> Points:
    """(3, 3): first the yaw, then the roll; radians."""
    cy, sy, cr, sr = math.cos(yaw), math.sin(yaw), math.cos(roll), math.sin(roll)
    around = np.array([[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]])
    turn: Points = np.array([[cr, -sr, 0.0], [sr, cr, 0.0], [0.0, 0.0, 1.0]]) @ around
    return turn


def _seen(points: Points) -> Points:
    """(…, 3) → (…, 2) on the picture: what is nearer is larger."""
    return points[..., :2] * (_FAR / (_FAR - points[..., 2:]))
