"""A load generator: calls that come when they come, whether or not the ones before are answered.

Open loop: call i is due at a time that was drawn before, and its latency counts from then. A server
that stalls makes the calls that are due meanwhile wait, and that waiting is in the figures; a loop
that sends only when it got its answer would leave it out (coordinated omission).
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import grpc
import numpy as np
from numpy.typing import NDArray

from striate.serve.capacity.arrivals import FloatArray

SendCall = Callable[[], Awaitable[object]]
OK = "OK"
NOT_SENT = "NOT_SENT"
QUANTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9}


@dataclass(frozen=True)
class LoadResult:
    """What the calls came to.

    Attributes:
        due_s: (n,) when each call was due, in seconds from the beginning.
        latency_s: (n,) from then to its answer or its failure.
        late_s: (n,) how much later than due the generator itself sent each one.
        outcome: (n,) index into `outcomes` of each.
        outcomes: gRPC status names met, ``NOT_SENT`` for calls over the bound of calls in flight.
        seconds: from the first call due to the last answer.
    """

    due_s: FloatArray
    latency_s: FloatArray
    late_s: FloatArray
    outcome: NDArray[np.int64]
    outcomes: tuple[str, ...]
    seconds: float

    @property
    def answered(self) -> NDArray[np.bool_]:
        """(n,) which calls were answered with OK."""
        good = [index for index, name in enumerate(self.outcomes) if name == OK]
        return np.isin(self.outcome, good)

    def counts(self) -> dict[str, int]:
        """Calls by outcome, the most frequent first."""
        found = Counter(self.outcomes[index] for index in self.outcome.tolist())
        return dict(found.most_common())

    @property
    def rate(self) -> float:
        """Answers a second."""
        return float(self.answered.sum()) / self.seconds if self.seconds else 0.0

    def quantiles_ms(self) -> dict[str, float]:
        """Latency of the answered calls: `QUANTILES` and ``max``; empty when none was answered."""
        good = self.latency_s[self.answered] * 1000
        if not len(good):
            return {}
        named = {name: float(np.percentile(good, at)) for name, at in QUANTILES.items()}
        return {**named, "max": float(good.max())}

    def late_ms(self) -> float:
        """99th percentile of the generator's own lateness."""
        return float(np.percentile(self.late_s, 99)) * 1000 if len(self.late_s) else 0.0


@dataclass
class _Log:
    due_s: list[float] = field(default_factory=list)
    latency_s: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)
    outcome: list[str] = field(default_factory=list)

    def add(self, due_s: float, sent_s: float, ended_s: float, outcome: str) -> None:
        self.due_s.append(due_s)
        self.late_s.append(sent_s - due_s)
        self.latency_s.append(ended_s - due_s)
        self.outcome.append(outcome)

    def result(self, seconds: float) -> LoadResult:
        names: Mapping[str, int] = {name: i for i, name in enumerate(sorted(set(self.outcome)))}
        order = np.argsort(self.due_s, kind="stable")
        return LoadResult(
            due_s=np.array(self.due_s, dtype=float)[order],
            latency_s=np.array(self.latency_s, dtype=float)[order],
            late_s=np.array(self.late_s, dtype=float)[order],
            outcome=np.array([names[name] for name in self.outcome], dtype=np.int64)[order],
            outcomes=tuple(names),
            seconds=seconds,
        )


async def run_open_loop(
    call: SendCall, due_s: FloatArray, most_in_flight: int = 10_000
) -> LoadResult:
    """Make each call when it is due, and wait for all answers.

    Args:
        call: makes one call; a gRPC error is its outcome.
        due_s: (n,) ascending seconds from now.
        most_in_flight: a call over this bound is not sent, and counted as that.
    """
    log = _Log()
    running: set[asyncio.Task[None]] = set()
    began = time.perf_counter()
    for due in due_s.tolist():
        wait = due - (time.perf_counter() - began)
        await asyncio.sleep(max(wait, 0.0))  # 0 still lets answers in
        if len(running) >= most_in_flight:
            now = time.perf_counter() - began
            log.add(due, now, now, NOT_SENT)
            continue
        task = asyncio.create_task(_one(call, log, due, began))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    return log.result(time.perf_counter() - began)


async def run_closed_loop(call: SendCall, callers: int, seconds: float) -> LoadResult:
    """Callers that each send the next call when they got their answer: how much fits through."""
    log = _Log()
    began = time.perf_counter()

    async def loop() -> None:
        while (now := time.perf_counter() - began) < seconds:
            await _one(call, log, now, began)

    await asyncio.gather(*(loop() for _ in range(callers)))
    return log.result(time.perf_counter() - began)


async def _one(call: SendCall, log: _Log, due_s: float, began: float) -> None:
    sent = time.perf_counter() - began
    outcome = OK
    try:
        await call()
    except grpc.RpcError as error:
        outcome = error.code().name
    log.add(due_s, sent, time.perf_counter() - began, outcome)
