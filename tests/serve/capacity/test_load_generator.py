"""The load generator counts what a caller would wait, and what failed."""

import asyncio
from pathlib import Path

import grpc
import numpy as np
import pytest
from PIL import Image

from striate.serve.capacity.load_generator import run_closed_loop, run_open_loop
from striate.serve.capacity.plots import draw_load

pytestmark = pytest.mark.unit


def _refused() -> grpc.aio.AioRpcError:
    nothing = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, nothing, nothing, "no replica")


def test_a_stall_of_the_server_is_in_the_latency_of_every_call_due_meanwhile() -> None:
    """A closed loop would have sent one call and seen one long latency."""

    async def measure() -> np.ndarray:
        gate = asyncio.Event()

        async def call() -> None:
            await gate.wait()

        asyncio.get_running_loop().call_later(0.5, gate.set)
        result = await run_open_loop(call, np.arange(0, 0.5, 0.05))
        return result.latency_s

    latency = asyncio.run(measure())
    assert len(latency) == 10
    assert latency == pytest.approx(0.5 - np.arange(0, 0.5, 0.05), abs=0.15)
    assert (np.diff(latency) < 0).all()


def test_failures_are_counted_by_their_status_and_left_out_of_the_latency(tmp_path: Path) -> None:
    calls = iter(range(10))

    async def call() -> None:
        if next(calls) % 5 == 0:
            raise _refused()

    result = asyncio.run(run_open_loop(call, np.linspace(0, 0.05, 10)))
    assert result.counts() == {"OK": 8, "UNAVAILABLE": 2}
    assert result.answered.sum() == 8
    assert set(result.quantiles_ms()) == {"p50", "p90", "p99", "p99.9", "max"}
    draw_load(result, "a test", tmp_path / "load.png", deadline_s=0.1)
    assert Image.open(tmp_path / "load.png").width > 800


def test_calls_over_the_bound_are_said_to_be_unsent() -> None:
    async def measure() -> dict[str, int]:
        async def call() -> None:
            await asyncio.sleep(0.2)

        result = await run_open_loop(call, np.zeros(5), most_in_flight=3)
        return result.counts()

    assert asyncio.run(measure()) == {"OK": 3, "NOT_SENT": 2}


def test_a_failure_that_is_no_status_ends_the_test() -> None:
    async def call() -> None:
        raise ValueError("a defect of the test, not of the server")

    with pytest.raises(ValueError, match="a defect"):
        asyncio.run(run_open_loop(call, np.zeros(1)))


def test_closed_loops_make_one_call_at_a_time_each() -> None:
    running = 0

    async def call() -> None:
        nonlocal running
        running += 1
        assert running <= 3
        await asyncio.sleep(0.001)
        running -= 1

    result = asyncio.run(run_closed_loop(call, callers=3, seconds=0.1))
    assert result.counts()["OK"] > 3
    assert result.rate > 0


def test_nothing_answered_has_no_latency(tmp_path: Path) -> None:
    async def call() -> None:
        raise _refused()

    result = asyncio.run(run_open_loop(call, np.zeros(2)))
    assert result.quantiles_ms() == {} and result.rate == 0
    draw_load(result, "nothing answers", tmp_path / "load.png")
