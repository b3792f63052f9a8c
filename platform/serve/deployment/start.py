"""Brings a version up from what the table says of it: a new one, or one from before."""

import math
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from striate.core.errors import UnknownName
from striate.core.progress import OnProgress
from striate.core.settings import Settings
from striate.serve.deployment import ray_serve
from striate.serve.deployment.canary import (
    CanaryTrial,
    give_traffic,
    locate_replicas,
    next_serve_name,
    roll_out,
)
from striate.serve.deployment.make_room import Ended, make_room
from striate.serve.deployment.resolve import application_of, kind_of
from striate.serve.edge import control
from striate.serve.edge.app_table import DeployedApp, edge_folder, read_table


class Deployed(BaseModel):
    """What took the traffic: the application's name, where to call it, and the model in it."""

    model_config = ConfigDict(frozen=True)

    name: str
    address: str
    model: str
    version: str


def start_version(
    version: DeployedApp,
    settings: Settings,
    trial: CanaryTrial,
    timeout_s: float,
    on_progress: OnProgress,
    wait: bool = False,
) -> Deployed:
    """Roll a version out under a Serve name of its own.

    Raises:
        PlacementError: others hold the room that it needs, and it is not to `wait` for them.
        RolledBack, PlatformError: as `striate.serve.deployment.canary.roll_out`.
    """
    folder = edge_folder(settings.home)
    version = version.model_copy(
        update={"serve_name": next_serve_name(version.name, read_table(folder))}
    )
    key = control.edge_key(folder) if control.is_running(folder) else None
    application = application_of(version, kind_of(version), key)
    ended = make_room(version, folder, key, wait, on_progress)
    within_s = math.inf if wait else timeout_s  # a new node, or who was quicker, may take long
    try:
        version = roll_out(version, application, folder, trial, within_s, on_progress)
    except BaseException:
        if ended is not None:
            _restart(ended, folder, timeout_s)
        raise
    return describe_deployed(version, settings)


def _restart(ended: Ended, folder: Path, timeout_s: float) -> None:
    """Start again what had to make room for a version that failed."""
    ray_serve.run(ended.application, ended.version.serve_name, timeout_s)
    give_traffic(folder, locate_replicas(ended.version))


def find_app(name: str, folder: Path) -> DeployedApp:
    """The application of that name.

    Raises:
        UnknownName: nothing of that name is deployed.
    """
    table = read_table(folder)
    entry = table.find(name)
    if entry is None:
        raise UnknownName.of("deployed application", name, [app.name for app in table.apps])
    return entry


def describe_deployed(version: DeployedApp, settings: Settings) -> Deployed:
    """What a caller is told of a version that has the traffic."""
    address = settings.grpc_address if control.is_running(edge_folder(settings.home)) else None
    return Deployed(
        name=version.name,
        address=address or version.addresses[0],
        model=version.model,
        version=version.version,
    )
