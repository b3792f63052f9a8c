"""Service times of deployed applications, out of their replicas' own metrics."""

import asyncio
from collections.abc import Sequence

import numpy as np

from striate.accelerators.placement.pools import parse_pool
from striate.core.errors import PlatformError
from striate.serve.capacity import metrics_scrape
from striate.serve.capacity.arrivals import poisson_arrivals
from striate.serve.capacity.load_calls import Calls, LoadTarget
from striate.serve.capacity.load_generator import LoadResult, run_closed_loop, run_open_loop
from striate.serve.capacity.service_times import ServiceTimes
from striate.serve.capacity.simulate import simulate
from striate.serve.common.limits import Batching
from striate.serve.edge.app_table import DeployedApp

FULL = 48
"""Calls in flight while it is found out how much fits through: batches are full then."""
LOADS = (0.3, 0.7)
"""Shares of that at which calls then come by chance, as they do in use: a replica that is never
idle computes a lone photo faster than one that a call wakes, and one whose server reads new calls
meanwhile computes slower."""
_FULL_SHARE, _LOAD_SHARES = 0.3, (0.4, 0.3)
_FEWEST_BATCHES = 30


def measure_service_times(
    target: LoadTarget, metrics: Sequence[str], photos: Sequence[bytes], seconds: float
) -> ServiceTimes:
    """Load an application for some seconds, and read how long its batches took.

    Args:
        target: whom to call.
        metrics: `host:port` of each replica's metrics.
        photos: encoded images to send.
        seconds: altogether; 0 takes what the replicas have measured since they came up, with the
            overhead left out, which only a caller can see.

    Raises:
        PlatformError: no replica tells, or there were too few batches.
    """
    if not seconds:
        return _times(target.app, metrics_scrape.counter_growth([], metrics_scrape.fetch(metrics)))
    before = metrics_scrape.fetch(metrics)
    most = asyncio.run(_full(target, photos, _FULL_SHARE * seconds))
    light, *_ = [
        asyncio.run(_by_chance(target, photos, load * most, share * seconds))
        for load, share in zip(LOADS, _LOAD_SHARES, strict=True)
    ]
    times = _times(target.app, metrics_scrape.counter_growth(before, metrics_scrape.fetch(metrics)))
    overhead_s = measure_overhead(light, times, len(metrics))
    return times.model_copy(update={"overhead_s": overhead_s})


async def _full(target: LoadTarget, photos: Sequence[bytes], seconds: float) -> float:
    """Answers a second with `FULL` callers."""
    async with Calls(target, photos) as call:
        await run_closed_loop(call, 1, 0.2)  # connects
        result = await run_closed_loop(call, FULL, seconds)
    if not result.answered.any():
        said = ", ".join(result.counts())
        raise PlatformError(f"{target.app.name} answers none of the calls: {said}.")
    return float(result.answered.sum() / seconds)


async def _by_chance(
    target: LoadTarget, photos: Sequence[bytes], rate: float, seconds: float
) -> LoadResult:
    """Calls that come at random, so many a second."""
    async with Calls(target, photos) as call:
        await run_closed_loop(call, 1, 0.2)  # connects
        return await run_open_loop(call, poisson_arrivals(rate, seconds, seed=0))


def measure_overhead(load: LoadResult, times: ServiceTimes, replicas: int) -> float:
    """Seconds that a call took beside its queue and batch: what the simulation leaves unexplained.

    By the medians, which a hiccup of the machine does not move.
    """
    answered = load.answered
    if not answered.any():
        return 0.0
    inside_s = simulate(load.due_s, times, replicas).latency_s
    return max(0.0, float(np.median(load.latency_s[answered]) - np.median(inside_s[answered])))


def _times(app: DeployedApp, grown: metrics_scrape.MetricSample) -> ServiceTimes:
    batches = metrics_scrape.batch_times(grown)
    if sum(times.count for times in batches.values()) < _FEWEST_BATCHES:
        raise PlatformError(
            f"The replicas of {app.name} have computed too few batches to tell their times.",
            "Measure for longer, or give a file with --times.",
        )
    batching = Batching(**app.arguments.get("batching", {}))
    kind = parse_pool(app.pool).kind if app.pool else None
    threads = 1 if kind == "chip" else batching.threads  # as `striate.serve.apps.factory.load`
    return ServiceTimes(
        app=app.name,
        batches=batches,
        max_batch=max(batching.max_size, *batches),
        threads=threads,
        gpus=1.0 if kind == "gpu" else 0.0,
        cpus=float(threads),
    )
