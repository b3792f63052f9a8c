"""Boxes: matching and merging as properties, and OverFeat's regressor at work."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.models.evaluation.boxes import Box, intersection, match, merge, overlap
from striate.models.evaluation.localise import (
    BoxRegressor,
    box_loss,
    localise,
    to_window,
    worth_learning,
)
from striate.models.overfeat import overfeat_fast

pytestmark = pytest.mark.unit

FIELD = 103  # the smallest with 2×2 last maps

places = st.integers(-200, 200).map(float)
lengths = st.integers(1, 200).map(float)
scores = st.integers(1, 16).map(lambda eighths: eighths / 8)
boxes = st.builds(
    lambda left, top, width, height, score: Box(left, top, left + width, top + height, score),
    *(places, places, lengths, lengths, scores),
)


@given(boxes, boxes)
def test_overlap_is_symmetric_and_between_0_and_1(first: Box, second: Box) -> None:
    assert overlap(first, second) == overlap(second, first)
    assert 0 <= overlap(first, second) <= 1
    assert overlap(first, first) == 1
    assert intersection(first, second) <= min(first.area, second.area)


@given(boxes, boxes)
def test_a_match_is_best_of_equal_boxes_and_bad_of_boxes_apart(first: Box, second: Box) -> None:
    assert match(first, second) == pytest.approx(match(second, first))
    assert match(first, first) == pytest.approx(0)
    assert match(first, second) >= 1 - overlap(first, second) - 1e-12
    if intersection(first, second) == 0:
        assert match(first, second) >= 1


@given(boxes, boxes, st.integers(2, 8))
def test_a_match_does_not_depend_on_the_scale(first: Box, second: Box, factor: int) -> None:
    larger = [Box.of([edge * factor for edge in box.edges]) for box in (first, second)]
    assert match(*larger) == pytest.approx(match(first, second))


@given(st.lists(boxes, max_size=12), st.sampled_from([0.0, 0.3, 0.5, 1.0, 5.0]))
def test_merging_keeps_scores_and_stays_inside(found: list[Box], threshold: float) -> None:
    merged = merge(found, threshold)
    assert sum(b.score for b in merged) == pytest.approx(sum(b.score for b in found))
    assert len(merged) <= len(found)
    assert bool(merged) == bool(found)
    assert merged == sorted(merged, key=lambda box: -box.score)
    for box in merged:
        for edge, own in zip(box.edges, zip(*(b.edges for b in found), strict=True), strict=True):
            assert min(own) - 1e-9 <= edge <= max(own) + 1e-9


@given(st.lists(boxes, max_size=10), st.sampled_from([0.3, 0.5, 1.0]))
def test_what_is_left_matches_no_more(found: list[Box], threshold: float) -> None:
    merged = merge(found, threshold)
    for first, second in itertools.combinations(merged, 2):
        assert match(first, second) > threshold - 1e-9
    assert merge(merged, threshold - 1e-9) == merged


@given(st.lists(boxes, min_size=1, max_size=8))
def test_all_into_one_is_the_weighted_mean(found: list[Box]) -> None:
    (one,) = merge(found, threshold=1e9)
    total = sum(box.score for box in found)
    for index, edge in enumerate(one.edges):
        mean = sum(box.edges[index] * box.score for box in found) / total
        assert edge == pytest.approx(mean, abs=1e-9)


def test_two_objects_give_two_boxes() -> None:
    cat, dog = Box(10, 10, 50, 60, 0.5), Box(200, 100, 300, 180, 0.25)
    shaken = [
        Box.of([edge + shift for edge in box.edges], box.score)
        for shift in (-2, 0, 2)
        for box in (cat, dog)
    ]
    assert merge(shaken) == [Box(*cat.edges, 1.5), Box(*dog.edges, 0.75)]


def test_boxes_without_area_do_no_harm() -> None:
    point = Box(5, 5, 5, 5)
    assert overlap(point, point) == 0
    assert merge([point, Box(100, 100, 90, 90)], 0.5) == [point, Box(100, 100, 90, 90)]


def test_samples_with_most_of_the_object_outside_are_left_out() -> None:
    window = Box(0, 0, 100, 100)
    assert worth_learning(Box(50, 0, 150, 50), window)
    assert not worth_learning(Box(51, 0, 151, 50), window)
    assert not worth_learning(Box(5, 5, 5, 50), window)
    assert to_window(Box(25, 50, 125, 100), Box(0, 0, 100, 200)) == (0.25, 0.25, 1.25, 0.5)


def test_only_the_true_class_s_regressor_learns() -> None:
    tower = overfeat_fast(classes=3, field=71, width=1 / 16)
    regressor = BoxRegressor(tower, per_class=True, width=1 / 16)
    edges = regressor(tower.forward_features(torch.randn(2, *tower.input_shape)))
    assert edges.shape == (2, 3, 4)
    edges.retain_grad()
    truth = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.25, 0.5, 0.5, 1.0]])
    loss = box_loss(edges, truth, torch.tensor([2, 0]))
    assert loss.item() == pytest.approx(
        (edges[[0, 1], [2, 0]] - truth).square().sum().item(), rel=1e-6
    )
    torch.autograd.backward(loss)
    assert edges.grad is not None
    learnt = edges.grad.abs().sum(2) > 0
    assert learnt.tolist() == [[False, False, True], [True, False, False]]


def test_a_shared_regressor_gives_all_classes_the_same_boxes() -> None:
    torch.manual_seed(0)
    tower = overfeat_fast(classes=3, field=71, width=1 / 16).eval()
    regressor = BoxRegressor(tower, width=1 / 16).eval()
    found = localise(tower, regressor, [(torch.randn(1, 3, 90, 87), 1.0)], [0, 2], threshold=-1)
    assert len(found[0]) == len(found[2]) == 2 * 2  # one each 16 pixels, none merged
    edges = [sorted(box.edges for box in found[label]) for label in (0, 2)]
    assert edges[0] == edges[1]
    assert [box.score for box in found[0]] != [box.score for box in found[2]]


def test_an_object_is_found_where_it_lies() -> None:
    """A bright square in the dark: the regressor learns its edges, and merged boxes meet it."""
    torch.manual_seed(0)
    tower = overfeat_fast(classes=2, field=FIELD, width=1 / 8, dropout=0.0)
    regressor = BoxRegressor(tower, per_class=True, width=1 / 16, dropout=0.0)
    # the layers below learn along here, for no trained classifier is at hand
    optimizer = torch.optim.Adam([*tower.features.parameters(), *regressor.parameters()], lr=1e-3)
    for _ in range(100):
        truths = [square() for _ in range(16)]
        images = torch.cat([picture(FIELD, truth) for truth in truths])
        maps = tower.forward_features(images)
        window = Box(0, 0, FIELD, FIELD)
        truth = torch.tensor([to_window(box, window) for box in truths])
        loss = box_loss(regressor(maps), truth, torch.zeros(16, dtype=torch.int64)) / 16
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    tower.eval()
    regressor.eval()
    wanted = Box(30, 35, 70, 75)
    image = picture(FIELD + 16, wanted)
    scales = [(image, 1.0), (torch.nn.functional.interpolate(image, scale_factor=1.2), 1.2)]
    found = localise(tower, regressor, scales, [0])
    assert overlap(found[0][0], wanted) > 0.5
    none = localise(tower, regressor, scales, [0], at_least=1.1, places="coarse")
    assert none == {0: []}


def square() -> Box:
    left, top = torch.randint(5, 50, (2,)).tolist()
    width, height = torch.randint(30, 50, (2,)).tolist()
    return Box(left, top, left + width, top + height)


def picture(side: int, box: Box) -> torch.Tensor:
    image = torch.full((1, 3, side, side), -1.0)
    left, top, right, bottom = (int(edge) for edge in box.edges)
    image[..., top:bottom, left:right] = 1.0
    return image
