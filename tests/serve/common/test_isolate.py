"""A failure in a shared batch stays with what causes it."""

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.core.errors import RequestError
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


def failing(error: Exception, most: int) -> Callable[[Sequence[int]], list[int | Exception]]:
    """Computes batches of up to `most`; larger ones fail."""

    def compute(items: Sequence[int]) -> list[int | Exception]:
        if len(items) > most:
            raise error
        return list(items)

    return compute


def test_a_batch_that_fails_where_its_halves_do_not_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert isolate(failing(MemoryError("no room"), 2), range(8)) == list(range(8))
    (record,) = caplog.records
    assert record.levelname == "WARNING" and "batch of 8 failed" in record.message
    assert "no room" in caplog.text


@pytest.mark.parametrize("error", [RequestError("no photo"), ValueError("alone")])
def test_what_a_caller_did_and_what_fails_alone_is_answered_and_not_logged(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    alone = not isinstance(error, RequestError)
    isolate(failing(error, 0), range(1 if alone else 4))
    assert not caplog.records
