"""The detector over whole images: every window at once, all sizes, one box a face."""

import math

import pytest
import torch
from torch import Tensor

from striate.core.errors import UsageError
from striate.models.evaluation.boxes import Box, overlap
from striate.models.evaluation.detect_faces import (
    FACE_SHARE,
    Face,
    detect_faces,
    pyramid,
    suppress,
)
from striate.models.evaluation.pose_manifold import nearest_pose
from striate.models.face_pose import C3_TABLE, FIELD, STRIDE, FacePose

pytestmark = pytest.mark.unit


def seeded() -> FacePose:
    torch.manual_seed(0)
    return FacePose().double().eval()


def test_80_of_160_connections_are_spread_evenly() -> None:
    seen = [source for sources in C3_TABLE for source in sources]
    assert len(seen) == 80
    assert {seen.count(source) for source in range(8)} == {10}
    assert len({frozenset(sources) for sources in C3_TABLE}) == 20


@pytest.mark.parametrize("size", [(32, 32), (40, 57), (71, 64)])
def test_a_dense_point_is_that_of_the_window_cut_out(size: tuple[int, int]) -> None:
    model, image = seeded(), torch.randn(2, 1, *size, dtype=torch.float64)
    dense = model.dense(image)
    rows, columns = ((side - FIELD) // STRIDE + 1 for side in size)
    assert dense.shape == (2, 9, rows, columns)
    for row in range(rows):
        for column in range(columns):
            top, left = row * STRIDE, column * STRIDE
            window = image[..., top : top + FIELD, left : left + FIELD]
            assert torch.allclose(dense[..., row, column], model(window), rtol=1e-9, atol=1e-12)


def test_sizes_go_down_by_the_root_of_two_until_a_window_fills_the_image() -> None:
    levels = pyramid(torch.zeros(100, 200), least_side=24)
    assert [scale for scale, _ in levels] == pytest.approx([1, 2**-0.5, 0.5, 8**-0.5])
    shapes = [tuple(level.shape) for _, level in levels]
    assert shapes == [(100, 200), (71, 141), (50, 100), (35, 71)]
    (enlarged, level), *_ = pyramid(torch.zeros(100, 200), least_side=12)
    assert enlarged == 2
    assert level.shape == (200, 400)
    ((_, small),) = pyramid(torch.full((5, 50), 3.0))
    assert small.shape == (32, 50)
    assert set(small.flatten().tolist()) == {3.0}


def test_boxes_lie_where_windows_lay() -> None:
    """With a threshold that only the best window passes, at whatever size it was."""
    model = seeded()
    image = torch.randn(90, 120, dtype=torch.float64)
    best = math.inf
    for scale, level in pyramid(image):
        for top in range(0, level.shape[0] - FIELD + 1, STRIDE):
            for left in range(0, level.shape[1] - FIELD + 1, STRIDE):
                window = level[top : top + FIELD, left : left + FIELD]
                with torch.no_grad():
                    pose = nearest_pose(model(window[None, None])[0])
                if float(pose.energy) < best:
                    best = float(pose.energy)
                    centre = ((left + FIELD / 2) / scale, (top + FIELD / 2) / scale)
                    side, yaw = FIELD * FACE_SHARE / scale, math.degrees(float(pose.yaw))
    (face,) = detect_faces(model, image, best + 1e-9)
    box = face.box
    assert face.energy == pytest.approx(best)
    assert face.yaw_deg == pytest.approx(yaw)
    assert ((box.left + box.right) / 2, (box.top + box.bottom) / 2) == pytest.approx(centre)
    assert (box.right - box.left, box.bottom - box.top) == pytest.approx((side, side))
    assert box.score == pytest.approx(1e-9, rel=1e-3, abs=1e-12)


def face_at(left: float, energy: float, side: float = 10) -> Face:
    return Face(Box(left, 0, left + side, side), energy, 0.0, 0.0)


def test_of_overlapping_boxes_the_surest_stays() -> None:
    sure, near, far = face_at(0, 0.1), face_at(2, 0.2), face_at(9, 0.3)
    assert overlap(sure.box, near.box) > 0.3 > overlap(sure.box, far.box)
    assert suppress([far, near, sure]) == [sure, far]
    assert suppress([far, near, sure], most_overlap=0.9) == [sure, near, far]
    assert suppress([]) == []


def test_none_is_found_below_every_energy() -> None:
    assert detect_faces(seeded(), torch.zeros(64, 64, dtype=torch.float64), 0.0) == []


@pytest.mark.parametrize("image", [torch.zeros(3, 40, 40), torch.zeros(0, 40)])
def test_an_image_that_is_not_grey_is_refused(image: Tensor) -> None:
    with pytest.raises(UsageError, match="is not grey"):
        pyramid(image)
    with pytest.raises(UsageError, match="No face has a side of 0"):
        pyramid(torch.zeros(40, 40), least_side=0)
