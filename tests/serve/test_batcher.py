"""Micro-batches on an event loop."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from striate.serve.batcher import Batcher, QueueFull
from striate.serve.limits import Batching

pytestmark = pytest.mark.unit


class Doubles:
    """Doubles numbers, holds each batch until it is let go, and keeps what it was asked."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = threading.Event()

    def __call__(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(numbers))
        assert self.go.wait(10)
        return [ValueError(str(n)) if n < 0 else 2 * n for n in numbers]


async def settled(batcher: Batcher[int, int]) -> None:
    """Let the loop run until the batcher has taken what it can."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_requests_gather_while_a_batch_is_computed() -> None:
    async def scenario() -> None:
        doubles = Doubles()
        batcher = Batcher(doubles, Batching(max_size=4), queued=100)
        batcher.start()
        calls = [batcher.submit(1)]
        await settled(batcher)
        calls += [batcher.submit(n) for n in range(2, 8)]
        await settled(batcher)
        doubles.go.set()
        assert await asyncio.gather(*calls) == [2, 4, 6, 8, 10, 12, 14]
        assert doubles.batches == [[1], [2, 3, 4, 5], [6, 7]]
        batcher.stop()

    asyncio.run(scenario())


def test_one_bad_request_fails_alone() -> None:
    async def scenario() -> None:
        doubles = Doubles()
        doubles.go.set()
        batcher = Batcher(doubles, Batching(max_size=4, max_wait_ms=50), queued=100)
        batcher.start()
        calls = [batcher.submit(n) for n in (1, -2, 3)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [answers[0], answers[2]] == [2, 6]
        assert isinstance(answers[1], ValueError)
        batcher.stop()

    asyncio.run(scenario())


def test_a_full_queue_refuses_and_recovers() -> None:
    async def scenario() -> None:
        doubles = Doubles()
        batcher = Batcher(doubles, Batching(max_size=1), queued=2)
        batcher.start()
        calls = [batcher.submit(1)]
        await settled(batcher)
        calls += [batcher.submit(n) for n in (2, 3)]
        await settled(batcher)
        with pytest.raises(QueueFull):
            await batcher.submit(4)
        doubles.go.set()
        assert await asyncio.gather(*calls) == [2, 4, 6]
        assert await batcher.submit(5) == 10
        batcher.stop()

    asyncio.run(scenario())


def test_a_caller_that_left_is_not_computed() -> None:
    async def scenario() -> None:
        doubles = Doubles()
        batcher = Batcher(doubles, Batching(max_size=4), queued=100)
        batcher.start()
        first = batcher.submit(1)
        await settled(batcher)
        gone, stays = (batcher.submit(n) for n in (2, 3))
        await settled(batcher)
        gone.cancel()
        doubles.go.set()
        assert [await first, await stays] == [2, 6]
        assert doubles.batches == [[1], [3]]
        batcher.stop()

    asyncio.run(scenario())


def test_a_failing_batch_fails_its_requests_and_no_more() -> None:
    async def scenario() -> None:
        calls = 0

        def fails_once(numbers: Sequence[int]) -> list[int | Exception]:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise MemoryError
            return list(numbers)

        batcher: Batcher[int, int] = Batcher(fails_once, Batching(), queued=10)
        batcher.start()
        with pytest.raises(MemoryError):
            await batcher.submit(1)
        assert await batcher.submit(2) == 2
        batcher.stop()

    asyncio.run(scenario())
