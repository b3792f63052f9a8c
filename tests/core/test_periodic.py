"""Work beside a block: how often it is called, what it survives, that it ends with the block."""

import queue
import threading
import time
from itertools import pairwise

import pytest

from striate.core.periodic import call_every

pytestmark = pytest.mark.unit
LONG_S = 20.0


def _threads(name: str) -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == name]


def test_it_is_called_again_and_again_until_the_block_ends() -> None:
    calls: queue.Queue[str] = queue.Queue()
    with call_every(0.001, lambda: calls.put(threading.current_thread().name), name="beside"):
        assert [calls.get(timeout=LONG_S) for _ in range(3)] == ["beside"] * 3
    assert not _threads("beside")
    made = calls.qsize()
    assert not threading.Event().wait(0.02)
    assert calls.qsize() == made


@pytest.mark.parametrize(
    ("when", "expected"), [({}, 0), ({"at_once": True}, 1), ({"at_ends": True}, 2)]
)
def test_a_short_block_has_calls_at_its_ends_alone(when: dict[str, bool], expected: int) -> None:
    calls: list[float] = []
    with call_every(60, lambda: calls.append(time.monotonic()), name="beside", **when):  # type: ignore[arg-type]
        pass
    assert len(calls) == expected


def test_the_end_waits_for_no_pause_but_for_a_call() -> None:
    began, entered, ended = time.monotonic(), threading.Event(), threading.Event()

    def slow() -> None:
        entered.set()
        time.sleep(0.1)
        ended.set()

    with call_every(60, slow, name="beside", at_ends=True):
        assert entered.wait(LONG_S)
    assert ended.is_set()
    assert time.monotonic() - began < 60


def test_errors_that_are_ignored_stop_nothing() -> None:
    calls: queue.Queue[int] = queue.Queue()

    def failing() -> None:
        calls.put(1)
        raise OSError("away")

    with call_every(0.001, failing, name="beside", ignored=(OSError,), at_ends=True):
        for _ in range(3):
            calls.get(timeout=LONG_S)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_another_error_ends_the_work_and_not_the_block() -> None:
    calls: list[int] = []

    def failing() -> None:
        calls.append(1)
        raise KeyError("a mistake of ours")

    with call_every(0.001, failing, name="beside", ignored=(OSError,)):
        deadline = time.monotonic() + LONG_S
        while _threads("beside") and time.monotonic() < deadline:
            time.sleep(0.001)
        reached = True
    assert reached
    assert calls == [1]


def test_the_error_of_the_block_comes_out() -> None:
    with pytest.raises(ZeroDivisionError), call_every(60, lambda: None, name="beside"):
        raise ZeroDivisionError
    assert not _threads("beside")


def test_a_long_call_is_followed_by_a_long_rest() -> None:
    starts: list[float] = []
    calls: queue.Queue[None] = queue.Queue()

    def slow() -> None:
        starts.append(time.monotonic())
        time.sleep(0.02)
        calls.put(None)

    with call_every(0.001, slow, name="beside", least_rest=5):
        for _ in range(3):
            calls.get(timeout=LONG_S)
    assert all(later - earlier >= 0.12 for earlier, later in pairwise(starts))
