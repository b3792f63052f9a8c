"""A run on Ray Train workers, from the driver's side: started, watched, started again."""

import json
import os
import threading
from collections.abc import Callable

from striate.accelerators.placement.room import find_shortage, need_of
from striate.core import errors, ray_private
from striate.core.cluster import connection
from striate.core.errors import PlatformError, StriateError, TrainingFailed, TrainingStopped
from striate.core.settings import Settings
from striate.core.text import last_line
from striate.train.run import startup_times
from striate.train.run.attempts import attempts_of
from striate.train.run.folder import Run
from striate.train.tracking.metric_log import append_note

_REMEDY = "Run `striate up`, or train here with --workers 0."
_ELASTIC_WAIT_S = 20.0
_SOFTLY = "A worker was asked to end."
_CONTROLLER_DIED = "Ray Train's controller died."

# glibc gives the memory of large activations back to the system at each free and faults it in again
# at the next step: 1,300 to 1,600 page faults a step of LeNet-5, a tenth of its time.
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(1 << 25)}


def train_on_ray(
    run: Run, settings: Settings, taken_over: Callable[[], bool] = lambda: False
) -> None:
    """Train on Ray Train workers until the run is at its end, has failed, or is asked to stop.

    Ray Train starts dead workers again by itself. When its controller dies, or a worker was ended
    softly, this starts a new one, which goes on from the latest checkpoint.

    Args:
        run: the run.
        settings: where Ray is.
        taken_over: tells that another process drives the run now, and this one is to leave it.

    Raises:
        PlatformError: there is no cluster, or it cannot hold the workers.
        TrainingFailed: workers or controllers died more often than the recipe allows.
        TrainingStopped: the run was asked to end.
    """
    with connection(settings.ray_address, _REMEDY):
        startup_times.mark(run.folder.path, "connection to Ray")
        _check_room(run)
        failures = 0
        while not run.folder.outcome.is_file():
            why = _once(run, taken_over)
            if run.folder.failure.is_file():
                raise _reason(run, None)
            if run.folder.outcome.is_file() or why is None:
                return
            failures += why != _SOFTLY
            if failures > run.spec.recipe.scaling.max_failures:
                raise TrainingFailed(
                    f"{why} That is once too often for the run {run.spec.run_id}.",
                    f"Resume it: `striate train --resume {run.spec.run_id}`.",
                )
            append_note(run.folder.metric_log, f"{why} The run goes on from its latest checkpoint.")


def _once(run: Run, taken_over: Callable[[], bool]) -> str | None:
    """One Ray Train run; why it ended before its end, or None when another makes no sense."""
    from ray.exceptions import RayActorError
    from ray.train import ControllerError, TrainingFailedError

    run.folder.stopped.unlink(missing_ok=True)
    starts = len(attempts_of(run.folder.path))

    def early() -> bool:
        """Asked to end before any worker began, with nothing to save; or another drives the run."""
        unbegun = len(attempts_of(run.folder.path)) == starts
        return taken_over() or (run.folder.stop_request.exists() and unbegun)

    try:
        with ray_private.train_environment(_variables(run)):
            if not _in_thread(lambda: _fit(run), early):
                raise _stopped(run, "before its workers began")
    except RayActorError:
        return _CONTROLLER_DIED
    except ControllerError as error:
        return f"Ray Train's controller gave up: {last_line(error)}."
    except TrainingFailedError as error:
        raise _reason(run, error) from error
    if not run.folder.stopped.is_file():
        return None
    step = int(json.loads(run.folder.stopped.read_bytes())["step"])
    if run.folder.stop_request.exists():
        raise _stopped(run, f"after step {step} of {run.spec.total_steps}")
    advanced = step > attempts_of(run.folder.path)[-1].step
    return _SOFTLY if advanced else "A worker was asked to end before it did a step."


def _fit(run: Run) -> None:
    import ray.train
    from ray.train.torch import TorchConfig, TorchTrainer

    ray_private.check("train")
    from striate.train.launch.ray_callbacks import RunCallbacks
    from striate.train.launch.worker import run_worker, to_config

    scaling = run.spec.recipe.scaling
    most = scaling.max_workers
    trainer = TorchTrainer(
        run_worker,
        train_loop_config=to_config(run),
        torch_config=TorchConfig(backend="nccl" if scaling.gpu else "gloo"),
        scaling_config=ray.train.ScalingConfig(
            num_workers=scaling.workers if most is None else (scaling.workers, most),
            elastic_resize_monitor_interval_s=scaling.resize_every_s,
            use_gpu=scaling.gpu,
            resources_per_worker={"CPU": scaling.cpus_per_worker, "GPU": int(scaling.gpu)},
        ),
        run_config=ray.train.RunConfig(
            name=run.spec.run_id,
            storage_path=str(run.folder.path / "ray"),
            failure_config=ray.train.FailureConfig(max_failures=scaling.max_failures),
            worker_runtime_env={"env_vars": KEEP_MEMORY},
            callbacks=[RunCallbacks(run.folder.path, scaling.grace_s)],
        ),
    )
    ray_private.leave_datasets_out(trainer)  # Striate's stream feeds the workers
    startup_times.mark(run.folder.path, "import of Ray Train")
    trainer.fit()


def _in_thread(action: Callable[[], None], left_early: Callable[[], bool]) -> bool:
    """Run something in a thread, so that signals reach this one and Ray handles none of them.

    Returns:
        Whether it was waited for until its end.
    """
    raised: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            action()
        except BaseException as error:
            raised.append(error)
        finally:
            done.set()

    threading.Thread(target=run, name="striate-fit", daemon=True).start()
    while not done.wait(0.2):
        if left_early():
            return False
    if raised:
        raise raised[0]
    return True


def _variables(run: Run) -> dict[str, str]:
    """How Ray Train's own processes shall behave, where the user does not say otherwise."""
    import ray

    values = {
        "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "1",  # finds a dead worker, and the end, in half Ray's
        "RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S": "2",
    }
    if len(ray.nodes()) == 1:
        # Where there is one node, its end is that of the driver too; a process less to start.
        values["RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"] = "0"
    if run.spec.recipe.scaling.max_workers is not None:
        # A dead node is counted as room for a while; then fewer workers have to do.
        values["RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"] = str(_ELASTIC_WAIT_S)
    return {name: os.environ.get(name, value) for name, value in values.items()}


def _check_room(run: Run) -> None:
    """Say at once what Ray would wait for without a word: without end, or until others end."""
    import ray

    scaling, held = run.spec.recipe.scaling, ray.cluster_resources()
    wanted = {"CPU": scaling.workers * scaling.cpus_per_worker}
    wanted |= {"GPU": scaling.workers} if scaling.gpu else {}
    for kind, count in wanted.items():
        if held.get(kind, 0) < count and not ray_private.has_autoscaler():
            raise PlatformError(
                f"{scaling.workers} workers need {count} {kind}s, and the cluster has"
                f" {held.get(kind, 0):g}.",
                "Lower --workers or scaling.cpus_per_worker, or add nodes.",
            )
    options = {"num_cpus": scaling.cpus_per_worker, "num_gpus": int(scaling.gpu)}
    pool = "gpu" if scaling.gpu else "cpu"
    if shortage := find_shortage(need_of("the run", pool, options, scaling.workers)):
        append_note(run.folder.metric_log, f"The run waits for room: {shortage.text}.")


def _reason(run: Run, error: BaseException | None) -> StriateError:
    """The error that a worker wrote down, or one sentence on what Ray says."""
    if run.folder.failure.is_file():
        document = json.loads(run.folder.failure.read_text(encoding="utf-8"))
        kind = getattr(errors, document["error"], TrainingFailed)
        failure: StriateError = kind(*document["args"])
        return failure
    failures = getattr(error, "worker_failures", {})
    why = last_line(next(iter(failures.values()), error))
    return TrainingFailed(
        f"The workers of the run {run.spec.run_id} died: {why}",
        f"Resume it: `striate train --resume {run.spec.run_id}`.",
    )


def _stopped(run: Run, when: str) -> TrainingStopped:
    return TrainingStopped(
        f"The run {run.spec.run_id} was stopped {when}.",
        f"Go on with it: `striate train --resume {run.spec.run_id}`.",
    )
