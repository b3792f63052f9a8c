"""Steps a second of Striate's loop against bare PyTorch with the same model and batches.

One worker: the loop inside a Ray Train worker against a bare loop in a plain process. Two workers:
the same against two plain processes under DDP and gloo. Both sides read the same stream with one
thread each and the same allocator settings, stay warm, and take turns in segments, of which the
medians are compared. Start-up, evaluation and checkpoints are left out, for the bare loop has
none; reports (every step's loss, summed over workers and written to the spool) are in.
"""

import logging
import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from harness import Row, main

from striate.data.ingest import ingest
from striate.data.stream import Batch, Stream

RECIPE = "lenet5-digits"
WARM_UP_STEPS = 40
LIMIT_S = 120.0


@dataclass(frozen=True)
class Plan:
    """What one side does: `segments` segments of `steps` steps in `world` processes."""

    side: str
    folder: str
    shards: str
    world: int
    steps: int
    segments: int

    @property
    def place(self) -> Path:
        """The folder through which this side is told to go and says that it is done."""
        return Path(self.folder) / f"{self.side}-{self.world}"

    @property
    def total_steps(self) -> int:
        """All steps, and one more, after which nothing is timed."""
        return WARM_UP_STEPS + self.steps * self.segments + 1


class TurnStream(Stream):
    """A stream that stops before each segment until it is told to go, and times the segment."""

    plan: Plan
    taken = 0
    began = 0.0

    def __next__(self) -> Batch:
        into, within = divmod(self.taken - WARM_UP_STEPS, self.plan.steps)
        if within == 0 and into >= 0:
            self._turn(into)
        self.taken += 1
        return super().__next__()

    def _turn(self, segment: int) -> None:
        """The steps of segment - 1 are done; wait for the next segment's turn."""
        place, seconds = self.plan.place, time.perf_counter() - self.began
        if self.rank == 0:
            done = place / f"{self.rank}-{segment}.tmp"
            done.write_text(str(seconds))
            done.rename(place / f"done-{segment}")
        if segment < self.plan.segments:
            wait_for(place / f"go-{segment}")
        self.began = time.perf_counter()


def stream_of(plan: Plan, rank: int) -> TurnStream:
    """The stream that both sides read."""
    from striate.train.recipe import resolve

    recipe = resolve(RECIPE)
    stream = TurnStream(
        plan.shards,
        "train",
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        rank=rank,
        world=plan.world,
        augment=recipe.data.augment,
        preprocessing=recipe.data.preprocessing,
        threads=recipe.data.threads,
        prefetch=recipe.data.prefetch,
    )
    stream.plan = plan
    return stream


def bare(plan: Plan, rank: int) -> None:
    """The peer: what one writes by hand for one model, with nothing around it."""
    from striate.core.bundle import Architecture
    from striate.models import build
    from striate.train.optimize import build_optimizer
    from striate.train.recipe import resolve
    from striate.train.tasks import TASKS

    torch.set_num_threads(1)
    recipe = resolve(RECIPE)
    torch.manual_seed(recipe.seed)
    network = build(Architecture(name=recipe.model.name))
    optimizer = build_optimizer(network, recipe.optimizer)
    task = TASKS[recipe.task.name](recipe.task, 10)
    if plan.world > 1:
        meeting = f"file://{plan.place}/meeting"
        dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=plan.world)
        network = torch.nn.parallel.DistributedDataParallel(network)
    stream = stream_of(plan, rank)
    for _ in range(plan.total_steps):
        batch = next(stream)
        loss = task.loss(network(batch.images), batch) / len(batch.labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()


def in_ray_train(config: dict[str, Any]) -> None:
    """Ours: what `striate train` runs in each worker, on the stream that takes turns."""
    from striate.train import loop, workers

    plan = Plan(**config["plan"])
    opened: Any = loop
    opened.open_stream = lambda run, place, cursor: stream_of(plan, place.rank)
    workers.work(config)


def start_peer(plan: Plan) -> None:
    """Start the plain processes, with the allocator's settings that Striate's workers have."""
    from striate.train.on_ray import KEEP_MEMORY

    os.environ.update(KEEP_MEMORY)
    context = multiprocessing.get_context("spawn")
    for rank in range(plan.world):
        context.Process(target=bare, args=(plan, rank), daemon=True).start()


def start_ours(plan: Plan) -> threading.Thread:
    """Start a Ray Train job, as `striate.train.workers` does."""
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    from striate.train.on_ray import KEEP_MEMORY, ray_train_environment

    trainer = TorchTrainer(
        in_ray_train,
        train_loop_config={"plan": asdict(plan), "assignment": _assignment(plan)},
        torch_config=TorchConfig(backend="gloo"),
        scaling_config=ScalingConfig(num_workers=plan.world, resources_per_worker={"CPU": 1}),
        run_config=RunConfig(
            name="bench",
            storage_path=str(plan.place / "ray"),
            worker_runtime_env={"env_vars": KEEP_MEMORY},
        ),
    )

    def fit() -> None:
        with ray_train_environment({}):
            trainer.fit()

    thread = threading.Thread(target=fit, daemon=True)
    thread.start()
    return thread


def _assignment(plan: Plan) -> str:
    from striate.data.manifest import Manifest
    from striate.train.assignment import Assignment
    from striate.train.recipe import resolve

    manifest = Manifest.load(plan.shards)
    rows, never = manifest.rows("train"), 1_000_000
    recipe = resolve(RECIPE)
    epochs = plan.total_steps * recipe.batch_size / rows
    settings = (f"epochs={epochs}", f"scaling.workers={plan.world}")
    recipe = resolve(
        RECIPE,
        [*settings, f"evaluate_every_epochs={never}", f"checkpoint.every_steps={never}"],
    )
    return Assignment(
        run_id="bench",
        tracking_uri="http://127.0.0.1:1",
        experiment_id="0",
        recipe=recipe,
        shards=Path(plan.shards),
        manifest_sha256=manifest.sha256,
        labels=manifest.labels,
        train_rows=rows,
        folder=plan.place / "run",
        created_unix_s=0.0,
    ).model_dump_json()


def compare(folder: Path, shards: Path, world: int, steps: int, segments: int) -> Row:
    """One row: both sides warm, segments in turns, medians compared."""
    ours, peer = (
        Plan(side, str(folder), str(shards), world, steps, segments) for side in ("ours", "peer")
    )
    for plan in (ours, peer):
        plan.place.mkdir()
    job = start_ours(ours)
    start_peer(peer)
    for plan in (ours, peer):
        wait_for(plan.place / "done-0")  # warm
    rates: dict[str, list[float]] = {"ours": [], "peer": []}
    for segment in range(segments):
        for plan in (ours, peer) if segment % 2 == 0 else (peer, ours):
            (plan.place / f"go-{segment}").touch()
            done = plan.place / f"done-{segment + 1}"
            wait_for(done)
            rates[plan.side].append(steps / float(done.read_text()))
    job.join(LIMIT_S)
    against = "a bare loop" if world == 1 else "bare two-process DDP"
    return Row(
        f"{RECIPE}: {world} Ray Train worker{'s' * (world > 1)}, {against}",
        statistics.median(rates["ours"]),
        statistics.median(rates["peer"]),
        "steps/s",
        at_least=0.95 if world == 1 else 0.90,
    )


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    deadline = time.monotonic() + LIMIT_S
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path.name} did not come within {LIMIT_S:.0f} s")
        time.sleep(0.01)


def measure(quick: bool) -> list[Row]:
    """One row for each number of workers, on a Ray of this process's own."""
    import ray

    steps, segments = (30, 5) if quick else (100, 13)
    with tempfile.TemporaryDirectory(prefix="st-") as temporary:
        folder = Path(temporary)
        ingest("digits", folder / "idx", folder / "shards", workers=1)
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        ray.init(address="local", num_cpus=2, include_dashboard=False, **quiet)
        try:
            return [compare(folder, folder / "shards", w, steps, segments) for w in (1, 2)]
        finally:
            ray.shutdown()


if __name__ == "__main__":
    main(measure, "Steps a second of Striate's loop against bare PyTorch.")
