"""Latencies counted in buckets: what replicas count, and what is read of their metrics."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Self


@dataclass(frozen=True)
class LatencyHistogram:
    """So many latencies in each bucket, which holds what is above the bound before, up to its own.

    Attributes:
        bounds_s: upper bounds in seconds, ascending.
        counts: of each bucket, and of what is above the last bound: one more than the bounds.
    """

    bounds_s: Sequence[float]
    counts: Sequence[float]

    @classmethod
    def from_cumulative(cls, counts: Mapping[float, float]) -> Self:
        """From Prometheus' form.

        Args:
            counts: by a bound in seconds, latencies up to it; by infinity, all of them.
        """
        bounds_s = sorted(counts)
        up_to = [0.0, *(counts[bound_s] for bound_s in bounds_s)]
        return cls(bounds_s[:-1], [above - below for below, above in pairwise(up_to)])

    def count_above(self, seconds: float) -> float:
        """Latencies above `seconds`; those in the bucket that holds it do not count."""
        return sum(self.counts[bisect_left(self.bounds_s, seconds) + 1 :])

    def percentile_s(self, share: float) -> float | None:
        """What `share` of the latencies stay under, linear within a bucket.

        Args:
            share: from 0 to 1, for example 0.99.

        Returns:
            None without latencies; the last bound for what is above it.
        """
        if (found := self._rank(share)) is None:
            return None
        index, part = found
        low_s = self.bounds_s[index - 1] if index else 0.0
        high_s = self.bounds_s[index] if index < len(self.bounds_s) else low_s
        return low_s + (high_s - low_s) * part

    def percentile_bound_s(self, share: float) -> float | None:
        """The bound of the bucket that holds `percentile_s`: at least so many stay under it."""
        found = self._rank(share)
        return None if found is None else self.bounds_s[min(found[0], len(self.bounds_s) - 1)]

    def _rank(self, share: float) -> tuple[int, float] | None:
        """The bucket that holds a percentile, and how much of that bucket lies below it."""
        up_to = list(accumulate(self.counts, initial=0.0))
        wanted = share * up_to[-1]
        for index, (below, above) in enumerate(pairwise(up_to)):
            if above > below and above >= wanted:
                return index, (wanted - below) / (above - below)
        return None
