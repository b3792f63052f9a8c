"""Micro-batches on an event loop."""

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from striate.core.errors import PlatformError
from striate.serve.common.limits import Batching
from striate.serve.server.batcher import Batcher, QueueFull, TooLate

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
        batcher = Batcher(doubles, Batching(threads=1, max_size=4), queued=100)
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


def test_the_next_batch_begins_while_the_loop_is_busy() -> None:
    async def scenario() -> None:
        second = threading.Event()

        def compute(numbers: Sequence[int]) -> list[int | Exception]:
            if numbers == [2]:
                second.set()
            else:
                assert go.wait(10)
            return list(numbers)

        go = threading.Event()
        batcher: Batcher[int, int] = Batcher(compute, Batching(threads=1), queued=10)
        batcher.start()
        calls = [batcher.submit(1)]
        await settled(batcher)
        calls.append(batcher.submit(2))
        go.set()
        assert second.wait(10), "the loop does nothing meanwhile"
        assert await asyncio.gather(*calls) == [1, 2]
        batcher.stop()

    asyncio.run(scenario())


def test_one_bad_request_fails_alone() -> None:
    async def scenario() -> None:
        doubles = Doubles()
        doubles.go.set()
        batcher = Batcher(doubles, Batching(threads=1, max_size=4, max_wait_ms=50), queued=100)
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
        batcher = Batcher(doubles, Batching(threads=1, max_size=1), queued=2)
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
        batcher = Batcher(doubles, Batching(threads=1, max_size=4), queued=100)
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

        batcher: Batcher[int, int] = Batcher(fails_once, Batching(threads=1), queued=10)
        batcher.start()
        with pytest.raises(MemoryError):
            await batcher.submit(1)
        assert await batcher.submit(2) == 2
        batcher.stop()

    asyncio.run(scenario())


def test_a_request_whose_deadline_has_passed_is_not_computed() -> None:
    async def scenario() -> None:
        doubles = Doubles()
        batcher = Batcher(doubles, Batching(threads=1, max_size=4), queued=100)
        batcher.start()
        first = batcher.submit(1)
        await settled(batcher)
        late = batcher.submit(2, deadline=time.monotonic() - 0.001)
        in_time = batcher.submit(3, deadline=time.monotonic() + 60)
        doubles.go.set()
        assert [await first, await in_time] == [2, 6]
        with pytest.raises(TooLate):
            await late
        assert doubles.batches == [[1], [3]]
        batcher.stop()

    asyncio.run(scenario())


def test_batches_are_full_by_samples_and_a_large_request_goes_alone() -> None:
    async def scenario() -> None:
        doubles = Doubles()
        batcher = Batcher(doubles, Batching(threads=1, max_size=4), queued=100)
        batcher.start()
        calls = [batcher.submit(0)]
        await settled(batcher)
        calls += [batcher.submit(n, size=size) for n, size in ((1, 3), (2, 2), (3, 9), (4, 1))]
        doubles.go.set()
        await asyncio.gather(*calls)
        assert doubles.batches == [[0], [1], [2], [3], [4]]
        batcher.stop()

    asyncio.run(scenario())


def test_waiting_requests_hold_no_more_bytes_than_allowed() -> None:
    async def scenario() -> None:
        doubles = Doubles()
        batcher = Batcher(doubles, Batching(threads=1, max_size=1), queued=100, queued_bytes=100)
        batcher.start()
        calls = [batcher.submit(0, nbytes=90)]
        await settled(batcher)
        calls.append(batcher.submit(1, nbytes=60))
        with pytest.raises(QueueFull):
            batcher.submit(2, nbytes=60)
        calls.append(batcher.submit(3, nbytes=40))
        doubles.go.set()
        assert await asyncio.gather(*calls) == [0, 2, 6]
        batcher.stop()

    asyncio.run(scenario())


def test_a_batch_that_fills_does_not_wait_for_its_time() -> None:
    async def scenario() -> None:
        doubles = Doubles()
        doubles.go.set()
        batcher = Batcher(
            doubles, Batching(threads=1, max_size=3, max_wait_ms=3_600_000), queued=100
        )
        batcher.start()
        calls = [batcher.submit(n) for n in range(3)]
        assert await asyncio.wait_for(asyncio.gather(*calls), 30) == [0, 2, 4]
        batcher.stop()

    asyncio.run(scenario())


def test_a_batcher_that_has_stopped_takes_nothing() -> None:
    async def scenario() -> None:
        batcher = Batcher(Doubles(), Batching(threads=1), queued=10)
        batcher.start()
        batcher.stop()
        with pytest.raises(PlatformError, match="ending"):
            batcher.submit(1)

    asyncio.run(scenario())
