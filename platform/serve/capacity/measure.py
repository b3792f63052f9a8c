"""Service times of deployed applications, out of their replicas' own metrics."""

import asyncio
from collections.abc import Sequence

import numpy as np

from striate.core.errors import PlatformError
from striate.serve import watch
from striate.serve.capacity.times import ServiceTimes
from striate.serve.limits import Batching
from striate.serve.load import closed_loop
from striate.serve.load_calls import Calls, Target
from striate.serve.table import DeployedApp

CALLERS = (1, 4, 16, 48)
"""Calls in flight while measuring: from a lone caller to batches that are full."""
_SOLO_SHARE = 0.3
_FEWEST_BATCHES = 30


def measured(
    target: Target, metrics: Sequence[str], photos: Sequence[bytes], seconds: float
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
        return _times(target.app, watch.growth([], watch.fetch(metrics)), 0.0)
    before = watch.fetch(metrics)
    alone_s = asyncio.run(_alone(target, photos, _SOLO_SHARE * seconds))
    between = watch.fetch(metrics)
    solo = watch.batch_times(watch.growth(before, between))
    asyncio.run(_together(target, photos, (1 - _SOLO_SHARE) * seconds))
    grown = watch.growth(before, watch.fetch(metrics))
    computed_s = solo[1].mean_s if 1 in solo else 0.0
    return _times(target.app, grown, max(0.0, alone_s - computed_s))


async def _alone(target: Target, photos: Sequence[bytes], seconds: float) -> float:
    """Median latency of a lone caller."""
    async with Calls(target, photos) as call:
        await closed_loop(call, 1, 0.2)  # connects
        result = await closed_loop(call, 1, seconds)
    if not result.answered.any():
        said = ", ".join(result.counts())
        raise PlatformError(f"{target.app.name} answers none of the calls: {said}.")
    return float(np.median(result.latency_s[result.answered]))


async def _together(target: Target, photos: Sequence[bytes], seconds: float) -> None:
    async with Calls(target, photos) as call:
        for callers in CALLERS[1:]:
            await closed_loop(call, callers, seconds / len(CALLERS[1:]))


def _times(app: DeployedApp, grown: watch.Sample, overhead_s: float) -> ServiceTimes:
    batches = watch.batch_times(grown)
    if sum(times.count for times in batches.values()) < _FEWEST_BATCHES:
        raise PlatformError(
            f"The replicas of {app.name} have computed too few batches to tell their times.",
            "Measure for longer, or give a file with --times.",
        )
    batching = Batching(**app.arguments.get("batching", {}))
    return ServiceTimes(
        app=app.name,
        batches=batches,
        max_batch=max(batching.max_size, *batches),
        threads=batching.threads,
        overhead_s=overhead_s,
        gpus=1.0 if app.pool == "gpu" else 0.0,
        cpus=float(batching.threads),
    )
