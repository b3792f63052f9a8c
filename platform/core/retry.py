"""Trying again what may succeed later, and waiting for what will come true."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses between attempts, each twice as long as the one before.

    Attributes:
        first_s: the first pause, in seconds.
        longest_s: the longest.
        jitter: the share by which a pause is shortened at random, so that many who were refused
            at once do not come back at once.
    """

    first_s: float
    longest_s: float
    jitter: float = 0.0

    @classmethod
    def constant(cls, pause_s: float) -> "Backoff":
        """The same pause each time."""
        return cls(pause_s, pause_s)

    def pause_s(self, attempt: int) -> float:
        """The pause after an attempt; they count from 1."""
        doublings = min(attempt - 1, 64)  # 2^64 pauses are over any limit
        pause_s = min(self.first_s * 2.0**doublings, self.longest_s)
        return pause_s * random.uniform(1 - self.jitter, 1)


def retry(
    action: Callable[[], _Result],
    within_s: float,
    errors: tuple[type[Exception], ...],
    backoff: Backoff,
    *,
    worth: Callable[[Exception], bool] = lambda _: True,
    refused: Callable[[Exception], None] = lambda _: None,
) -> _Result:
    """Do something, again and again until it is done.

    An action that succeeds at once costs 0.6 µs more than a call of it: tenacity, which does the
    rest, takes 18 µs for that and imports asyncio, so it comes in with the first failure.

    Args:
        action: what is done.
        within_s: no attempt begins later than this many seconds after the first.
        errors: those that are worth another attempt.
        backoff: the pauses between attempts.
        worth: tells which of `errors` are, where their type does not say.
        refused: takes the error before each pause.

    Raises:
        Exception: that of the last attempt, as it was.
    """
    began_s = time.monotonic()
    try:
        return action()
    except errors as error:
        if not worth(error):
            raise
        failed = error
    left_s = within_s - (time.monotonic() - began_s)
    return _retry_after(failed, action, left_s, errors, backoff, worth, refused)


def _retry_after(
    failed: Exception,
    action: Callable[[], _Result],
    within_s: float,
    errors: tuple[type[Exception], ...],
    backoff: Backoff,
    worth: Callable[[Exception], bool],
    refused: Callable[[Exception], None],
) -> _Result:
    from tenacity import RetryCallState, Retrying, retry_if_exception, stop_before_delay

    before: list[Exception] = [failed]

    def attempt() -> _Result:
        if before:
            raise before.pop()  # the first attempt's, which has been made
        return action()

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        assert isinstance(error, Exception)
        refused(error)

    retrying = Retrying(
        stop=stop_before_delay(within_s),
        wait=lambda state: backoff.pause_s(state.attempt_number),
        retry=retry_if_exception(lambda error: isinstance(error, errors) and worth(error)),
        before_sleep=tell,
        reraise=True,
    )
    return retrying(attempt)


def wait_until(condition: Callable[[], object], within_s: float, every_s: float) -> bool:
    """Wait until a condition holds that nothing announces.

    Args:
        condition: is asked at once, and then every `every_s` seconds.
        within_s: how long to wait at most; 0 asks once.
        every_s: seconds between two questions.

    Returns:
        Whether it holds.
    """
    deadline_s = time.monotonic() + within_s
    while not condition():
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            return False
        time.sleep(min(every_s, left_s))
    return True
