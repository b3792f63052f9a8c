"""The manifold of faces: a point for each yaw and roll, and the pose whose point is nearest.

Osadchy, LeCun, Miller, "Synergistic face detection and pose estimation with energy-based models",
JMLR 8:1197-1215, 2007, section 3. F_ij(θ, φ) = cos(θ − α_i)·cos(φ − α_j), i, j = 1, 2, 3, α =
(−π/3, 0, π/3), θ the yaw and φ the roll. All points have ‖F‖² = 9/4, and (θ + π, φ + π) has the
point of (θ, φ).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

ANGLES = (-math.pi / 3, 0.0, math.pi / 3)
NORM_SQUARED = 2.25
"""‖F‖² of every pose."""


class NearestPose(NamedTuple):
    """The pose whose point is nearest to a network's, each (…).

    Attributes:
        energy: the distance ‖G − F(yaw, roll)‖.
        yaw: radians in (−π, π].
        roll: radians in (−π/2, π/2].
    """

    energy: Tensor
    yaw: Tensor
    roll: Tensor


def pose_points(yaw: Tensor, roll: Tensor) -> Tensor:
    """(…) radians each → (…, 9) points F, the roll's index running fastest."""
    angles = torch.tensor(ANGLES, dtype=yaw.dtype, device=yaw.device)
    of_yaw, of_roll = ((one[..., None] - angles).cos() for one in (yaw, roll))
    return (of_yaw[..., :, None] * of_roll[..., None, :]).flatten(-2)


def pose_energy(points: Tensor, yaw: Tensor, roll: Tensor) -> Tensor:
    """E = ‖G − F(yaw, roll)‖, of (…, 9) points G and (…) radians each (equation 3)."""
    return _root((points - pose_points(yaw, roll)).square().sum(-1))


def nearest_pose(points: Tensor) -> NearestPose:
    """The pose of least energy of (…, 9) points G, in closed form (section 3.3).

    G·F = ½ [p·(cos, sin)(θ + φ) + m·(cos, sin)(θ − φ)] with two vectors p and m of sums over G, so
    that the directions of p and m are the best sum and difference, and their lengths give the
    energy: E² = ‖G‖² + 9/4 − ‖p‖ − ‖m‖.

    Of the two poses of one point the one is given whose roll is within ±90°: faces stand upright
    more often than they look backwards.
    """
    grid = points.view(*points.shape[:-1], 3, 3)
    angles = torch.tensor(ANGLES, dtype=points.dtype, device=points.device)
    cosines, sines = angles.cos(), angles.sin()
    over_roll = torch.stack([grid @ cosines, grid @ sines], -1)  # (…, 3, 2)
    cc, cs = torch.einsum("...ik,i->...k", over_roll, cosines).unbind(-1)
    sc, ss = torch.einsum("...ik,i->...k", over_roll, sines).unbind(-1)
    total = torch.atan2(cs + sc, cc - ss)
    difference = torch.atan2(sc - cs, cc + ss)
    lengths = _root((cs + sc).square() + (cc - ss).square())
    lengths = lengths + _root((sc - cs).square() + (cc + ss).square())
    squares = points.square().sum(-1) + NORM_SQUARED - lengths
    yaw, roll = _canonical((total + difference) / 2, (total - difference) / 2)
    return NearestPose(_root(squares), yaw, roll)


def _canonical(yaw: Tensor, roll: Tensor) -> tuple[Tensor, Tensor]:
    """The same point's pose with a roll within ±90° and a yaw within ±180°."""
    turned = roll.abs() > math.pi / 2
    roll = torch.where(turned, roll - roll.sign() * math.pi, roll)
    yaw = torch.where(turned, yaw - yaw.sign() * math.pi, yaw)
    yaw = torch.where(yaw > math.pi, yaw - 2 * math.pi, yaw)
    return torch.where(yaw <= -math.pi, yaw + 2 * math.pi, yaw), roll


def _root(squares: Tensor) -> Tensor:
    """The root, with a finite gradient at 0, and 0 for what rounding made negative."""
    return squares.clamp(min=torch.finfo(squares.dtype).tiny).sqrt()
