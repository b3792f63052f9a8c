"""The callers of `serve.py`, in a process of their own; messages are bytes, which cost little.

On two cores callers and server share the machine; a caller that parsed its answers would take from
the server what is measured.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from striate.serve.capacity.load_generator import LoadResult

TAG = "/striate.v1.PhotoTagging/Tag"
STREAM = "/striate.v1.PhotoTagging/TagStream"
INFER = "/inference.GRPCInferenceService/ModelInfer"
CHANNELS = 4
_DEADLINE_S = 30.0


@dataclass(frozen=True)
class Target:
    """Whom to call.

    Attributes:
        address: `host:port`.
        method: the method's path.
        message: the request, encoded.
        metadata: what goes with every call.
        ca: PEM file of the authority of the server's certificate; None speaks plain text.
    """

    address: str
    method: str
    message: bytes
    metadata: tuple[tuple[str, str], ...] = ()
    ca: str | None = None

    def channels(self, count: int = CHANNELS) -> list[grpc.aio.Channel]:
        """Connections of their own."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        if self.ca is None:
            return [grpc.aio.insecure_channel(self.address, options=options) for _ in range(count)]
        credentials = grpc.ssl_channel_credentials(Path(self.ca).read_bytes())
        return [
            grpc.aio.secure_channel(self.address, credentials, options=options)
            for _ in range(count)
        ]


def closed(target: Target, callers: int, seconds: float) -> float:
    """Calls a second of callers that each wait for their answer."""
    return asyncio.run(_closed(target, callers, seconds))


def opened(target: Target, rate: float, seconds: float, seed: int) -> tuple[float, float]:
    """p50 and p99 in seconds of Poisson arrivals, counted from when each call was due."""
    return asyncio.run(_opened(target, rate, seconds, seed))


def loaded(
    targets: Sequence[Target], rate: float, seconds: float, seed: int
) -> tuple["LoadResult", list[bytes]]:
    """Poisson arrivals that ask the targets of one address in turn, and what was answered."""
    return asyncio.run(_loaded(targets, rate, seconds, seed))


def streamed(target: Target, in_flight: int, packed: int, seconds: float) -> float:
    """Photos a second on one bidirectional call, `packed` of them in a message."""
    return asyncio.run(_streamed(target, in_flight, packed, seconds))


def many(target: Target, callers: int, calls: int) -> None:
    """So many calls, as fast as they go."""
    asyncio.run(_many(target, callers, calls))


async def _with_calls(
    target: Target, work: Callable[[list[Callable[[], Awaitable[object]]]], Awaitable[Any]]
) -> Any:
    channels = target.channels()
    stubs: list[Any] = [channel.unary_unary(target.method) for channel in channels]

    def call_of(stub: Any) -> Callable[[], Awaitable[object]]:
        async def call() -> object:
            return await stub(target.message, metadata=target.metadata, timeout=_DEADLINE_S)

        return call

    try:
        return await work([call_of(stub) for stub in stubs])
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))


async def _closed(target: Target, callers: int, seconds: float) -> float:
    async def work(calls: list[Callable[[], Awaitable[object]]]) -> float:
        until = time.perf_counter() + seconds

        async def loop(call: Callable[[], Awaitable[object]]) -> int:
            answered = 0
            while time.perf_counter() < until:
                await call()
                answered += 1
            return answered

        began = time.perf_counter()
        counts = await asyncio.gather(*(loop(calls[i % len(calls)]) for i in range(callers)))
        return sum(counts) / (time.perf_counter() - began)

    return float(await _with_calls(target, work))


async def _opened(target: Target, rate: float, seconds: float, seed: int) -> tuple[float, float]:
    import numpy as np

    result, _ = await _loaded([target], rate, seconds, seed)
    assert result.answered.all(), result.counts()
    p50, p99 = np.percentile(result.latency_s, (50, 99))
    return float(p50), float(p99)


async def _loaded(
    targets: Sequence[Target], rate: float, seconds: float, seed: int
) -> tuple["LoadResult", list[bytes]]:
    from striate.serve.capacity.arrivals import poisson_arrivals
    from striate.serve.capacity.load_generator import run_open_loop

    channels = targets[0].channels()
    calls: list[tuple[Any, Target]] = [
        (channel.unary_unary(target.method), target)
        for channel, target in zip(cycle(channels), list(targets) * len(channels), strict=False)
    ]
    following, answers = cycle(calls), []

    async def call() -> object:
        stub, target = next(following)
        answer = await stub(target.message, metadata=target.metadata, timeout=_DEADLINE_S)
        answers.append(answer)
        return answer

    try:
        result = await run_open_loop(call, poisson_arrivals(rate, seconds, seed))
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))
    return result, answers


async def _many(target: Target, callers: int, calls: int) -> None:
    async def work(ways: list[Callable[[], Awaitable[object]]]) -> None:
        left = iter(range(calls))

        async def loop(call: Callable[[], Awaitable[object]]) -> None:
            for _ in left:
                await call()

        await asyncio.gather(*(loop(ways[i % len(ways)]) for i in range(callers)))

    await _with_calls(target, work)


async def _streamed(target: Target, in_flight: int, packed: int, seconds: float) -> float:
    """`target.message` holds `packed` photos; each answer makes room for another."""
    from striate.serve.protos.striate.v1 import photo_tagging_pb2 as pb

    (channel,) = target.channels(1)
    method: Any = channel.stream_stream(target.method)
    call = method(metadata=target.metadata)
    room = asyncio.Semaphore(in_flight)
    until = time.perf_counter() + seconds

    async def send() -> None:
        while time.perf_counter() < until:
            for _ in range(packed):
                await room.acquire()
            await call.write(target.message)
        await call.done_writing()

    sending = asyncio.create_task(send())
    began, answered = time.perf_counter(), 0
    while (raw := await call.read()) is not grpc.aio.EOF:
        answers = pb.TagStreamResponse.FromString(raw).answers
        assert all(answer.WhichOneof("result") == "tags" for answer in answers)
        answered += len(answers)
        for _ in answers:
            room.release()
    await sending
    took = time.perf_counter() - began
    await channel.close()
    return answered / took
