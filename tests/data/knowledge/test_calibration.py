"""Probabilities that are what they say, and the error that tells."""

import numpy as np
import pytest

from striate.core.errors import BundleError
from striate.data.knowledge.calibration import (
    MOST_LEAD,
    Calibration,
    expected_calibration_error,
    lead_of,
)

pytestmark = pytest.mark.unit


def test_probabilities_are_those_that_made_the_data() -> None:
    draw = np.random.default_rng(0)
    scores, leads = draw.normal(3, 2, 20_000), draw.exponential(0.5, 20_000)
    true = 1 / (1 + np.exp(-(0.8 * scores + 2 * leads - 3)))
    right = draw.random(20_000) < true
    fitted = Calibration.fit(scores, leads, right, split="valid")
    assert fitted.weights == pytest.approx((0.8, 2), rel=0.1)
    assert fitted.bias == pytest.approx(-3, rel=0.1)
    said = [fitted.probability(*one) for one in zip(scores, leads, strict=True)]
    assert expected_calibration_error(said, right.tolist()) < 0.02
    assert Calibration.of_text(fitted.to_text()) == fitted


def test_few_and_equal_answers_still_give_a_probability() -> None:
    empty = np.zeros(0)
    nothing = Calibration.fit(empty, empty, empty.astype(bool), split="train")
    assert nothing.probability(5.0, 1.0) == 0.5
    all_right = Calibration.fit(np.ones(9), np.ones(9), np.ones(9, bool), split="valid")
    assert 0.5 < all_right.probability(1.0, 1.0) < 1
    apart = Calibration.fit(
        np.array([0.0, 1.0] * 50), np.zeros(100), np.array([False, True] * 50), split="valid"
    )
    assert apart.probability(0, 0) < 0.1 < 0.9 < apart.probability(1, 0)
    assert 0 <= apart.probability(-1e9, 0) <= apart.probability(1e9, 0) <= 1


def test_the_lead_is_over_the_next_with_other_members() -> None:
    scores, sets = np.array([3.0, 2.5, 1.0, -1e9]), np.array([7, 7, 8, 9])
    there = scores > -1e8
    assert lead_of(scores, sets, 0, there) == 2.0
    assert lead_of(scores[:2], sets[:2], 0, there[:2]) == MOST_LEAD


def test_another_file_is_no_calibration() -> None:
    with pytest.raises(BundleError, match=r"calibration\.json"):
        Calibration.of_text("{}")
