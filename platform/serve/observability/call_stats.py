"""What a replica counts of its own calls: how many, how many it failed, and how long they took.

Latencies are kept in buckets whose bounds grow by a fifth, so that a percentile is known to within
a fifth at a cost that does not grow with the calls. The stats of several replicas add up; the
difference of one replica's at two times is what happened between them.
"""

import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from typing import Self

from pydantic import BaseModel, ConfigDict

from striate.serve.common.latency import LatencyHistogram
from striate.serve.common.status import SERVER_FAULTS

FIRST_S = 0.0005
GROWTH = 1.2
BOUNDS_S = tuple(FIRST_S * GROWTH**i for i in range(72))
"""Upper bounds of the buckets, from half a millisecond to about 200 s; one more takes the rest."""


class CallStats(BaseModel):
    """Calls of one replica, or of several.

    Attributes:
        calls: calls that ended, and messages of streams that were answered.
        failed: those that ended with a status in `SERVER_FAULTS`.
        buckets: calls by latency, streams left out; as many as `BOUNDS_S`, and one for what is
            slower.
    """

    model_config = ConfigDict(frozen=True)

    calls: int = 0
    failed: int = 0
    buckets: tuple[int, ...] = (0,) * (len(BOUNDS_S) + 1)

    def __add__(self, other: Self) -> Self:
        return self._with(other, 1)

    def since(self, earlier: Self) -> Self:
        """What happened after `earlier`, the stats of the same replica."""
        return self._with(earlier, -1)

    def slower_than(self, seconds: float) -> int:
        """Calls that took longer; those in the bucket that holds `seconds` do not count."""
        return int(self._latency.count_above(seconds))

    def percentile_s(self, share: float) -> float:
        """The upper bound of the bucket that holds the percentile; 0 without calls.

        Args:
            share: for example 0.99.
        """
        return self._latency.percentile_bound_s(share) or 0.0

    @property
    def _latency(self) -> LatencyHistogram:
        return LatencyHistogram(BOUNDS_S, self.buckets)

    def _with(self, other: Self, sign: int) -> Self:
        buckets = (a + sign * b for a, b in zip(self.buckets, other.buckets, strict=True))
        return type(self)(
            calls=self.calls + sign * other.calls,
            failed=self.failed + sign * other.failed,
            buckets=tuple(buckets),
        )


def total(stats: Iterable[CallStats]) -> CallStats:
    """The sum over replicas."""
    return sum(stats, CallStats())


class Counter:
    """An observer of a `striate.serve.server.server.ModelServer` that counts calls.

    Args:
        recent_s: how far back `recent` looks.

    Attributes:
        answered_well: calls, and messages of streams, that ended with ``OK``.
    """

    def __init__(self, recent_s: float = 5.0) -> None:
        self._recent_s = recent_s
        self._lock = threading.Lock()
        self._calls = self._failed = 0
        self.answered_well = 0
        self._buckets = [0] * (len(BOUNDS_S) + 1)
        self._streams: set[tuple[str, str]] = set()
        self._marks: deque[tuple[float, CallStats]] = deque([(time.monotonic(), CallStats())])

    def record_call(
        self, service: str, method: str, code: str, seconds: float, model: str, version: str
    ) -> None:
        """A call ended; how long a stream stayed open says nothing of the model."""
        stream = (service, method) in self._streams
        bucket = None if stream else bisect_left(BOUNDS_S, seconds)
        with self._lock:
            self._calls += 1
            self._failed += code in SERVER_FAULTS
            self.answered_well += code == "OK"
            if bucket is not None:
                self._buckets[bucket] += 1

    def record_message(
        self, service: str, method: str, code: str, model: str, version: str
    ) -> None:
        """A message of a stream was answered: it counts as a call."""
        self._streams.add((service, method))
        with self._lock:
            self._calls += 1
            self._failed += code in SERVER_FAULTS
            self.answered_well += code == "OK"

    def record_batch(self, size: int, queue_seconds: float, compute_seconds: float) -> None:
        """Batches are not counted here."""

    def record_refusal(self, reason: str) -> None:
        """Refusals are counted by their status."""

    def record_event(self, hook: str, outcome: str, count: int) -> None:
        """Events for webhooks are no calls."""

    def count(self) -> CallStats:
        """Everything since the start."""
        with self._lock:
            buckets = tuple(self._buckets)
            return CallStats.model_construct(
                calls=self._calls, failed=self._failed, buckets=buckets
            )

    def recent(self) -> CallStats:
        """The last seconds; call it about once a second."""
        now_s, stats = time.monotonic(), self.count()
        self._marks.append((now_s, stats))
        while len(self._marks) > 2 and self._marks[1][0] <= now_s - self._recent_s:
            self._marks.popleft()
        return stats.since(self._marks[0][1])
