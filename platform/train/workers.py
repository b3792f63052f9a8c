"""Starting the loop: in this process, or on Ray Train workers that are restarted when they die."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from striate.core import errors
from striate.core.cluster import connected
from striate.core.errors import PlatformError, StriateError, TrainingFailed
from striate.core.files import write_atomic
from striate.core.settings import Settings
from striate.train.assignment import Assignment
from striate.train.loop import train
from striate.train.place import Place

_REMEDY = "Run `striate up`, or train here with --workers 0."


# glibc gives the memory of large activations back to the system at each free and faults it in again
# at the next step: 1,300 to 1,600 page faults a step of LeNet-5, a tenth of its time.
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(1 << 25)}


def here(assignment: Assignment, settings: Settings) -> None:
    """Train in this process, without Ray, with as many threads as a worker would have."""
    scaling = assignment.recipe.scaling
    device = torch.device("cuda" if scaling.gpu else "cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(scaling.cpus_per_worker)
    try:
        train(assignment, Place(device=device))
    finally:
        torch.set_num_threads(threads)


def on_ray(assignment: Assignment, settings: Settings) -> None:
    """Train on Ray Train workers.

    Raises:
        PlatformError: there is no cluster, or it cannot hold the workers.
        TrainingFailed: workers died more often than the recipe allows.
    """
    with connected(settings.ray_address, _REMEDY):
        import ray.train
        from ray.train.torch import TorchConfig, TorchTrainer

        scaling = assignment.recipe.scaling
        _check_room(assignment)
        trainer = TorchTrainer(
            work,
            train_loop_config={"assignment": assignment.model_dump_json()},
            torch_config=TorchConfig(backend="nccl" if scaling.gpu else "gloo"),
            scaling_config=ray.train.ScalingConfig(
                num_workers=scaling.workers,
                use_gpu=scaling.gpu,
                resources_per_worker={"CPU": scaling.cpus_per_worker, "GPU": int(scaling.gpu)},
            ),
            run_config=ray.train.RunConfig(
                name=assignment.run_id,
                storage_path=str(assignment.folder / "ray"),
                failure_config=ray.train.FailureConfig(max_failures=scaling.max_failures),
                worker_runtime_env={"env_vars": KEEP_MEMORY},
            ),
        )
        try:
            with own_cluster_only():
                trainer.fit()
        except ray.train.TrainingFailedError as error:
            raise _reason(assignment, error) from error
    if assignment.failure.is_file():
        raise _reason(assignment, None)


def work(config: dict[str, Any]) -> None:
    """What each Ray Train worker runs, at the start and again after a restart."""
    import ray.train
    from ray.train.torch import get_device

    assignment = Assignment.model_validate_json(config["assignment"])
    if assignment.failure.is_file():
        return  # a restart cannot help: the driver reads why
    torch.set_num_threads(assignment.recipe.scaling.cpus_per_worker)
    context = ray.train.get_context()
    place = Place(context.get_world_rank(), context.get_world_size(), get_device())
    try:
        train(assignment, place)
    except StriateError as error:
        document = {"error": type(error).__name__, "args": [error.message, error.remedy]}
        write_atomic(assignment.failure, json.dumps(document).encode())
        raise  # so that the other workers, which wait for this one, are ended too


def _reason(assignment: Assignment, error: BaseException | None) -> StriateError:
    """The error that a worker wrote down, or one sentence on what Ray says."""
    if assignment.failure.is_file():
        document = json.loads(assignment.failure.read_text(encoding="utf-8"))
        kind = getattr(errors, document["error"], TrainingFailed)
        failure: StriateError = kind(*document["args"])
        return failure
    failures = getattr(error, "worker_failures", {})
    why = str(next(iter(failures.values()), error)).strip().splitlines()[-1:]
    return TrainingFailed(
        f"The workers of the run {assignment.run_id} died: {' '.join(why)}",
        f"Resume it: `striate train --resume {assignment.run_id}`.",
    )


def _check_room(assignment: Assignment) -> None:
    """Say at once what Ray would wait for without end."""
    import ray

    scaling, held = assignment.recipe.scaling, ray.cluster_resources()
    wanted = {"CPU": scaling.workers * scaling.cpus_per_worker}
    wanted |= {"GPU": scaling.workers} if scaling.gpu else {}
    for kind, count in wanted.items():
        if held.get(kind, 0) < count:
            raise PlatformError(
                f"{scaling.workers} workers need {count} {kind}s, and the cluster has"
                f" {held.get(kind, 0):g}.",
                "Lower --workers or scaling.cpus_per_worker, or add nodes.",
            )


@contextmanager
def own_cluster_only() -> Iterator[None]:
    """Let Ray Train ask the connected cluster after its controller, and no other one.

    Without an address in its environment, the PlacementGroupCleaner of Ray 2.60 asks whatever Ray
    it finds on the machine. Where several run, it may find another's, take the controller for
    dead, and end the workers. Ray passes on only the variables that it lists.
    """
    import ray
    from ray.train.v2._internal.constants import ENV_VARS_TO_PROPAGATE

    name = "RAY_ADDRESS"
    before = os.environ.get(name)
    ENV_VARS_TO_PROPAGATE.add(name)
    os.environ[name] = ray.get_runtime_context().gcs_address
    try:
        yield
    finally:
        ENV_VARS_TO_PROPAGATE.discard(name)
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
