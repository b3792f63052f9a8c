"""Whether a replica is well."""

import asyncio
from collections.abc import Callable

import pytest

from striate.core.errors import BundleError
from striate.serve.apps.liveness import LivenessCheck
from striate.serve.server.batcher import QueueFull

pytestmark = pytest.mark.unit


class Server:
    """Answers the probe as it is told, and has answered so many calls."""

    def __init__(self) -> None:
        self.problem: Callable[[], Exception] | None = None
        self.hangs = False
        self.calls = 0
        self.liveness = LivenessCheck(self._probe, lambda: self.calls, timeout_s=0.05)

    async def _probe(self) -> None:
        if self.hangs:
            await asyncio.sleep(60)
        if self.problem is not None:
            raise self.problem()

    def check(self, calls: int = 0) -> None:
        self.calls += calls
        asyncio.run(self.liveness.check())


def full() -> Exception:
    return QueueFull("full")


def test_it_is_well_when_it_answers() -> None:
    server = Server()
    server.check()
    assert server.liveness.passed


def test_a_wrong_answer_is_an_illness_however_many_calls_it_answers() -> None:
    server = Server()
    server.check()
    server.problem = lambda: BundleError("not finite")
    with pytest.raises(BundleError):
        server.check(calls=100)


def test_a_full_queue_is_none_while_calls_are_answered() -> None:
    server = Server()
    server.check()
    server.problem = full
    for _ in range(3):
        server.check(calls=1)
    with pytest.raises(QueueFull):
        server.check()


def test_nor_is_a_queue_that_the_question_does_not_get_through() -> None:
    server = Server()
    server.check()
    server.hangs = True
    server.check(calls=1)
    with pytest.raises(TimeoutError):
        server.check()


def test_a_replica_that_never_answered_is_not_taken_for_busy() -> None:
    server = Server()
    server.problem = full
    with pytest.raises(QueueFull):
        server.check(calls=1)
    assert not server.liveness.passed
