"""Serve on the cluster that the settings name: start, run, watch and delete applications.

Serve runs without proxies: every replica serves gRPC itself, and the edge stands before them.
"""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from striate.core import ray_private
from striate.core.cluster import connect as connect_to_cluster
from striate.core.errors import PlatformError
from striate.core.retry import wait_until
from striate.core.settings import Settings
from striate.core.text import last_line
from striate.serve.observability.call_stats import CallStats

if TYPE_CHECKING:
    from ray.serve import Application
    from ray.serve.handle import DeploymentHandle, DeploymentResponse

logger = logging.getLogger(__name__)

ASK_S = 5.0
_POLL_S = 0.25
_ENDING = {"STOPPING", "PENDING_MIGRATION"}

_handles: dict[str, "DeploymentHandle[Any]"] = {}
_scaling_up: dict[str, "DeploymentResponse[Any]"] = {}


@dataclass(frozen=True)
class AppState:
    """Serve's own word on an application.

    Attributes:
        status: ``RUNNING``, ``DEPLOYING``, ``UNHEALTHY``, …
        message: why, when something is wrong.
        running: replicas that are up.
        wanted: replicas that are up or on their way.
    """

    status: str
    message: str = ""
    running: int = 0
    wanted: int = 0


@dataclass(frozen=True)
class ReplicaAddress:
    """A replica: where it listens and what it answers there.

    Attributes:
        replica: its id; a replica that takes its place has another.
        address: `host:port`.
        metrics: `host:port` of its metrics.
        services: full names of its gRPC services.
        models: names that it answers for in the Open Inference Protocol.
    """

    replica: str
    address: str
    metrics: str
    services: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


def connect(settings: Settings) -> None:
    """Connect this process to the cluster, unless it is, and start Serve there without proxies.

    Raises:
        PlatformError: no cluster is known, or it does not answer.
    """
    from ray import serve

    ray_private.check("serve")
    connect_to_cluster(settings.ray_address)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    serve.start(proxy_location="Disabled")


def states() -> dict[str, AppState]:
    """Each of Serve's applications, by Serve's name."""
    from ray import serve

    found = {}
    for name, overview in serve.status().applications.items():
        counts: dict[str, int] = {}
        for deployment in overview.deployments.values():
            for state, count in deployment.replica_states.items():
                counts[str(state)] = counts.get(str(state), 0) + count
        wanted = sum(count for state, count in counts.items() if state not in _ENDING)
        said = [overview.message, *(d.message for d in overview.deployments.values())]
        found[name] = AppState(
            status=str(overview.status.value),
            message=" ".join(filter(None, said)),
            running=counts.get("RUNNING", 0),
            wanted=wanted,
        )
    return found


def run(application: "Application", name: str, timeout_s: float) -> None:
    """Run an application and wait until every replica has passed its health check.

    Raises:
        PlatformError: it fails or is not up in time; it is deleted again.
    """
    from ray import serve

    target = serve.RunTarget(target=application, name=name, route_prefix=None)
    state = AppState("NOT_STARTED")

    def is_settled() -> bool:
        nonlocal state
        state = states().get(name, state)
        return state.status in {"RUNNING", "DEPLOY_FAILED"}

    try:
        serve.run_many([target], wait_for_applications_running=False)
        wait_until(is_settled, timeout_s, _POLL_S)
    except BaseException:  # Ctrl-C: no table names it yet, so nobody could end it later
        delete(name)
        raise
    if state.status == "RUNNING":
        return
    delete(name)
    why = last_line(state.message) or "no reason is known."
    raise PlatformError(
        f"The application does not start ({state.status}): {why}",
        "See Serve's log.",
    )


def replica_addresses(serve_name: str) -> dict[str, str]:
    """Where an application's replicas listen, by their ids: those that may take new calls.

    A replica that starts, or is to end, is not among them.

    Raises:
        PlatformError: Serve does not know the application, or does not answer.
    """
    return {place.replica: place.address for place in list_replicas(serve_name)}


def list_replicas(serve_name: str) -> list[ReplicaAddress]:
    """The replicas that may take new calls, sorted by their addresses.

    Raises:
        PlatformError: as `replica_addresses`.
    """
    found = [
        ReplicaAddress(
            answer["replica"],
            answer["address"],
            answer["metrics"],
            tuple(answer["services"]),
            tuple(answer["models"]),
        )
        for answer in _ask_all(serve_name, "describe")
    ]
    return sorted(found, key=lambda place: place.address)


def read_call_stats(serve_name: str) -> dict[str, CallStats]:
    """What each replica has counted of its calls, by their ids.

    Raises:
        PlatformError: as `replica_addresses`.
    """
    answers = _ask_all(serve_name, "count_calls")
    return {answer["replica"]: CallStats(**answer["stats"]) for answer in answers}


def scale_from_zero(serve_name: str) -> None:
    """Ask an application that has scaled to zero for a replica; returns at once.

    One call through Serve is enough: it waits for a replica, and Serve starts one for it. While
    that call waits, waking again does nothing.
    """
    asked = _scaling_up.get(serve_name)
    if asked is None or _answered(asked):
        _scaling_up[serve_name] = _handle(serve_name).describe.remote()


def _answered(asked: "DeploymentResponse[Any]") -> bool:
    """Whether a call through Serve has ended, well or not."""
    try:
        asked.result(timeout_s=0)
    except TimeoutError:
        return False
    except Exception:  # whatever it met with, it waits no more
        return True
    return True


def delete(name: str, *, wait: bool = True) -> None:
    """Delete an application once its calls in flight are done; nothing when there is none.

    Args:
        name: Serve's name.
        wait: whether to return only once it is gone.
    """
    from ray import serve

    _scaling_up.pop(name, None)
    if handle := _handles.pop(name, None):
        handle.shutdown()  # it reports to Serve's autoscaler for as long as the process lives
    if name in serve.status().applications:
        ray_private.delete_app(name, wait=wait)


def _ask_all(serve_name: str, method: str) -> list[dict[str, Any]]:
    """The answers of all replicas that take calls; one that dies meanwhile is left out.

    One that is slow to answer is alive, as far as anybody knows: then there is no answer at all.
    """
    from ray.exceptions import RayActorError
    from ray.serve.exceptions import DeploymentUnavailableError, RayServeException

    try:
        asked = _handle(serve_name).broadcast(method)
        answers = asked.results(timeout_s=ASK_S, return_exceptions=True)
    except DeploymentUnavailableError as error:
        state = states().get(serve_name)
        if state is None or state.running:  # this process has not been told of them yet
            raise PlatformError(f"Serve does not say where {serve_name} is.") from error
        return []  # scaled to zero
    except TimeoutError as error:
        raise PlatformError(f"A replica of {serve_name} gives no answer.") from error
    except RayServeException as error:
        _handles.pop(serve_name, None)
        raise PlatformError(f"Serve gives no answer on {serve_name}.") from error
    slow = [a for a in answers if isinstance(a, Exception) and not isinstance(a, RayActorError)]
    if slow:
        raise PlatformError(f"A replica of {serve_name} gives no answer.") from slow[0]
    return [answer for answer in answers if not isinstance(answer, Exception)]


def _handle(serve_name: str) -> "DeploymentHandle[Any]":
    from ray import serve

    if serve_name not in _handles:
        _handles[serve_name] = serve.get_app_handle(serve_name)
    return _handles[serve_name]
