"""Brings a version up from what the table says of it: a new one, or one from before."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from striate.accelerators.placement.pools import parse_pool, read_pools
from striate.core.errors import UnknownName
from striate.core.progress import OnProgress
from striate.core.settings import Settings
from striate.serve.deployment import ray_serve
from striate.serve.deployment.canary import (
    CanaryTrial,
    edge_folder,
    give_traffic,
    locate_replicas,
    next_serve_name,
    roll_out,
)
from striate.serve.deployment.resolve import application_of, kind_of
from striate.serve.edge import control
from striate.serve.edge.app_table import DeployedApp, read_table


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
) -> Deployed:
    """Roll a version out under a Serve name of its own."""
    folder = edge_folder(settings)
    version = version.model_copy(
        update={"serve_name": next_serve_name(version.name, read_table(folder))}
    )
    key = control.edge_key(folder) if control.is_running(folder) else None
    application = application_of(version, kind_of(version), key)
    ended = _make_room(version, folder)
    try:
        version = roll_out(version, application, folder, trial, timeout_s, on_progress)
    except BaseException:
        if ended is not None:
            _restart_former(ended, folder, key, timeout_s)
        raise
    return describe_deployed(version, settings)


def _make_room(version: DeployedApp, folder: Path) -> DeployedApp | None:
    """End the running version first where a chip or GPU has no room for both; returns it then.

    Calls wait at the edge meanwhile, as they do while a replica restarts.
    """
    former = read_table(folder).find(version.name)
    if former is None or former.pool is None or version.pool is None:
        return None
    wanted = parse_pool(version.pool)
    if wanted.kind == "cpu" or wanted != parse_pool(former.pool):
        return None
    from striate.serve.apps.replica import replica_range

    free = sum(pool.free for pool in read_pools() if wanted.means(pool))
    if free >= max(1, replica_range(version.replicas)[0]):
        return None
    ray_serve.delete(former.serve_name)
    return former


def _restart_former(former: DeployedApp, folder: Path, key: str | None, timeout_s: float) -> None:
    """Start again what had to make room for a version that failed."""
    ray_serve.run(application_of(former, kind_of(former), key), former.serve_name, timeout_s)
    give_traffic(folder, locate_replicas(former))


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
    address = settings.grpc_address if control.is_running(edge_folder(settings)) else None
    return Deployed(
        name=version.name,
        address=address or version.addresses[0],
        model=version.model,
        version=version.version,
    )
