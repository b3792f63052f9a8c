"""Percentiles of latencies that were counted in buckets."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.serve.common.latency import LatencyHistogram
from striate.serve.observability.metrics import SECONDS

pytestmark = pytest.mark.unit
BOUNDS_S = (*SECONDS, math.inf)
latencies = st.lists(st.floats(0.0001, 20), min_size=1, max_size=60)
shares = st.floats(0, 1)


def cumulative(values: list[float]) -> dict[float, float]:
    """By each bound, as Prometheus has it."""
    return {bound: float(sum(value <= bound for value in values)) for bound in BOUNDS_S}


def exact(values: list[float], share: float) -> float:
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


@given(latencies, shares)
def test_a_percentile_lies_in_the_bucket_of_the_true_one(values: list[float], share: float) -> None:
    found = LatencyHistogram.from_cumulative(cumulative(values)).percentile_s(share)
    true = exact(values, share)
    above = min(bound for bound in BOUNDS_S if true <= bound)
    below = max([0.0, *(bound for bound in BOUNDS_S if bound < true)])
    assert found is not None
    assert below - 1e-9 <= found <= above + 1e-9


@given(latencies, shares)
def test_the_bound_of_a_percentile_is_never_under_it(values: list[float], share: float) -> None:
    histogram = LatencyHistogram.from_cumulative(cumulative(values))
    bound_s, found_s = histogram.percentile_bound_s(share), histogram.percentile_s(share)
    assert bound_s in SECONDS
    assert found_s is not None and bound_s is not None and found_s <= bound_s + 1e-9
    assert bound_s >= min(exact(values, share), SECONDS[-1])


@given(latencies, st.sampled_from(SECONDS))
def test_latencies_above_a_bound_are_counted_exactly(values: list[float], bound: float) -> None:
    histogram = LatencyHistogram.from_cumulative(cumulative(values))
    assert histogram.count_above(bound) == sum(value > bound for value in values)


@pytest.mark.parametrize("counts", [{}, {1.0: 0.0, math.inf: 0.0}])
def test_without_latencies_there_is_no_percentile(counts: dict[float, float]) -> None:
    histogram = LatencyHistogram.from_cumulative(counts)
    assert histogram.percentile_s(0.5) is None
    assert histogram.percentile_bound_s(0.5) is None


@pytest.mark.parametrize(("share", "bound_s"), [(0.5, 0.001), (0.51, 0.5), (1.0, 0.5)])
def test_a_share_that_a_bucket_fills_exactly_is_still_of_that_bucket(
    share: float, bound_s: float
) -> None:
    histogram = LatencyHistogram.from_cumulative(cumulative([0.001, 0.4]))
    assert histogram.percentile_bound_s(share) == bound_s
