"""A run's loop in one process: this one, or a Ray Train worker that may be started again."""

import json
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from striate.core.errors import StriateError, TrainingStopped
from striate.core.files import write_atomic
from striate.train.checkpoint.retry import retry_until
from striate.train.distributed.world import World
from striate.train.loop.train import train
from striate.train.run import startup_times
from striate.train.run.folder import Run, RunFolder
from striate.train.run.spec import RunSpec
from striate.train.run.stop_requests import REQUESTS
from striate.train.tracking.system_metrics import sample_node

_BEHIND_SERVING = 10  # niceness: training may wait where it shares cores with replicas, callers not


def train_here(run: Run) -> None:
    """Train in this process, without Ray, with as many threads as a worker would have."""
    scaling = run.spec.recipe.scaling
    device = torch.device("cuda" if scaling.gpu else "cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(scaling.cpus_per_worker)
    REQUESTS.begin()
    try:
        with sample_node(run):
            train(run, World(device=device))
    finally:
        REQUESTS.end()
        torch.set_num_threads(threads)


def to_config(run: Run) -> dict[str, str]:
    """A run as `run_worker` takes it."""
    return {"spec": run.spec.model_dump_json(), "folder": str(run.folder.path)}


def run_worker(config: dict[str, Any]) -> None:
    """What each Ray Train worker runs, at the start and again after a restart."""
    import ray.train
    from ray.train.torch import get_device

    run = _from_config(config)
    if run.folder.failure.is_file():
        return  # a restart cannot help: the driver reads why
    os.nice(max(0, _BEHIND_SERVING - os.nice(0)))
    torch.set_num_threads(run.spec.recipe.scaling.cpus_per_worker)
    context = ray.train.get_context()
    world = World(context.get_world_rank(), context.get_world_size(), get_device())
    if world.first:
        startup_times.mark(run.folder.path, "loop")
    # One worker of a node samples it for all.
    sampled = sample_node(run) if context.get_local_rank() == 0 else nullcontext()
    REQUESTS.begin()
    try:
        with sampled:
            train(run, world)
    except TrainingStopped:
        return  # as it was asked to; the driver or the controller goes on
    except StriateError as error:
        _write_failure(run, error)
        raise  # so that the other workers, which wait for this one, are ended too
    finally:
        REQUESTS.end()


def _from_config(config: dict[str, Any]) -> Run:
    spec = RunSpec.model_validate_json(config["spec"])
    return Run(spec, RunFolder(Path(config["folder"])))


def _write_failure(run: Run, error: StriateError) -> None:
    """Leave the reason to give up where the driver looks for it."""
    document = {"error": type(error).__name__, "args": [error.message, error.remedy]}
    content = json.dumps(document).encode()
    within_s = run.spec.recipe.checkpoint.patience_s
    retry_until(lambda: write_atomic(run.folder.failure, content), within_s, lambda reason: None)
