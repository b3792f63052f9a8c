"""One check of numbers, in whatever holds them."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from striate.serve.predictors.finite import is_finite

pytestmark = pytest.mark.unit


@dataclass
class Held:
    """A number in a dataclass."""

    number: float


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_it_is_seen_in_whatever_holds_it(bad: float) -> None:
    holders = (
        lambda number: number,
        lambda number: [1.0, (2.0, number)],
        lambda number: {"scores": np.array([1.0, number], np.float16), "labels": [b"a"]},
        lambda number: torch.tensor([number], dtype=torch.bfloat16),
        lambda number: [Held(1.0), Held(number)],
    )
    for holder in holders:
        assert is_finite(holder(1.0))
        assert not is_finite(holder(bad))


def test_what_is_no_number_is_let_by() -> None:
    assert is_finite([ValueError("no"), b"bytes", None, 3, torch.ones(2, dtype=torch.int64)])
