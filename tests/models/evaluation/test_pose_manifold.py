"""Poses from points in closed form: the round trip, and the least energy against a search."""

import math

import pytest
import torch

from striate.models.evaluation.pose_manifold import (
    NORM_SQUARED,
    nearest_pose,
    pose_energy,
    pose_points,
)

pytestmark = pytest.mark.unit

STEP = math.radians(15)
POSES = torch.tensor(  # yaw ±90°, roll ±45°, every 15°
    [(yaw * STEP, roll * STEP) for yaw in range(-6, 7) for roll in range(-3, 4)],
    dtype=torch.float64,
)


def test_the_pose_of_a_pose_s_point_is_that_pose() -> None:
    assert len(POSES) == 91
    yaw, roll = POSES.unbind(1)
    points = pose_points(yaw, roll)
    assert points.shape == (91, 9)
    assert torch.allclose(points.square().sum(1), torch.full((91,), NORM_SQUARED).double())
    found = nearest_pose(points)
    assert torch.allclose(found.yaw, yaw, atol=1e-6)
    assert torch.allclose(found.roll, roll, atol=1e-6)
    assert found.energy.max() < 1e-6


def test_the_least_energy_is_that_of_a_search() -> None:
    torch.manual_seed(0)
    points = torch.cat([torch.randn(200, 9), torch.randn(100, 9) / 8 + pose_points(*draw(100))])
    points = points.double()
    found = nearest_pose(points)
    degree = math.radians(1)
    yaw, roll = torch.meshgrid(
        torch.arange(-180, 180) * degree, torch.arange(-90, 91) * degree, indexing="ij"
    )
    grid = pose_points(yaw.flatten().double(), roll.flatten().double())
    searched = torch.cdist(points, grid).amin(1)
    assert (found.energy <= searched + 1e-9).all()
    # a pose is at most half a degree of yaw and of roll from the nearest one of the grid
    assert (searched - found.energy).max() < 1.5 * degree
    again = pose_energy(points, found.yaw, found.roll)
    assert torch.allclose(again, found.energy, atol=1e-9)


def draw(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    return (torch.rand(count) - 0.5) * math.pi, (torch.rand(count) - 0.5) * math.pi / 2


def test_poses_are_given_within_their_ranges() -> None:
    torch.manual_seed(0)
    found = nearest_pose(torch.randn(5000, 9))
    assert found.roll.abs().max() <= math.pi / 2 + 1e-6
    assert found.yaw.abs().max() <= math.pi + 1e-6
    back = nearest_pose(pose_points(torch.tensor(0.25 + math.pi), torch.tensor(0.125 + math.pi)))
    assert (float(back.yaw), float(back.roll)) == pytest.approx((0.25, 0.125), abs=1e-5)


def test_gradients_are_finite_on_the_manifold_itself() -> None:
    points = pose_points(torch.tensor([0.5]), torch.tensor([0.25])).requires_grad_()
    torch.autograd.backward(nearest_pose(points).energy.sum())
    assert points.grad is not None
    assert points.grad.isfinite().all()
