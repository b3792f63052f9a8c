"""Whether a new version keeps the limits that were stated for it: a pure function of its calls."""

from pydantic import BaseModel, ConfigDict

from striate.core.numbers import Positive, Share
from striate.serve.observability.call_stats import CallStats

SLOW_SHARE = 0.01
"""A latency limit is one on the 99th percentile: so many calls may be slower."""
DOUBT = 0.01
"""A version is sent back before its time is up when one that keeps the limit would look as bad
less often than this."""


class Bounds(BaseModel):
    """What a new version must keep while it is watched.

    Attributes:
        max_error_rate: share of its calls that it may fail.
        max_latency_ms: what 99 of 100 calls must stay under in the replica; None sets no limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_error_rate: Share = 0.01
    max_latency_ms: Positive | None = None


def find_objection(stats: CallStats, bounds: Bounds, *, final: bool) -> str | None:
    """Why the version must not stay, or None.

    Args:
        stats: its calls while it was watched.
        bounds: what it must keep.
        final: whether its time is up: then the plain share decides. Before, only what chance
            does not explain does.
    """
    rate = bounds.max_error_rate
    if _over(stats.failed, stats.calls, rate, final):
        return f"it failed {stats.failed} of {stats.calls} calls; at most {rate:.2%} may fail"
    limit_ms = bounds.max_latency_ms
    if limit_ms is None:
        return None
    slow = stats.slower_than(limit_ms / 1000)
    if _over(slow, stats.calls, SLOW_SHARE, final):
        return (
            f"{slow} of {stats.calls} calls took longer than {limit_ms:g} ms;"
            f" at most {SLOW_SHARE:.0%} may"
        )
    return None


def _over(bad: int, calls: int, share: float, final: bool) -> bool:
    if bad <= share * calls:
        return False
    return final or binomial_tail(bad, calls, share) < DOUBT


def binomial_tail(bad: int, calls: int, share: float) -> float:
    """The chance of `bad` or more bad calls out of `calls`, each being bad with chance `share`."""
    from scipy.special import bdtrc  # a fifth of the seconds that importing scipy.stats takes

    return float(bdtrc(bad - 1, calls, share))
