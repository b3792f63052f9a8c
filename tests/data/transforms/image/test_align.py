"""Alignment: similarities in closed form, and faces warped to the front, on generated landmarks."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.core.errors import DataError
from striate.data.corpora.face_drawing import draw_face
from striate.data.corpora.face_person import Look, draw_person
from striate.data.transforms.image.align import (
    FRONTAL,
    SIX,
    align_frontal,
    align_similar,
    frontal_shape,
    sample,
    similarity,
    six_of,
    transform,
)

pytestmark = pytest.mark.unit

SIDE = 96
GREY = np.full((160, 160, 3), 0.5)


@given(
    st.floats(-3, 3),
    st.floats(0.1, 10),
    st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
)
def test_a_similarity_is_found_again(
    angle: float, scale: float, shift: tuple[float, float]
) -> None:
    turn = scale * np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )
    matrix = np.column_stack([turn, shift])
    found = similarity(SIX, transform(matrix, SIX))
    assert np.allclose(found, matrix, atol=1e-9 * max(1, scale))


def test_noise_moves_a_similarity_little_and_a_mirror_image_is_not_taken() -> None:
    rng = np.random.default_rng(0)
    noisy = SIX * 100 + rng.normal(0, 1, SIX.shape)
    found = transform(similarity(SIX, noisy), SIX)
    assert np.abs(found - SIX * 100).max() < 2
    mirrored = similarity(SIX, SIX * [-1, 1])
    assert np.linalg.det(mirrored[:, :2]) >= 0


def test_landmarks_of_no_use_are_refused() -> None:
    with pytest.raises(DataError, match="all at one place"):
        similarity(np.ones((6, 2)), SIX)
    with pytest.raises(DataError, match="not finite"):
        similarity(SIX * math.nan, SIX)


def test_the_frontal_shape_has_its_six_points_in_their_places() -> None:
    assert FRONTAL.shape == (67, 2)
    assert np.allclose(six_of(FRONTAL), SIX, atol=2e-3)
    shape = frontal_shape(FRONTAL)
    corners = shape.points[shape.triangles]
    edges = corners[:, 1:] - corners[:, :1]
    areas = np.abs(np.linalg.det(edges)) / 2
    extent = np.ptp(shape.points, axis=0)
    assert float(areas.sum()) == pytest.approx(float(extent.prod()))


def test_pixels_are_taken_between_their_centres() -> None:
    image = np.array([[[0], [100]], [[40], [140]]], np.uint8)
    places = np.array([[[0.5, 0.5], [1.5, 0.5]], [[1.0, 0.5], [1.0, 1.0]]])
    assert sample(image, places)[..., 0].tolist() == [[0, 100], [50, 70]]
    outside = np.array([[[-9.0, 0.5], [9.0, 9.0]], [[0.5, 1.5], [1.5, 1.5]]])
    assert sample(image, outside)[..., 0].tolist() == [[0, 140], [40, 140]]


@pytest.mark.parametrize("roll", [-0.5, 0.0, 0.3])
def test_six_points_turn_a_face_upright(roll: float) -> None:
    drawn = draw_face(draw_person(5), Look(roll=roll), GREY, scale=0.9)
    six = six_of(drawn.landmarks)
    matrix = similarity(six, SIX * SIDE)
    eyes = transform(matrix, six[:2])
    assert abs(eyes[0, 1] - eyes[1, 1]) < 0.03 * SIDE
    cut = align_similar(drawn.pixels, six, SIDE)
    assert cut.shape == (SIDE, SIDE, 3)
    straight = draw_face(draw_person(5), Look(), GREY, scale=0.9)
    wanted = align_similar(straight.pixels, six_of(straight.landmarks), SIDE)
    middle = slice(SIDE // 4, 3 * SIDE // 4)
    difference = np.abs(cut[middle, middle].astype(int) - wanted[middle, middle])
    assert difference.mean() < 12  # light comes from another side of a face that is tilted


@pytest.mark.parametrize("yaw", [-0.45, 0.35])
def test_landmarks_come_to_lie_where_a_frontal_face_has_them(yaw: float) -> None:
    """A picture whose landmarks are painted: after the warp they lie on the mean shape."""
    look = Look(yaw=yaw, pitch=0.1, roll=0.2, open_mouth=0.3)
    drawn = draw_face(draw_person(2), look, np.zeros((240, 240, 3)), scale=0.9)
    shape = frontal_shape(FRONTAL)
    inner = [*range(17, 48, 3), 48, 54]  # away from the outline, which a turned face hides
    for point in inner:
        canvas = np.zeros((240, 240, 3), np.uint8)
        x, y = (round(v) for v in drawn.landmarks[point])
        canvas[y - 3 : y + 3, x - 3 : x + 3] = 255
        warped = align_frontal(canvas, drawn.landmarks, shape, SIDE)[..., 0].astype(float)
        rows, columns = np.mgrid[0:SIDE, 0:SIDE] + 0.5
        weight = warped.sum()
        found = np.array([(columns * warped).sum(), (rows * warped).sum()]) / weight
        assert np.abs(found - FRONTAL[point] * SIDE).max() < 0.05 * SIDE


def test_the_warp_makes_turned_faces_of_one_person_more_alike() -> None:
    shape = frontal_shape(FRONTAL)
    apart: dict[str, list[float]] = {"similar": [], "frontal": []}
    middle = slice(SIDE // 5, 4 * SIDE // 5)
    for person in range(6):
        cuts: dict[str, list[np.ndarray]] = {"similar": [], "frontal": []}
        for yaw in (-0.4, 0.4):
            look = Look(yaw=yaw, light=(0.0, -0.3, 1.0), ambient=0.8)
            drawn = draw_face(draw_person(person), look, GREY)
            cuts["similar"].append(align_similar(drawn.pixels, six_of(drawn.landmarks), SIDE))
            cuts["frontal"].append(align_frontal(drawn.pixels, drawn.landmarks, shape, SIDE))
        for way, (one, other) in cuts.items():
            difference = one[middle, middle].astype(float) - other[middle, middle]
            apart[way].append(float(np.abs(difference).mean()))
    assert np.mean(apart["frontal"]) < 0.8 * np.mean(apart["similar"])
