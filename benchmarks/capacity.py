"""What `striate plan` predicts against a real load on the same machine.

One replica of the tagger (the small VGG of `serve.py`) that computes one batch at a time is
measured behind an edge as `striate plan` does it; the second core is for edge, server and callers,
so that they do not take from what is measured. Then its latency is predicted for Poisson arrivals
at three rates below saturation, and the same arrivals are really sent. The machine's speed drifts
by a third within minutes, so that each prediction is measured for anew, right before. A row's
ratio is the smaller of the two medians over the larger: 1 is a perfect prediction, and 0.87 is one
that is 15 % off.
"""

import asyncio
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from harness import Row, main
from serve import write_tagger
from serve_sides import SPAWN, free_port

from striate.serve.common.limits import Batching

if TYPE_CHECKING:
    from striate.serve.capacity.load_calls import LoadTarget

LOADS = (0.3, 0.5, 0.7)
AGREEMENT = 1 / 1.15
ONE = Batching(threads=1)


Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def measure(quick: bool) -> list[Row]:
    """Median, mean and 99th percentile at each load."""
    from striate.serve.capacity.arrivals import poisson_arrivals
    from striate.serve.capacity.load_calls import Calls, LoadTarget, sample_photo
    from striate.serve.capacity.load_generator import LoadResult, run_open_loop
    from striate.serve.capacity.measure import measure_service_times
    from striate.serve.capacity.simulate import simulate

    measuring, seconds, rounds = (2.5, 3.0, 2) if quick else (8.0, 10.0, 7)
    photos = [sample_photo()]
    found: dict[tuple[float, str], list[tuple[float, float, float]]] = {}

    async def real(due_s: np.ndarray, of: LoadTarget) -> LoadResult:
        async with Calls(of, photos) as call:
            for _ in range(8):
                await call()  # connects
            return await run_open_loop(call, due_s)

    with tempfile.TemporaryDirectory(prefix="st-") as scratch, _replica(Path(scratch)) as served:
        target, metrics = served
        for seed in range(rounds):
            for load in LOADS:
                times = measure_service_times(target, [metrics], photos, measuring)
                rate = load * times.most_per_second()
                due_s = poisson_arrivals(rate, seconds, seed + 1)  # the measuring drew from seed 0
                said = simulate(due_s, times, 1, seed).latency_s
                result = asyncio.run(real(due_s, target))
                assert result.answered.all(), result.counts()
                for name, figure in _FIGURES.items():
                    figures = (rate, figure(said), figure(result.latency_s))
                    found.setdefault((load, name), []).append(figures)
    return [_row(load, name, figures) for (load, name), figures in found.items()]


_FIGURES: dict[str, Callable[[Floats], float]] = {
    "p50": lambda latency: float(np.percentile(latency, 50)),
    "mean": lambda latency: float(np.mean(latency)),
    "p99": lambda latency: float(np.percentile(latency, 99)),
}


def _row(load: float, name: str, rounds: list[tuple[float, float, float]]) -> Row:
    rate, predicted_s, real_s = (statistics.median(column) for column in zip(*rounds, strict=True))
    title = (
        f"{name} at {load:.0%} of saturation ({rate:.0f}/s):"
        f" predicted {1000 * predicted_s:.1f} ms, real {1000 * real_s:.1f} ms"
    )
    small, large = sorted((1000 * predicted_s, 1000 * real_s))
    return Row(title, small, large, "ms", AGREEMENT)


@contextmanager
def _replica(folder: Path) -> Iterator[tuple["LoadTarget", str]]:
    """One server in a process of its own behind an edge; the target, and where its metrics are."""
    from striate.serve.capacity.load_calls import LoadTarget
    from striate.serve.edge import control
    from striate.serve.edge.app_table import AppTable, DeployedApp, write_table

    bundle = write_tagger(folder / "bundle")
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_serve, args=(bundle, theirs))
    process.start()
    address, metrics = ours.recv()
    app = DeployedApp(
        name="tagger", app="photos", serve_name="tagger", addresses=(address,),
        services=("striate.v1.PhotoTagging",), model_uri="", model="tagger", version="1",
        deployed_unix_s=0, arguments={"batching": ONE.model_dump()},
    )  # fmt: skip
    (folder / "edge").mkdir()
    write_table(folder / "edge", AppTable(apps=(app,)))
    port = free_port()
    control.start(folder / "edge", "127.0.0.1", port)
    try:
        yield LoadTarget(f"127.0.0.1:{port}", app, connections=2), metrics
    finally:
        control.stop(folder / "edge")
        ours.send("end")
        process.join(30)


def _serve(bundle: Path, pipe: Connection) -> None:
    """What a replica runs, without Ray around it."""
    import torch

    from striate.core.bundle import Bundle
    from striate.serve.apps.factory import load
    from striate.serve.common.limits import Limits
    from striate.serve.observability.metrics import Endpoint, MetricsObserver
    from striate.serve.server.server import ModelServer
    from striate.serve.services.tagging import PhotoTagging

    torch.set_num_threads(1)
    loaded = load(Bundle.open(bundle), ("tagger", "1"), batching=ONE)
    metrics = MetricsObserver("tagger")
    server = ModelServer([PhotoTagging(loaded.tagger(), Limits())], observer=metrics)
    server.own_process()
    endpoint = Endpoint(metrics, "127.0.0.1")
    pipe.send((server.address, endpoint.address))
    pipe.recv()
    server.stop(1)
    endpoint.close()


if __name__ == "__main__":
    main(measure, __doc__ or "", "two rounds of three seconds, measured for in two and a half")
