"""The six points that a box and a pose tell lie near those of the face."""

import math

import numpy as np
import pytest

from striate.data.corpora.backgrounds import draw_background
from striate.data.corpora.face_drawing import draw_face
from striate.data.corpora.face_person import draw_look, draw_person
from striate.data.transforms.image.align import SIX, align_similar, similarity, six_of, transform
from striate.data.transforms.image.posed_points import FACE_SIDE, six_of_pose

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("yaw_deg", "roll_deg", "most"),
    [(0, 0, 0.05), (30, 0, 0.06), (-30, 20, 0.06), (0, -40, 0.05), (60, 10, 0.08)],
)
def test_they_lie_near_the_landmarks_of_generated_people(
    yaw_deg: float, roll_deg: float, most: float
) -> None:
    """In the mean, in parts of the face's square."""
    apart = []
    for number in range(12):
        rng = np.random.Generator(np.random.Philox(key=[5, number]))
        look = draw_look(rng, math.radians(yaw_deg), 0.0, math.radians(roll_deg))
        face = draw_face(
            draw_person(number), look, draw_background(rng, 96, 96), shift=(0.1, -0.05)
        )
        told = six_of_pose(face.centre, face.side, yaw_deg, roll_deg)
        apart.append(np.linalg.norm(told - six_of(face.landmarks), axis=1).mean() / face.side)
    assert np.mean(apart) < most


def test_a_box_has_its_middle_and_size() -> None:
    here, there = six_of_pose((50, 60), 36, 0, 0), six_of_pose((50, 60), 72, 0, 0)
    assert np.allclose(there - [50, 60], 2 * (here - [50, 60]))
    assert here[0, 0] + here[1, 0] == pytest.approx(100)  # eyes on both sides of the middle
    turned = six_of_pose((50, 60), 36, 0, 90)
    assert np.allclose(turned - [50, 60], (here - [50, 60])[:, ::-1] * [-1, 1])
    assert FACE_SIDE == 1.8


def test_a_leaning_face_is_cut_out_upright() -> None:
    rng = np.random.default_rng(0)
    straight = rng.integers(0, 256, (60, 60, 3), np.uint8)
    leaning = np.ascontiguousarray(np.rot90(straight, -1))  # a quarter clockwise
    cuts = [
        align_similar(image, six_of_pose((30, 30), 30, 0, roll), 40)
        for image, roll in ((straight, 0), (leaning, 90))
    ]
    assert np.abs(cuts[0].astype(int) - cuts[1]).max() <= 1
    upright = transform(similarity(six_of_pose((30, 30), 30, 0, 0), SIX), np.array([[30.0, 30.0]]))
    assert upright[0] == pytest.approx([0.5, 0.5], abs=0.05)
