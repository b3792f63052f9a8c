"""Queueing at an application, event by event: what each call would wait, and for what.

A pure function of arrivals, service times and a seed. It follows what edge and replica do: the edge
gives a call to the replica with the fewest in flight; a replica whose thread is free begins at
once with what waits, and what comes meanwhile forms the next batch.
"""

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from striate.serve.capacity.arrivals import FloatArray
from striate.serve.capacity.service_times import ServiceTimes


@dataclass(frozen=True)
class SimulationResult:
    """What happened to the calls.

    Attributes:
        latency_s: (n,) seconds from arrival to answer.
        busy_share: share of the replicas' threads that was busy, from first arrival to last.
        mean_batch: requests in a batch.
    """

    latency_s: FloatArray
    busy_share: float
    mean_batch: float


def simulate(
    arrivals_s: FloatArray, times: ServiceTimes, replicas: int, seed: int = 0
) -> SimulationResult:
    """Run the calls through `replicas` replicas.

    Args:
        arrivals_s: (n,) ascending seconds.
        times: of one replica.
        replicas: at least 1.
        seed: of the spread of the batches' times, which is gamma distributed.
    """
    if len(arrivals_s) == 0:
        return SimulationResult(np.zeros(0), 0.0, 0.0)
    pool = _Pool(times, replicas, seed)
    latency = np.empty(len(arrivals_s))
    done: list[tuple[float, int, int, list[int]]] = []  # finish, tie-break, replica, calls
    for index, now in enumerate(arrivals_s.tolist()):
        while done and done[0][0] <= now:
            _finish(done, pool, arrivals_s, latency)
        started = pool.arrive(index)
        if started is not None:
            _start(done, pool, now, *started)
    while done:
        _finish(done, pool, arrivals_s, latency)
    span = float(arrivals_s[-1] - arrivals_s[0]) or float(latency.max())
    busy = min(1.0, pool.busy_s / (span * replicas * times.threads))
    return SimulationResult(latency + times.overhead_s, busy, len(arrivals_s) / pool.batches)


class _Pool:
    """The replicas' queues and free threads; the edge's choice among them."""

    def __init__(self, times: ServiceTimes, replicas: int, seed: int) -> None:
        self._seconds = times.seconds()
        self._max_batch = times.max_batch
        self._spread = _spread(times.variation(), seed)
        self._waiting: list[deque[int]] = [deque() for _ in range(replicas)]
        self._free = [times.threads] * replicas
        self._in_flight = [0] * replicas
        self._ranked = [(0, replica, replica) for replica in range(replicas)]
        self._turn = replicas
        self.busy_s = 0.0
        self.batches = 0

    def arrive(self, call: int) -> tuple[int, list[int]] | None:
        """Give a call to a replica; the batch that begins with it, if a thread is free."""
        replica = self._least_busy()
        self._change(replica, 1)
        self._waiting[replica].append(call)
        return self.next_batch(replica)

    def next_batch(self, replica: int) -> tuple[int, list[int]] | None:
        """The batch that the replica begins now, if it has work and a free thread."""
        waiting = self._waiting[replica]
        if not waiting or not self._free[replica]:
            return None
        self._free[replica] -= 1
        return replica, [waiting.popleft() for _ in range(min(self._max_batch, len(waiting)))]

    def taken_s(self, size: int) -> float:
        """Seconds that a batch of this size takes this time."""
        taken = self._seconds[size - 1] * next(self._spread)
        self.busy_s += taken
        self.batches += 1
        return taken

    def release(self, replica: int, calls: int) -> None:
        """A batch is done."""
        self._free[replica] += 1
        self._change(replica, -calls)

    def _change(self, replica: int, by: int) -> None:
        self._in_flight[replica] += by
        self._turn += 1  # among equals, the one that has waited longest for a call
        heapq.heappush(self._ranked, (self._in_flight[replica], self._turn, replica))

    def _least_busy(self) -> int:
        while True:
            held, _, replica = heapq.heappop(self._ranked)
            if held == self._in_flight[replica]:  # else an entry from before a change
                return replica


def _start(
    done: list[tuple[float, int, int, list[int]]],
    pool: _Pool,
    now: float,
    replica: int,
    calls: list[int],
) -> None:
    heapq.heappush(done, (now + pool.taken_s(len(calls)), pool.batches, replica, calls))


def _finish(
    done: list[tuple[float, int, int, list[int]]],
    pool: _Pool,
    arrivals_s: FloatArray,
    latency: FloatArray,
) -> None:
    """The earliest batch ends; its replica begins the next one."""
    now, _, replica, calls = heapq.heappop(done)
    latency[calls] = now - arrivals_s[calls]
    pool.release(replica, len(calls))
    following = pool.next_batch(replica)
    if following is not None:
        _start(done, pool, now, *following)


def _spread(variation: float, seed: int) -> Iterator[float]:
    """Factors of mean 1 and this standard deviation."""
    generator = np.random.default_rng(seed)
    shape = 1 / variation**2 if variation > 1e-3 else 0.0
    while True:
        if not shape:
            yield from [1.0] * 4096
        else:
            yield from generator.gamma(shape, 1 / shape, 4096).tolist()
