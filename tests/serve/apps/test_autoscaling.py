"""How many replicas a load asks for."""

import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.serve.apps.autoscaling import (
    GROWTH,
    IN_FLIGHT,
    LATENCY_S,
    LatencyPolicy,
    Load,
    replicas_for,
)

pytestmark = pytest.mark.unit

OBJECTIVE_S = 0.1
calls = st.floats(0, 500, allow_subnormal=False)  # half of the smallest number is none
loads = st.lists(st.builds(Load, calls, st.floats(0, 10)), min_size=1, max_size=12)
targets = st.floats(1, 64)


@given(loads, targets)
def test_every_replica_has_at_most_its_share(reports: list[Load], target: float) -> None:
    calls = sum(load.in_flight for load in reports)
    number = replicas_for(reports, len(reports), target, None)
    assert number * target >= calls
    assert (number - 1) * target < calls or number == 0


@given(loads, targets, st.floats(0, 500))
def test_more_load_never_asks_for_fewer(reports: list[Load], target: float, more: float) -> None:
    heavier = [Load(reports[0].in_flight + more, reports[0].latency_s), *reports[1:]]
    before, after = (replicas_for(r, len(r), target, OBJECTIVE_S) for r in (reports, heavier))
    assert after >= before


@given(loads, targets, st.floats(0, 10))
def test_more_latency_never_asks_for_fewer(reports: list[Load], target: float, more: float) -> None:
    slower = [Load(load.in_flight, load.latency_s + more) for load in reports]
    before, after = (replicas_for(r, len(r), target, OBJECTIVE_S) for r in (reports, slower))
    assert after >= before


@given(loads, targets)
def test_latency_over_the_objective_never_shrinks_a_queue(
    reports: list[Load], target: float
) -> None:
    replicas = len(reports)
    number = replicas_for(reports, replicas, target, OBJECTIVE_S)
    waiting = sum(load.in_flight for load in reports) > replicas
    if waiting and max(load.latency_s for load in reports) > OBJECTIVE_S:
        assert number > replicas
    by_load = replicas_for(reports, replicas, target, None)
    assert number <= max(by_load, math.ceil(GROWTH * replicas))


def test_a_slow_model_without_a_queue_is_not_multiplied() -> None:
    assert replicas_for([Load(1, 30.0)], 1, 8, OBJECTIVE_S) == 1


def test_nothing_in_flight_asks_for_none() -> None:
    assert replicas_for([Load(0, 0.05)] * 3, 3, 8, OBJECTIVE_S) == 0


def test_a_latency_well_under_the_objective_lets_replicas_go() -> None:
    assert replicas_for([Load(2, 0.02)] * 4, 4, 8, OBJECTIVE_S) == 1
    assert replicas_for([Load(2, 0.07)] * 4, 4, 8, OBJECTIVE_S) == 3


def test_the_policy_reads_serves_figures_and_stays_when_there_are_none() -> None:
    policy = LatencyPolicy(8, OBJECTIVE_S)
    silent = SimpleNamespace(current_num_replicas=2, target_num_replicas=3, aggregated_metrics={})
    assert policy(silent) == (3, {})
    metrics = {IN_FLIGHT: {"a": 40.0, "b": 8.0}, LATENCY_S: {"a": 0.01}}
    busy = SimpleNamespace(
        current_num_replicas=2, target_num_replicas=2, aggregated_metrics=metrics
    )
    assert policy(busy) == (6, {})
