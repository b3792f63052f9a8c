"""A failure in a shared batch stays with what causes it."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.serve.common.isolate import isolate

pytestmark = pytest.mark.unit


@given(st.lists(st.booleans(), min_size=1, max_size=64))
def test_the_good_get_their_results_and_the_bad_their_own_exceptions(bad: list[bool]) -> None:
    batches: list[int] = []

    def compute(places: Sequence[int]) -> list[int | Exception]:
        batches.append(len(places))
        for place in places:
            if bad[place]:
                raise ValueError(str(place))
        return [2 * place for place in places]

    for place, result in enumerate(isolate(compute, range(len(bad)))):
        if bad[place]:
            assert isinstance(result, ValueError) and str(result) == str(place)
        else:
            assert result == 2 * place
    depth = math.ceil(math.log2(len(bad)))
    assert len(batches) <= min(1 + 2 * depth * sum(bad), 2 * len(bad) - 1)


def test_an_empty_batch_is_asked_once() -> None:
    assert isolate(lambda items: [], []) == []
