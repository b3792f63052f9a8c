"""All that Striate leans on in Ray without Ray's promise: nothing else here touches such a part.

Read in Ray 2.60.0 (`READ_IN`), where each had no public counterpart. `check` holds the parts of
one use against the Ray that is installed, without starting anything: at the start of a training, of
a deployment and of a local platform, and all of them in `striate doctor`. Ray is imported inside
functions only, so that importing this module costs nothing.
"""

import inspect
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass
from functools import cache
from importlib import import_module, metadata
from operator import attrgetter
from typing import Any, Final

from striate.core.errors import PlatformError

READ_IN: Final = "2.60.0"
_TRAIN = "ray.train.v2._internal"
_EXECUTION = f"{_TRAIN}.execution"
_COORDINATION = "ray.data._internal.cluster_autoscaler.default_autoscaling_coordinator"
_CONSTANTS = "ray._private.ray_constants"
_REPLICA = "ray.serve._private.replica"
_COORDINATOR = "AutoscalingCoordinator"  # the actor's name, and its namespace
_CANCEL_WITHIN_S = 5.0

START_HOOK: Final = "RAY_START_HOOK"
"""Names a function that ``ray start`` calls with its parameters before it starts a node."""
KEEP_ADDRESS: Final = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""``0`` has workers and jobs take 127.0.0.1 for this machine's address."""
JOB_STOP_WAIT_S: Final = "RAY_JOB_STOP_WAIT_TIME_S"
"""Seconds between a job's SIGTERM and its SIGKILL."""
DRAIN_WITHIN_S: Final = "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"
"""Seconds in which a node that ends looks for another to take its work."""
DRAIN_POLL_S: Final = "RAY_GRACEFUL_SHUTDOWN_POLL_INTERVAL_S"
WORKER_NICENESS: Final = "RAY_worker_niceness"
COLLECT_METRICS: Final = "RAY_enable_metrics_collection"
FOLDER_BYTES: Final = 38
"""Longest path of Ray's folder: a socket's has 107 bytes, and Ray appends up to 69."""


@dataclass(frozen=True)
class PrivatePart:
    """One name of Ray's.

    Attributes:
        path: ``module:name``, the name with dots where it lies in a class.
        use: what Striate does with it.
        holds: parameters, fields or members that it must have.
        value: what a constant must be.
        source: what its source must say, where a name is only written there.
    """

    path: str
    use: str
    holds: tuple[str, ...] = ()
    value: str | None = None
    source: str | None = None


def _callback(name: str, *holds: str) -> PrivatePart:
    return PrivatePart(f"{_EXECUTION}.callback:{name}", "saves before workers are ended", holds)


PARTS: Final[Mapping[str, tuple[PrivatePart, ...]]] = {
    "train": (
        _callback("ControllerCallback.after_controller_start", "train_run_context"),
        _callback(
            "ControllerCallback.after_controller_state_update", "previous_state", "current_state"
        ),
        _callback("WorkerGroupCallback.before_worker_group_start", "worker_group_context"),
        _callback("WorkerGroupCallback.after_worker_group_start", "worker_group"),
        _callback("WorkerGroupCallback.after_worker_group_poll_status", "worker_group_status"),
        _callback("WorkerGroupCallback.before_worker_group_shutdown", "worker_group"),
        _callback("WorkerCallback.after_init_train_context"),
        PrivatePart(f"{_EXECUTION}.controller.state:ResizingState", "saves before a resize"),
        PrivatePart(
            f"{_EXECUTION}.worker_group:WorkerGroupPollStatus.get_preemption_info",
            "saves while a node is drained",
        ),
        PrivatePart(f"{_EXECUTION}.worker_group:WorkerGroup.get_workers", "asks workers to save"),
        PrivatePart(
            f"{_EXECUTION}.worker_group:Worker.execute_async", "asks workers to save", ("fn",)
        ),
        PrivatePart(f"{_EXECUTION}.context:TrainRunContext", "names the controller", ("run_id",)),
        PrivatePart(
            f"{_EXECUTION}.scaling_policy:ScalingPolicy",
            "lets go of what a dead controller held",
            source='f"train-{train_run_context.run_id}"',
        ),
        PrivatePart(
            f"{_COORDINATION}:_AutoscalingCoordinatorActor.cancel_request",
            "lets go of what a dead controller held",
            ("requester_id",),
        ),
        PrivatePart(
            f"{_COORDINATION}:get_or_create_autoscaling_coordinator",
            "lets go of what a dead controller held",
            source=f'name="{_COORDINATOR}",\n        namespace="{_COORDINATOR}"',
        ),
        PrivatePart(
            f"{_TRAIN}.constants:ENV_VARS_TO_PROPAGATE",
            "passes its cluster's address on",
            (
                "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S",
                "RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S",
                "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER",
                "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S",
            ),
        ),
    ),
    "serve": (
        PrivatePart("ray.serve:delete", "lets a former version end by itself", ("_blocking",)),
        PrivatePart(
            f"{_REPLICA}:Replica._on_initialized",
            "keeps replicas on loopback",
            source='add_port_to_grpc_server(self._server, "[::]:0")',
        ),
    ),
    "jobs": (
        PrivatePart("ray.dashboard.modules.dashboard_sdk:logger", "keeps progress quiet"),
        PrivatePart("ray.dashboard.modules.job.sdk:logger", "keeps progress quiet"),
        PrivatePart("ray._private.runtime_env.packaging:default_logger", "keeps progress quiet"),
        PrivatePart(
            "ray.dashboard.modules.job.job_supervisor:JobSupervisor",
            "gives a job time for its last checkpoint",
            source=f'"{JOB_STOP_WAIT_S}"',
        ),
    ),
    "local": (
        PrivatePart(f"{_CONSTANTS}:RAY_START_HOOK", "keeps Ray on loopback", value=START_HOOK),
        PrivatePart(
            f"{_CONSTANTS}:ENABLE_RAY_CLUSTERS_ENV_VAR", "keeps Ray on loopback", value=KEEP_ADDRESS
        ),
        PrivatePart(
            "ray._private.parameter:RayParams",
            "keeps Ray on loopback",
            ("node_ip_address", "ray_client_server_port", "runtime_env_dir_name"),
        ),
        PrivatePart(
            f"{_CONSTANTS}:RAY_WORKER_NICENESS", "shares the cores fairly", value=WORKER_NICENESS
        ),
        PrivatePart(f"{_CONSTANTS}:{DRAIN_WITHIN_S}", "ends at once"),
        PrivatePart(f"{_CONSTANTS}:{DRAIN_POLL_S}", "ends at once"),
    ),
}
"""The parts by what leans on them."""


def check(use: str) -> None:
    """See that Ray still has all that a use of it leans on; call it before the use.

    Args:
        use: a key of `PARTS`.

    Raises:
        PlatformError: a part has changed; it names Ray's version and the part.
    """
    if changes := find_changes(use):
        raise PlatformError(changes[0], f"Install the Ray that fits: pip install ray=={READ_IN}.")


@cache
def find_changes(use: str) -> tuple[str, ...]:
    """A sentence on each part that Ray has changed; none when all is as it was read."""
    changes = ((part, find_change(part)) for part in PARTS[use])
    return tuple(
        f"Ray {metadata.version('ray')} has changed {part.path.replace(':', '.')}, by which Striate"
        f" {part.use}: {change}."
        for part, change in changes
        if change
    )


def find_change(part: PrivatePart) -> str | None:
    """What is different from what was read, or None."""
    module, _, name = part.path.partition(":")
    try:
        found = attrgetter(name)(import_module(module))
    except (ImportError, AttributeError):
        return "it is gone"
    if missing := [name for name in part.holds if name not in _names_in(found)]:
        return f"it has no {missing[0]} any more"
    if part.value is not None and found != part.value:
        return f"it is {found!r}"
    if part.source is not None and part.source not in inspect.getsource(found):
        return f"it no longer says {part.source}"
    return None


def _names_in(found: Any) -> tuple[str, ...]:
    """Fields of a dataclass, members of a set, parameters of a function."""
    if is_dataclass(found):
        return tuple(found.__dataclass_fields__)
    return tuple(found if isinstance(found, set) else inspect.signature(found).parameters)


def train_callbacks() -> tuple[Any, Any, Any]:
    """Bases of hooks in Ray Train's controller, at its groups of workers, and in a worker."""
    from ray.train.v2._internal.execution import callback

    return callback.ControllerCallback, callback.WorkerGroupCallback, callback.WorkerCallback


def is_resizing(controller_state: object) -> bool:
    """Whether Ray Train's controller is about to change the number of workers."""
    from ray.train.v2._internal.execution.controller.state import ResizingState

    return isinstance(controller_state, ResizingState)


def is_draining(worker_group_status: Any) -> bool:
    """Whether a node that holds workers is being drained."""
    return worker_group_status.get_preemption_info() is not None


def call_workers(group: Any, function: Callable[..., object], *args: object) -> list[Any]:
    """Call a function in all workers of a group; a reference to each answer."""
    return [worker.execute_async(function, *args) for worker in group.get_workers()]


def requester_of(train_run_context: Any) -> str:
    """By which name the controller of a run asks for resources."""
    return f"train-{train_run_context.run_id}"


def release_resources(requester: str) -> None:
    """Let go of what a controller that is dead holds back from all others."""
    import ray

    coordinator = ray.get_actor(_COORDINATOR, _COORDINATOR)
    ray.get(coordinator.cancel_request.remote(requester), timeout=_CANCEL_WITHIN_S)


@contextmanager
def train_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Variables for Ray Train's controller and workers, and the address of the connected cluster.

    Without an address in its environment, the PlacementGroupCleaner of Ray 2.60 asks whatever Ray
    it finds on the machine. Where several run, it may find another's, take the controller for
    dead, and end the workers. Ray passes on only the variables that it lists.
    """
    import ray
    from ray.train.v2._internal.constants import ENV_VARS_TO_PROPAGATE

    values = {**variables, "RAY_ADDRESS": ray.get_runtime_context().gcs_address}
    before = {name: os.environ.get(name) for name in values}
    listed = set(ENV_VARS_TO_PROPAGATE)
    ENV_VARS_TO_PROPAGATE.update(values)
    os.environ.update(values)
    try:
        yield
    finally:
        ENV_VARS_TO_PROPAGATE.intersection_update(listed)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def delete_app(name: str, *, wait: bool) -> None:
    """Delete a Serve application, and wait for its end or not."""
    from ray import serve

    serve.delete(name, _blocking=wait)


def quiet_job_client() -> None:
    """Keep Ray's client of jobs from telling of uploads and addresses; its loggers set INFO."""
    for part in PARTS["jobs"]:
        module, _, name = part.path.partition(":")
        if name.endswith("logger"):
            logging.getLogger(module).setLevel(logging.WARNING)


def bind_node(parameters: Any, host: str, head: bool) -> None:
    """Have a node that ``ray start`` is about to start listen on one address alone.

    A further node of the machine gets a folder of its own for what jobs and replicas run from:
    it has the head's otherwise, and unpacks a job's files anew there, under the running job.

    Args:
        parameters: Ray's own, as its start hook gets them.
        host: the address.
        head: whether it is the first node.
    """
    if not head:
        parameters.runtime_env_dir_name = f"{parameters.runtime_env_dir_name}-{os.getpid()}"
    parameters.node_ip_address = host
    parameters.ray_client_server_port = None  # drivers connect to the control service itself
    os.environ[KEEP_ADDRESS] = "0"
    os.environ.pop(START_HOOK, None)


def bind_replica(host: str) -> None:
    """Have the Serve replica that this process becomes listen to its peers at `host` alone."""
    replica = import_module(_REPLICA)  # it starts that server once its own code is there
    add_port = replica.add_port_to_grpc_server
    vars(replica)["add_port_to_grpc_server"] = lambda server, _: add_port(server, f"{host}:0")
