"""What a replica counts, and when a new version is sent back for it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.serve.deployment.canary_analysis import DOUBT, Bounds, binomial_tail, find_objection
from striate.serve.observability.call_stats import BOUNDS_S, CallStats, Counter, total

pytestmark = pytest.mark.unit
seconds = st.floats(0, 1000)


def counted(*calls: tuple[str, float]) -> CallStats:
    counter = Counter()
    for code, took_s in calls:
        counter.record_call("s", "M", code, took_s, "m", "1")
    return counter.count()


@given(st.lists(seconds, min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_known_to_within_a_bucket(latencies: list[float], share: float) -> None:
    stats = counted(*(("OK", took_s) for took_s in latencies))
    exact = sorted(latencies)[math.ceil(share * len(latencies)) - 1]
    found = stats.percentile_s(share)
    assert found >= min(exact, BOUNDS_S[-1])
    assert found <= max(exact * 1.2000001, BOUNDS_S[0])


@given(st.lists(seconds), st.lists(seconds), seconds)
def test_tallies_add_up_and_come_apart(first: list[float], then: list[float], limit: float) -> None:
    a, b = (counted(*(("OK", took_s) for took_s in part)) for part in (first, then))
    both = total([a, b])
    assert both == counted(*(("OK", took_s) for took_s in [*first, *then]))
    assert both.since(a) == b
    assert both.slower_than(limit) <= sum(took_s > limit for took_s in [*first, *then])


def test_only_the_servers_own_failures_count() -> None:
    codes = ("OK", "INTERNAL", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "CANCELLED", "UNAVAILABLE")
    stats = counted(*((code, 0.01) for code in codes))
    assert (stats.calls, stats.failed) == (6, 2)


def test_a_stream_counts_by_its_messages_and_not_by_its_life() -> None:
    counter = Counter()
    for code in ("OK", "OK", "INTERNAL"):
        counter.record_message("s", "Stream", code, "m", "1")
    counter.record_call("s", "Stream", "OK", 600.0, "m", "1")
    stats = counter.count()
    assert (stats.calls, stats.failed, stats.slower_than(1)) == (4, 1, 0)


def test_the_recent_past_forgets() -> None:
    counter = Counter(recent_s=0.0)
    counter.record_call("s", "M", "OK", 1.0, "m", "1")
    assert counter.recent().calls == 1
    assert counter.recent().calls == 0


@given(st.integers(1, 60), st.floats(0.01, 0.5))
def test_the_chance_is_that_of_the_binomial_distribution(calls: int, share: float) -> None:
    for bad in range(calls + 1):
        exact = sum(
            math.comb(calls, k) * share**k * (1 - share) ** (calls - k)
            for k in range(bad, calls + 1)
        )
        assert binomial_tail(bad, calls, share) == pytest.approx(exact, abs=1e-9)


@given(st.integers(0, 3000), st.integers(0, 50))
def test_a_version_within_its_limit_is_never_sent_back(calls: int, failed: int) -> None:
    stats = CallStats(calls=calls, failed=min(failed, calls // 100))
    for final in (False, True):
        assert find_objection(stats, Bounds(max_error_rate=0.01), final=final) is None


def test_one_unlucky_call_is_no_reason_and_many_are_at_once() -> None:
    bounds = Bounds(max_error_rate=0.01)
    assert find_objection(CallStats(calls=5, failed=1), bounds, final=False) is None
    assert binomial_tail(1, 5, 0.01) > DOUBT
    said = find_objection(CallStats(calls=5, failed=3), bounds, final=False)
    assert said is not None
    assert "failed 3 of 5 calls" in said
    assert find_objection(CallStats(calls=5, failed=1), bounds, final=True) is not None


def test_a_latency_limit_is_one_on_the_99th_percentile() -> None:
    bounds = Bounds(max_latency_ms=50)
    quick, slow = ("OK", 0.01), ("OK", 0.5)
    assert find_objection(counted(*[quick] * 99, slow), bounds, final=True) is None
    said = find_objection(counted(*[quick] * 90, *[slow] * 10), bounds, final=False)
    assert said is not None
    assert "longer than 50 ms" in said
