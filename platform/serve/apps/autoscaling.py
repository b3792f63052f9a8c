"""How many replicas an application needs, as a pure function of what its replicas report.

Calls go from the edge straight to the replicas, so that Serve's own count of requests stays at
nought; each replica reports its load instead (`record_autoscaling_stats`), and `LatencyPolicy`,
which Serve's controller runs, turns the reports into a number. How long a wish must last before it
is granted (at once upwards, slowly downwards) and the bounds are Serve's: `AutoscalingConfig`.

This module travels to the controller by value: it imports nothing of Striate.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

IN_FLIGHT = "in_flight"
LATENCY_S = "latency_s"
GROWTH = 2.0
"""One decision asks for at most this many times the replicas on account of latency."""


@dataclass(frozen=True)
class Load:
    """What one replica reports.

    Attributes:
        in_flight: calls that it is answering, those that wait for a batch included.
        latency_s: the 99th percentile of the calls that it answered lately; 0 when there were none.
    """

    in_flight: float
    latency_s: float


class ScalingContext(Protocol):
    """What this policy reads of `ray.serve.config.AutoscalingContext`."""

    @property
    def current_num_replicas(self) -> int: ...
    @property
    def target_num_replicas(self) -> int: ...
    @property
    def aggregated_metrics(self) -> Mapping[str, Mapping[Any, float]] | None: ...


def replicas_for(
    loads: Sequence[Load], replicas: int, target_in_flight: float, objective_s: float | None
) -> int:
    """How many replicas the load asks for.

    By load: so many that each has `target_in_flight` calls. By latency: in a queue the time in the
    system grows with the calls for each server (Little's law: calls = rate × time), so at a given
    rate, replicas × latency / objective of them bring the latency down to the objective, and fewer
    would lift it above. Where a replica has no more than one call, none waits, the latency is the
    model's own time, and further replicas would not shorten it.

    Args:
        loads: one for each replica that has reported.
        replicas: how many run, at least 1.
        target_in_flight: calls for each replica.
        objective_s: what the latency should stay under; None looks at the load alone.

    Returns:
        0 when nothing is in flight, else at least 1.
    """
    calls = sum(load.in_flight for load in loads)
    if calls <= 0:
        return 0
    by_load = math.ceil(calls / target_in_flight)
    if objective_s is None or calls <= replicas:
        return by_load
    latency_s = max(load.latency_s for load in loads)
    by_latency = math.ceil(replicas * min(latency_s / objective_s, GROWTH))
    return max(by_load, by_latency)


class LatencyPolicy:
    """Serve's autoscaling policy for replicas that report their load.

    Args:
        target_in_flight: calls for each replica.
        objective_s: what the latency should stay under, or None.
    """

    def __init__(self, target_in_flight: float, objective_s: float | None = None) -> None:
        self._target_in_flight = target_in_flight
        self._objective_s = objective_s

    def __call__(self, context: ScalingContext) -> tuple[int, dict[str, Any]]:
        """The number of replicas, and no state.

        While nobody reports (all replicas are starting, or none is there), the number stays.
        """
        loads = read_loads(context.aggregated_metrics or {})
        if not loads or not context.current_num_replicas:
            return context.target_num_replicas, {}
        replicas = context.current_num_replicas
        return replicas_for(loads, replicas, self._target_in_flight, self._objective_s), {}


def read_loads(metrics: Mapping[str, Mapping[Any, float]]) -> list[Load]:
    """The replicas' reports out of Serve's figures by name and replica."""
    latencies = metrics.get(LATENCY_S, {})
    in_flight = metrics.get(IN_FLIGHT, {})
    return [Load(calls, latencies.get(replica, 0.0)) for replica, calls in in_flight.items()]
