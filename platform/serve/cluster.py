"""Serve on the cluster that the settings name: start, run, watch and delete applications.

Serve runs without proxies: every replica serves gRPC itself, and the edge stands before them.
"""

import logging
import time
from typing import TYPE_CHECKING

from striate.core.cluster import connect as connect_to_cluster
from striate.core.errors import PlatformError
from striate.core.settings import Settings

if TYPE_CHECKING:
    from ray.serve import Application

_POLL_S = 0.1
_ADDRESS_TRIES = 8


def connect(settings: Settings) -> None:
    """Connect this process to the cluster, unless it is, and start Serve there without proxies.

    Raises:
        PlatformError: no cluster is known, or it does not answer.
    """
    from ray import serve

    connect_to_cluster(settings.ray_address)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    serve.start(proxy_location="Disabled")


def statuses() -> dict[str, tuple[str, str]]:
    """Serve's own word on each of its applications: status and message, by Serve's name."""
    from ray import serve

    applications = serve.status().applications
    return {name: (str(app.status.value), app.message) for name, app in applications.items()}


def run(application: "Application", name: str, timeout_s: float) -> None:
    """Run an application and wait until every replica has passed its health check.

    Raises:
        PlatformError: it fails or is not up in time; it is deleted again.
    """
    from ray import serve

    target = serve.RunTarget(target=application, name=name, route_prefix=None)
    serve.run_many([target], wait_for_applications_running=False)
    deadline = time.monotonic() + timeout_s
    status, message = "NOT_STARTED", ""
    while time.monotonic() < deadline:
        status, message = statuses().get(name, (status, message))
        if status == "RUNNING":
            return
        if status == "DEPLOY_FAILED":
            break
        time.sleep(_POLL_S)
    details = _deployment_message(name) or message
    serve.delete(name)
    raise PlatformError(
        f"The application does not start ({status}): {_last_line(details)}", "See Serve's log."
    )


def addresses(name: str, replicas: int) -> tuple[str, ...]:
    """Where an application's replicas listen; each is asked through Serve."""
    from ray import serve

    handle = serve.get_app_handle(name)
    found: dict[str, str] = {}
    for _ in range(_ADDRESS_TRIES * replicas):
        answer = handle.where.remote().result(timeout_s=30)
        found[answer["replica"]] = answer["address"]
        if len(found) == replicas:
            break
    return tuple(sorted(set(found.values())))


def delete(name: str) -> None:
    """Delete an application once its calls in flight are done; nothing when there is none."""
    from ray import serve

    if name in statuses():
        serve.delete(name)


def _deployment_message(name: str) -> str:
    from ray import serve

    overview = serve.status().applications.get(name)
    deployments = overview.deployments.values() if overview else []
    return " ".join(deployment.message for deployment in deployments)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason is known."
