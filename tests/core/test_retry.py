"""Retries and waits: how often, with which pauses, until when, and with which error at the end."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.core.retry import Backoff, retry, wait_until

pytestmark = pytest.mark.unit
AT_ONCE = Backoff.constant(0.001)


class _Fails:
    """Fails so many times, then gives its number of attempts."""

    def __init__(self, times: int, error: type[Exception] = OSError) -> None:
        self.times, self.error, self.attempts = times, error, 0

    def __call__(self) -> int:
        self.attempts += 1
        if self.attempts <= self.times:
            raise self.error(f"attempt {self.attempts}")
        return self.attempts


@pytest.mark.parametrize("times", [0, 1, 2, 5])
def test_it_is_done_until_it_is_done(times: int) -> None:
    refused: list[str] = []
    action = _Fails(times)
    assert retry(action, 20, (OSError,), AT_ONCE, refused=lambda e: refused.append(str(e))) == (
        times + 1
    )
    assert refused == [f"attempt {number}" for number in range(1, times + 1)]


def test_the_last_error_is_raised_as_it_was() -> None:
    action = _Fails(10**6)
    with pytest.raises(OSError, match=r"^attempt \d+$") as caught:
        retry(action, 0.1, (OSError,), Backoff.constant(0.02))
    assert action.attempts >= 2
    assert str(caught.value) == f"attempt {action.attempts}"


def test_no_attempt_begins_after_the_time_is_over() -> None:
    action, began = _Fails(10**6), time.monotonic()
    with pytest.raises(OSError, match="attempt 1"):
        retry(action, 5, (OSError,), Backoff.constant(5.0))
    assert time.monotonic() - began < 5
    with pytest.raises(OSError, match="attempt 2"):
        retry(action, 0, (OSError,), AT_ONCE)


def test_the_time_of_the_first_attempt_counts() -> None:
    action = _Fails(10**6)

    def slow() -> int:
        time.sleep(0.2)
        return action()

    with pytest.raises(OSError, match="attempt 1"):
        retry(slow, 0.21, (OSError,), Backoff.constant(0.05))


@pytest.mark.parametrize("before", [0, 2])
def test_another_error_ends_it_at_once(before: int) -> None:
    attempts = 0

    def action() -> None:
        nonlocal attempts
        attempts += 1
        raise OSError if attempts <= before else KeyError

    with pytest.raises(KeyError):
        retry(action, 20, (OSError,), AT_ONCE)
    assert attempts == before + 1


@pytest.mark.parametrize("good_for", [0, 2])
def test_an_error_that_is_worth_nothing_ends_it_at_once(good_for: int) -> None:
    action = _Fails(10**6)
    with pytest.raises(OSError, match=f"attempt {good_for + 1}"):
        retry(action, 20, (OSError,), AT_ONCE, worth=lambda _: action.attempts <= good_for)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_the_end_of_the_process_is_no_failure(error: type[BaseException]) -> None:
    attempts = 0

    def action() -> None:
        nonlocal attempts
        attempts += 1
        raise OSError if attempts == 1 else error

    with pytest.raises(error):
        retry(action, 20, (OSError,), AT_ONCE)


@given(st.integers(1, 10_000), st.floats(0.001, 10), st.floats(0.001, 60), st.floats(0, 1))
def test_pauses_double_up_to_the_longest(
    attempt: int, first_s: float, longest_s: float, jitter: float
) -> None:
    exact = Backoff(first_s, longest_s)
    assert exact.pause_s(1) == min(first_s, longest_s)
    assert exact.pause_s(attempt + 1) == min(2 * exact.pause_s(attempt), longest_s)
    shortened = Backoff(first_s, longest_s, jitter).pause_s(attempt)
    assert (1 - jitter) * exact.pause_s(attempt) <= shortened <= exact.pause_s(attempt)


def _true_at(look: int) -> Callable[[], bool]:
    looks = iter(range(1, 10**6))
    return lambda: next(looks) == look


def test_waiting_looks_until_it_holds() -> None:
    assert wait_until(_true_at(1), 0, 60)
    assert wait_until(_true_at(4), 20, 0.001)


def test_waiting_ends_in_time_even_between_two_looks() -> None:
    began = time.monotonic()
    assert not wait_until(lambda: False, 0.1, 60)
    assert not wait_until(_true_at(2), 0, 60)
    assert wait_until(_true_at(2), 0.1, 60), "the last look is at the end"
    assert time.monotonic() - began < 10
