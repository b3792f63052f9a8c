"""Striate's loop in Ray Train against a bare DDP script under `torchrun`.

Both sides have the same network (the single-tower AlexNet at a quarter of its width, on images of
127×127 pixels, global batches of 64), the same tensors in memory, bf16, one thread a process and
the same allocator settings; they stay warm and take turns in segments, whose medians are compared.
Striate's side reports every step's loss; start-up, evaluation and checkpoints are left out, for
the script has none.
"""

import json
import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness import Row
from turns import LIMIT_S, Plan, batches, wait_for

from striate.core import ray_private
from striate.core.errors import TrainingStopped
from striate.train.config import (
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    Recipe,
    ScalingConfig,
    ScheduleConfig,
)
from striate.train.launch.ray_train import KEEP_MEMORY
from striate.train.launch.worker import to_config
from striate.train.run.folder import Run, RunFolder
from striate.train.run.spec import RunSpec

HERE = Path(__file__).parent
CLASSES, FIELD, BATCH = 100, 127, 64
AT_LEAST = 0.97


class TurnStream:
    """What the loop takes for a stream: batches in memory, in turns."""

    wait_s = 0.0

    def __init__(self, plan: Plan, rank: int) -> None:
        self.damaged: dict[str, str] = {}
        self._batches = batches(plan, rank)

    def __next__(self) -> Any:
        try:
            return next(self._batches)
        except StopIteration:
            raise TrainingStopped("All segments are timed.") from None

    def close(self) -> None:
        """Nothing is open."""


def in_ray_train(config: dict[str, Any]) -> None:
    """What `striate train` runs in each worker, on a stream that takes turns."""
    from striate.train.launch import worker
    from striate.train.loop import train as loop

    plan = Plan(**config["plan"])
    opened: Any = loop
    opened.open_stream = lambda run, world, cursor: TurnStream(plan, world.rank)
    worker.run_worker(config)


def rows(folder: Path, quick: bool) -> list[Row]:
    """One row for each number of workers, on a Ray of this process's own."""
    import ray

    os.environ["PYTHONPATH"] = _search_path()  # Ray's workers import this file
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        return [_compare(folder, world, *((6, 3) if quick else (20, 13))) for world in (1, 2)]
    finally:
        ray.shutdown()


def _search_path() -> str:
    """This folder, and what this process was told of others."""
    told = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join(dict.fromkeys([str(HERE), *filter(None, told)]))


def _compare(folder: Path, world: int, steps: int, segments: int) -> Row:
    """Both sides warm, segments in turns, medians compared."""
    ours, peer = (
        Plan(side, str(folder), world, BATCH, FIELD, CLASSES, steps, segments, warm_up=5)
        for side in ("ours", "peer")
    )
    for plan in (ours, peer):
        plan.place.mkdir()
    with _ours(ours), _peer(peer):
        for plan in (ours, peer):
            wait_for(plan.place / "done-0")  # warm
        rates: dict[str, list[float]] = {"ours": [], "peer": []}
        for segment in range(segments):
            for plan in (ours, peer) if segment % 2 == 0 else (peer, ours):
                (plan.place / f"go-{segment}").touch()
                done = plan.place / f"done-{segment + 1}"
                wait_for(done)
                rates[plan.side].append(steps * BATCH / float(done.read_text()))
    return Row(
        f"loop in Ray Train, {world} worker{'s' * (world > 1)}: a bare torchrun DDP script",
        statistics.median(rates["ours"]),
        statistics.median(rates["peer"]),
        "images/s",
        AT_LEAST,
    )


@contextmanager
def _peer(plan: Plan) -> Iterator[None]:
    """The script under `torchrun`, with the allocator's settings that Striate's workers have.

    It has a session of its own, as what Ray starts has, lest the scheduler treat them differently.
    """
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*launcher, "--nproc-per-node", str(plan.world), str(HERE / "torchrun_peer.py")]
    environment = {**os.environ, **KEEP_MEMORY, "OMP_NUM_THREADS": "1"}
    with (plan.place / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, json.dumps(asdict(plan))],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield
            process.wait(LIMIT_S)
        finally:
            process.terminate()
            process.wait(LIMIT_S)


@contextmanager
def _ours(plan: Plan) -> Iterator[None]:
    """A Ray Train job, made as `striate.train.launch.ray_train` makes it."""
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    trainer = TorchTrainer(
        in_ray_train,
        train_loop_config={"plan": asdict(plan), **to_config(_run(plan))},
        torch_config=TorchConfig(backend="gloo"),
        scaling_config=ScalingConfig(num_workers=plan.world, resources_per_worker={"CPU": 1}),
        run_config=RunConfig(
            name="bench",
            storage_path=str(plan.place / "ray"),
            worker_runtime_env={"env_vars": {**KEEP_MEMORY, "PYTHONPATH": _search_path()}},
        ),
    )

    def fit() -> None:
        with ray_private.train_environment({}):
            trainer.fit()

    thread = threading.Thread(target=fit, daemon=True)
    thread.start()
    yield
    thread.join(LIMIT_S)


def _run(plan: Plan) -> Run:
    rows = BATCH * 1_000_000  # an end that is never reached
    spec = RunSpec(
        run_id="bench",
        tracking_uri="http://127.0.0.1:1",
        experiment_id="0",
        recipe=recipe(plan.world),
        shards="unused",
        manifest_sha256="",
        labels=tuple(str(label) for label in range(CLASSES)),
        train_rows=rows,
        created_unix_s=0.0,
    )
    return Run(spec, RunFolder(plan.place / "run"))


def recipe(workers: int) -> Recipe:
    """What the script does as well, as a recipe."""
    never = 1_000_000_000
    return Recipe(
        name="bench",
        model=ModelConfig(
            name="alexnet_one_tower", arguments={"classes": CLASSES, "field": FIELD, "width": 0.25}
        ),
        data=DataConfig(corpus="digits"),
        optimizer=OptimizerConfig(lr=0.01, momentum=0.9, weight_decay=5e-4, decay_biases=True),
        schedule=ScheduleConfig(name="constant"),
        scaling=ScalingConfig(workers=workers),
        checkpoint={"every_steps": never},
        batch_size=BATCH,
        epochs=1,
        precision="bf16",
        channels_last=True,
    )
