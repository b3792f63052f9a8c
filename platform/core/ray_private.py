"""All that Striate leans on in Ray without Ray's promise: nothing else here touches such a part.

Read in Ray 2.60.0 (`READ_IN`), where each had no public counterpart. `check` holds the parts of
one use against the Ray that is installed, without starting anything: at the start of a training, of
a deployment and of a local platform, and all of them in `striate doctor`. Ray is imported inside
functions only, so that importing this module costs nothing.
"""

import inspect
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass
from functools import cache, wraps
from importlib import import_module, metadata
from operator import attrgetter
from typing import Any, Final

from striate.core.errors import PlatformError
from striate.core.retry import Backoff, retry

READ_IN: Final = "2.60.0"
_TRAIN = "ray.train.v2._internal"
_EXECUTION = f"{_TRAIN}.execution"
_COORDINATION = "ray.data._internal.cluster_autoscaler.default_autoscaling_coordinator"
_CONSTANTS = "ray._private.ray_constants"
_REPLICA = "ray.serve._private.replica"
_COORDINATOR = "AutoscalingCoordinator"  # the actor's name, and its namespace
_SERVICES = "ray._private.services"
_CANCEL_WITHIN_S = 5.0
_NODE_UP_WITHIN_S = 80.0
_ASK_WITHIN_S = 2.0
_STATE = "ray._private.state"
_WORKER = "ray._private.worker"
_GCS = "ray._raylet:GlobalStateAccessor"
_REPLICA_PREFIX = "SERVE_REPLICA::"
_SUPERVISOR_PREFIX = "_ray_internal_job_actor_"
_SUBMISSION_KEY = "job_submission_id"

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
LOOK_FOR_LOGS_OFTEN: Final = "RAY_LOG_MONITOR_MANY_FILES_THRESHOLD"
"""Log files from which on Ray looks for new ones every half second, and not ten times a second."""
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
        PrivatePart(f"{_TRAIN}.callbacks:DatasetsCallback", "starts workers sooner", ("datasets",)),
        PrivatePart(
            "ray.train.v2.api.data_parallel_trainer:DataParallelTrainer._create_default_callbacks",
            "starts workers sooner",
            source="datasets_callback,",
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
    "placement": (
        PrivatePart(f"{_STATE}:available_resources_per_node", "says which node has room"),
        PrivatePart(f"{_STATE}:GlobalState._connect_and_get_accessor", "names who holds a place"),
        PrivatePart(f"{_GCS}.get_actor_table", "names who holds a place"),
        PrivatePart(f"{_GCS}.get_placement_group_table", "names who holds a place"),
        PrivatePart(f"{_GCS}.get_job_table", "names who holds a place"),
        PrivatePart(
            "ray.serve._private.common:REPLICA_ID_FULL_ID_STR_PREFIX",
            "names the application that holds a place",
            value=_REPLICA_PREFIX,
        ),
        PrivatePart(
            "ray.dashboard.modules.job.common:JOB_ACTOR_NAME_TEMPLATE",
            "names the job that holds a place",
            value=f"{_SUPERVISOR_PREFIX}{{job_id}}",
        ),
        PrivatePart(
            "ray.dashboard.modules.job.common:JOB_ID_METADATA_KEY",
            "names the job that holds a place",
            value=_SUBMISSION_KEY,
        ),
        PrivatePart(
            "ray.autoscaler._private.util:format_readonly_node_type",
            "looks for an autoscaler",
            source='return "node_{}".format(node_id)',
        ),
        PrivatePart("ray._raylet:InnerGcsClient.get_cluster_status", "looks for an autoscaler"),
        PrivatePart(f"{_CONSTANTS}:DEBUG_AUTOSCALING_STATUS", "looks for an autoscaler"),
    ),
    "results": (
        PrivatePart(
            f"{_WORKER}:print_to_stdstream",
            "keeps what a cluster tells out of a command's results",
            ("data", "ignore_prefix"),
        ),
        PrivatePart(
            f"{_WORKER}:listen_error_messages",
            "keeps what a cluster tells out of a command's results",
            source='print_to_stdstream(\n                {\n                    "lines": [error_',
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
            f"{_SERVICES}:get_node", "waits for a node's start", ("gcs_address", "node_id")
        ),
        PrivatePart(
            "ray._private.node:Node.__init__",
            "waits for a node's start",
            source="ray._private.services.get_node(",
        ),
        PrivatePart(
            f"{_CONSTANTS}:RAY_WORKER_NICENESS", "shares the cores fairly", value=WORKER_NICENESS
        ),
        PrivatePart(f"ray._private.log_monitor:{LOOK_FOR_LOGS_OFTEN}", "leaves the cores idle"),
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


def leave_datasets_out(trainer: Any) -> None:
    """Keep a trainer that is given no Ray Data from serving it all the same.

    Ray Train starts a process for it with every group of workers, and has each worker import Ray
    Data: some five seconds of a core on the way to the first step.
    """
    from ray.train.v2._internal.callbacks import DatasetsCallback

    create = trainer._create_default_callbacks

    def create_callbacks() -> list[Any]:
        return [one for one in create() if not isinstance(one, DatasetsCallback)]

    trainer._create_default_callbacks = create_callbacks


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


def tell_on_stderr() -> None:
    """Have what a cluster tells this process, of a node that died for one, go to standard error.

    Ray prints it to standard output, ``log_to_driver`` or not: into the results of a command.
    """
    module = import_module(_WORKER)
    tell = getattr(module, "print_to_stdstream", None)
    if tell is None or hasattr(tell, "__wrapped__"):
        return

    @wraps(tell)
    def print_to_stderr(data: Mapping[str, Any], ignore_prefix: bool) -> None:
        tell({**data, "is_err": True}, ignore_prefix)

    vars(module)["print_to_stdstream"] = print_to_stderr


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
    _wait_longer_for_nodes()


def _wait_longer_for_nodes() -> None:
    """Give a node that this process starts more than Ray's 30 s to come up.

    On a busy machine its processes take longer, and Ray ends a node that is about to be there.
    """
    services = import_module(_SERVICES)
    get_node = services.get_node

    def get_node_in_time(gcs_address: str, node_id: str) -> Any:
        return retry(
            lambda: get_node(gcs_address, node_id),
            _NODE_UP_WITHIN_S,
            (RuntimeError,),
            Backoff.constant(0.1),
        )

    vars(services)["get_node"] = get_node_in_time


def bind_replica(host: str) -> None:
    """Have the Serve replica that this process becomes listen to its peers at `host` alone."""
    replica = import_module(_REPLICA)  # it starts that server once its own code is there
    add_port = replica.add_port_to_grpc_server
    vars(replica)["add_port_to_grpc_server"] = lambda server, _: add_port(server, f"{host}:0")


@dataclass(frozen=True, slots=True)
class RayClaim:
    """What an actor, or a part of a placement group, holds of a node.

    Attributes:
        name: the actor's; empty where it has none.
        job: Ray's id of the job that it belongs to, in hexadecimal digits.
        node: the node's id.
        resources: amounts by Ray's names.
    """

    name: str
    job: str
    node: str
    resources: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RayDriver:
    """A process that is connected to a cluster and starts work there.

    Attributes:
        submission: the id of the submitted job that it belongs to; empty where it is nobody's.
        command: its command line.
        pid: its process id.
        address: its machine's.
    """

    submission: str
    command: str
    pid: int
    address: str


def free_by_node() -> dict[str, dict[str, float]]:
    """What each living node of the connected cluster has free; up to a second old."""
    import ray._private.state as state

    return dict(state.available_resources_per_node())


def list_claims() -> list[RayClaim]:
    """What living actors and placement groups of the connected cluster hold.

    An actor inside a placement group holds nothing besides. What plain tasks hold is in no table.
    """
    from ray.core.generated.gcs_pb2 import ActorTableData, PlacementGroupTableData

    accessor = _accessor()
    actors = map(ActorTableData.FromString, accessor.get_actor_table(None, "ALIVE"))
    groups = map(PlacementGroupTableData.FromString, accessor.get_placement_group_table())
    alone = [
        RayClaim(
            actor.name,
            actor.job_id.hex(),
            actor.address.node_id.hex(),
            dict(actor.required_resources),
        )
        for actor in actors
        if not actor.placement_group_id
    ]
    together = [
        RayClaim(
            group.name,
            group.creator_job_id.hex(),
            bundle.node_id.hex(),
            dict(bundle.unit_resources),
        )
        for group in groups
        if group.state == PlacementGroupTableData.CREATED
        for bundle in group.bundles
    ]
    return [claim for claim in (*alone, *together) if claim.resources]


def list_drivers() -> dict[str, RayDriver]:
    """The living processes that are connected to the cluster, by Ray's id of their job."""
    from ray.core.generated.gcs_pb2 import JobTableData

    table = _accessor().get_job_table(
        skip_submission_job_info_field=True, skip_is_running_tasks_field=True
    )
    jobs = [job for job in map(JobTableData.FromString, table) if not job.is_dead]
    return {
        job.job_id.hex(): RayDriver(
            job.config.metadata.get(_SUBMISSION_KEY, ""),
            job.entrypoint,
            job.driver_pid,
            job.driver_address.ip_address,
        )
        for job in jobs
    }


def serve_app_of(actor: str) -> str:
    """Serve's name of the application that an actor is a replica of; empty where it is none.

    >>> serve_app_of("SERVE_REPLICA::photos.3#Replica#x7k2"), serve_app_of("photos")
    ('photos.3', '')
    """
    parts = actor.removeprefix(_REPLICA_PREFIX).split("#")
    return parts[0] if actor.startswith(_REPLICA_PREFIX) and len(parts) == 3 else ""


def submission_of(actor: str) -> str:
    """The id of the submitted job whose own process an actor keeps; empty where it keeps none.

    >>> submission_of("_ray_internal_job_actor_lenet5-1f0c")
    'lenet5-1f0c'
    """
    kept = actor.startswith(_SUPERVISOR_PREFIX)
    return actor.removeprefix(_SUPERVISOR_PREFIX) if kept else ""


def has_autoscaler() -> bool:
    """Whether the connected cluster can add nodes by itself, as far as it tells.

    Ray's newer autoscaler reports its state, and there is one only where there is something to
    scale. The older one reports everywhere; where it can add no node, each that it sees is a type
    of its own to it, named after the node.
    """
    import ray

    gcs = import_module("ray._raylet").GcsClient(address=ray.get_runtime_context().gcs_address)
    newer = import_module("ray.core.generated.autoscaler_pb2").GetClusterStatusReply()
    newer.ParseFromString(gcs.get_cluster_status(timeout_s=_ASK_WITHIN_S))
    if newer.HasField("autoscaling_state"):
        return True
    older = gcs.internal_kv_get(import_module(_CONSTANTS).DEBUG_AUTOSCALING_STATUS.encode())
    types = json.loads(older or b"{}").get("autoscaler_report", {}).get("active_nodes") or {}
    return bool(set(types) - {f"node_{node['NodeID']}" for node in ray.nodes()})


def _accessor() -> Any:
    """Ray's own view of its tables."""
    import ray._private.state as state

    return state.state._connect_and_get_accessor()
