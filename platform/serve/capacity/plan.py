"""How many replicas, GPUs and CPUs hold the latency for a given demand.

A photo is sent to every application at once (tagging, faces, …) and is answered when the last one
has. The demand is met at its peak: Poisson arrivals at the average rate times the peak factor.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from striate.core.errors import PlacementError, UsageError
from striate.serve.capacity.arrivals import FloatArray, poisson_arrivals
from striate.serve.capacity.service_times import ServiceTimes
from striate.serve.capacity.simulate import SimulationResult, simulate

SECONDS_A_DAY = 86_400
CALLS = 40_000
"""Simulated calls at least: 400 of them lie beyond the 99th percentile."""
DEADLINES = 20
"""Simulated time at least, in deadlines: a pool that is too small must have time to fill."""
WARM_UP = 0.1
"""Share of the calls that is left out: they find the pool empty."""
SLICE = 16
"""A large pool is simulated as a slice of it: this many replicas with their share of the calls.
Fewer replicas even out less, so a slice waits rather too long than too short."""
_FULLEST = 0.98  # above that, no run of calls is long enough to show how queues grow
_STEP = 1.04


@dataclass(frozen=True)
class Demand:
    """What is asked of the platform.

    Attributes:
        photos_per_day: on average.
        peak: the busiest time's rate over the average's.
        deadline_s: 99 of 100 photos are answered within.
    """

    photos_per_day: float
    peak: float = 1.0
    deadline_s: float = 2.0

    def __post_init__(self) -> None:
        known = map(math.isfinite, (self.photos_per_day, self.peak, self.deadline_s))
        least = self.photos_per_day > 0 and self.peak >= 1 and self.deadline_s > 0
        if not (least and all(known)):
            raise UsageError(
                "A demand needs photos a day above 0, a peak of 1 or more and a deadline above 0,"
                " none of them infinite."
            )

    @property
    def rate(self) -> float:
        """Photos a second at the peak."""
        return self.photos_per_day * self.peak / SECONDS_A_DAY


@dataclass(frozen=True)
class AppPlan:
    """One application's share of the plan.

    Attributes:
        app: its name.
        replicas: how many.
        gpus, cpus: that they hold together.
        load_share: the peak's rate over the most that they can answer.
        mean_batch: requests in a batch, at the peak.
        p99_ms: of this application's own calls.
    """

    app: str
    replicas: int
    gpus: float
    cpus: float
    load_share: float
    mean_batch: float
    p99_ms: float


@dataclass(frozen=True)
class Plan:
    """The smallest pools that hold the deadline.

    Attributes:
        demand: what was asked.
        apps: one entry an application.
        p50_ms, p99_ms: of whole photos.
        in_flight: photos in flight at the peak (Little's law).
        latency_s: simulated latencies of whole photos, ascending.
        curve: (replicas of all applications, p99 in ms) of what was tried, ascending.
    """

    demand: Demand
    apps: tuple[AppPlan, ...]
    p50_ms: float
    p99_ms: float
    in_flight: float
    latency_s: FloatArray
    curve: tuple[tuple[int, float], ...]


def plan(demand: Demand, services: Sequence[ServiceTimes], seed: int = 0) -> Plan:
    """The smallest pools, all equally full, whose p99 is within the deadline.

    Raises:
        PlacementError: one batch alone takes longer than the deadline, so no number will do.
    """
    if not services:
        raise UsageError("There is no application to plan for.", "Deploy one, or give --times.")
    for times in services:
        _refuse_hopeless(times, demand)
    tried: dict[tuple[int, ...], _Trial] = {}

    def trial(fullness: float) -> _Trial:
        sizes = tuple(_replicas(times, demand.rate, fullness) for times in services)
        if sizes not in tried:
            tried[sizes] = _try(demand, services, sizes, seed)
        return tried[sizes]

    best = _search(trial, demand.deadline_s)
    curve = sorted((sum(sizes), one.p99_s * 1000) for sizes, one in tried.items())
    return _plan(demand, services, best, tuple(curve))


def predict(
    rate: float, services: Sequence[ServiceTimes], replicas: Sequence[int], seed: int = 0
) -> Plan:
    """What given pools would do at a rate: the plan's own simulation, without the search."""
    demand = Demand(rate * SECONDS_A_DAY)
    best = _try(demand, services, tuple(replicas), seed)
    return _plan(demand, services, best, ((sum(replicas), best.p99_s * 1000),))


@dataclass(frozen=True)
class _Trial:
    sizes: tuple[int, ...]
    runs: tuple[SimulationResult, ...]
    photos_s: FloatArray

    @property
    def p99_s(self) -> float:
        return float(np.percentile(self.photos_s, 99))


def _try(
    demand: Demand, services: Sequence[ServiceTimes], sizes: tuple[int, ...], seed: int
) -> _Trial:
    """Simulate the pools, or the same slice of each where they are large."""
    share = min(1.0, SLICE / max(sizes))
    slices = [max(1, round(size * share)) for size in sizes]
    # The slices' own share: rounding must not make a pool emptier than it is.
    share = max(part / size for part, size in zip(slices, sizes, strict=True))
    rate = demand.rate * share
    arrivals = poisson_arrivals(rate, max(CALLS / rate, DEADLINES * demand.deadline_s), seed)
    runs = tuple(
        simulate(arrivals, times, part, seed + index)
        for index, (times, part) in enumerate(zip(services, slices, strict=True))
    )
    photos = np.max([run.latency_s for run in runs], axis=0)[int(WARM_UP * len(arrivals)) :]
    return _Trial(sizes, runs, photos)


def _search(trial: Callable[[float], _Trial], deadline_s: float) -> _Trial:
    """The fullest pools that hold the deadline, to within the step of the search."""
    fullness = _FULLEST
    found = trial(fullness)
    while found.p99_s > deadline_s:
        fullness /= _STEP
        found = trial(fullness)
        if fullness < 1e-4:
            raise PlacementError(
                "No number of replicas holds the deadline.", "Allow more time, or a faster pool."
            )
    return found


def _replicas(times: ServiceTimes, rate: float, fullness: float) -> int:
    return max(1, math.ceil(rate / (times.most_per_second() * fullness)))


def _refuse_hopeless(times: ServiceTimes, demand: Demand) -> None:
    fastest = times.seconds()[0] + times.overhead_s
    if fastest >= demand.deadline_s:
        raise PlacementError(
            f"One call alone takes {times.app} {fastest:.3g} s, over the deadline of"
            f" {demand.deadline_s:g} s.",
            "Use a faster pool or a smaller model, or allow more time.",
        )


def _plan(
    demand: Demand,
    services: Sequence[ServiceTimes],
    best: _Trial,
    curve: tuple[tuple[int, float], ...],
) -> Plan:
    apps = tuple(
        AppPlan(
            app=times.app,
            replicas=size,
            gpus=size * times.gpus,
            cpus=size * times.cpus,
            load_share=demand.rate / (size * times.most_per_second()),
            mean_batch=run.mean_batch,
            p99_ms=float(np.percentile(run.latency_s, 99)) * 1000,
        )
        for times, size, run in zip(services, best.sizes, best.runs, strict=True)
    )
    p50, p99 = (float(value) * 1000 for value in np.percentile(best.photos_s, (50, 99)))
    in_flight = demand.rate * float(best.photos_s.mean())
    return Plan(demand, apps, p50, p99, in_flight, np.sort(best.photos_s), curve)
