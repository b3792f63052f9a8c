"""Deploy, list and take down applications.

A new version never replaces a running one in place: it starts beside it under a Serve name and a
port of its own, answers a real call, and only then takes the traffic at the edge; the old one
drains and ends. So a version that does not start, or does not answer, never gets a call.
"""

import fcntl
import logging
import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from striate.core.errors import PlatformError, UnknownName
from striate.core.registry import fetch
from striate.core.settings import Settings
from striate.serve import cluster, edge
from striate.serve.client import Client
from striate.serve.edge_config import check_name
from striate.serve.programs import program_for
from striate.serve.table import DeployedApp, Table, read_table, write_table

logger = logging.getLogger(__name__)

PORTS = range(9100, 9900)
CPUS = 0.25  # a replica shares small machines with training; torch then uses one thread
PROBE_S = 30.0


class Deployed(BaseModel):
    """What took the traffic: the application's name, where to call it, and the model in it."""

    model_config = ConfigDict(frozen=True)

    name: str
    address: str
    model: str
    version: str


class AppStatus(BaseModel):
    """An application and Serve's word on it (``RUNNING``, ``UNHEALTHY``, ``GONE``, …)."""

    model_config = ConfigDict(frozen=True)

    app: DeployedApp
    status: str
    message: str = ""


def edge_folder(settings: Settings) -> Path:
    """Where the edge's configuration and the table of applications lie."""
    return settings.home / "edge"


def deploy(
    app: str,
    model_uri: str,
    settings: Settings,
    *,
    name: str | None = None,
    pool: str | None = None,
    replicas: int = 1,
    timeout_s: float = 180.0,
    program: Path | None = None,
    **options: Any,
) -> Deployed:
    """Deploy a model, or put a new version in the place of a running one.

    Args:
        app: kind of application, a name in `striate.serve.apps.APPS`.
        model_uri: as `striate.core.registry.fetch` takes it; an alias is pinned to its version.
        settings: the cluster, MLflow, and the edge's address.
        name: what callers ask for; `app` when None.
        pool: where it runs: ``cpu``, ``gpu``, ``chip:NAME``; None leaves it to Ray.
        replicas: how many.
        timeout_s: for the replicas to come up.
        program: for a chip's pool, the model's program; None compiles it, once.
        options: further fields of `PhotosArgs`.

    Raises:
        UnknownName: no such application or model.
        BundleError: the bundle or program is damaged or not for this application.
        PlacementError: the cluster has no such pool.
        UnsupportedLayer: the chip cannot run the model.
        PlatformError: the cluster, MLflow or the new version does not answer.
    """
    from striate.serve.apps import APPS
    from striate.serve.apps.photos import PhotosArgs

    if app not in APPS:
        raise UnknownName.of("application", app, APPS)
    check_name(name := name or app)
    device = device_of(pool)
    args, model, version = _prepared(model_uri, settings, device, program)
    cluster.connect(settings)
    with _lock(edge_folder(settings)):
        port = _free_port(read_table(edge_folder(settings)))
        entry = DeployedApp(
            name=name,
            app=app,
            serve_name=f"{name}.{port}",
            model_uri=args["model"],
            model=model,
            version=version,
            pool=pool,
            replicas=replicas,
            deployed_unix_s=time.time(),
        )
        placed = {"port": port, "replicas": replicas, "actor_options": _actor_options(pool)}
        application = APPS[app](PhotosArgs(**args, **placed, **options))
        _make_room(entry, settings)
        cluster.run(application, entry.serve_name, timeout_s)
        addresses = _probed(entry.serve_name, replicas)
        _switch(entry.model_copy(update={"addresses": addresses}), settings)
    address = settings.grpc_address if edge.running(edge_folder(settings)) else None
    return Deployed(name=name, address=address or addresses[0], model=model, version=version)


def _prepared(
    model_uri: str, settings: Settings, device: str, program: Path | None
) -> tuple[dict[str, Any], str, str]:
    """The replicas' arguments for a model, its name and its version.

    The predictor is loaded once here, so that what cannot be served is refused in the open and
    before anything starts.
    """
    from striate.serve.apps.photos import named
    from striate.serve.predictors import load_tagging

    bundle, registered = fetch(model_uri, settings)
    if device not in {"cpu", "cuda"}:
        program = program or program_for(bundle, device, settings)
    load_tagging(bundle, "cpu" if device == "cuda" else device, program=program)
    args = {
        "model": registered.uri if registered else str(bundle.path.absolute()),
        "device": device,
        "program": program.absolute() if program else None,
        "tracking_uri": settings.tracking_uri,
        "home": settings.home,
    }
    return args, *named(bundle, registered)


def undeploy(name: str, settings: Settings) -> None:
    """Take an application down: it loses its traffic, drains, and ends.

    Raises:
        UnknownName: nothing of that name is deployed.
        PlatformError: the cluster does not answer.
    """
    folder = edge_folder(settings)
    with _lock(folder):
        table = read_table(folder)
        entry = table.find(name)
        if entry is None:
            raise UnknownName.of("deployed application", name, [app.name for app in table.apps])
        cluster.connect(settings)
        write_table(folder, table.without(name))
        edge.reload(folder)
        cluster.delete(entry.serve_name)


def list_apps(settings: Settings) -> list[AppStatus]:
    """The deployed applications, the edge's default first.

    Raises:
        PlatformError: the cluster does not answer.
    """
    table = read_table(edge_folder(settings))
    if not table.apps:
        return []
    cluster.connect(settings)
    known = cluster.statuses()
    gone = ("GONE", "Serve does not know it any more; deploy it again.")
    found = [(app, *known.get(app.serve_name, gone)) for app in table.apps]
    return [AppStatus(app=app, status=status, message=message) for app, status, message in found]


def device_of(pool: str | None) -> str:
    """The device of a pool: ``cpu``, ``cuda``, or a chip's name."""
    if pool is None or pool == "cpu":
        return "cpu"
    return "cuda" if pool == "gpu" else pool.removeprefix("chip:")


def _actor_options(pool: str | None) -> dict[str, Any]:
    """Ray's options for a replica; on a chip or GPU it claims a whole one."""
    if pool is None:
        return {"num_cpus": CPUS}
    from striate.accelerators.pools import pool_options

    return {"num_cpus": CPUS, **pool_options(pool, CPUS if pool == "cpu" else 1)}


def _make_room(entry: DeployedApp, settings: Settings) -> None:
    """End the running version first where a chip or GPU has no room for both.

    Calls wait at the edge meanwhile, as they do while a replica restarts.
    """
    old = read_table(edge_folder(settings)).find(entry.name)
    if old is None or old.pool in {None, "cpu"} or device_of(old.pool) != device_of(entry.pool):
        return
    from striate.accelerators.pools import read_pools

    name = old.pool.removeprefix("chip:") if old.pool else ""
    free = sum(pool.free for pool in read_pools() if pool.name == name)
    if free < entry.replicas:
        cluster.delete(old.serve_name)


def _switch(entry: DeployedApp, settings: Settings) -> None:
    """Give `entry` the traffic of its name, then end what had it."""
    folder = edge_folder(settings)
    table = read_table(folder)
    old = table.find(entry.name)
    write_table(folder, table.with_app(entry))
    edge.reload(folder)
    if old is not None:
        cluster.delete(old.serve_name)


def _probed(serve_name: str, replicas: int) -> tuple[str, ...]:
    """The replicas' addresses, once a real call to each was answered."""
    from striate.serve.apps.photos import probe_image

    try:
        addresses = cluster.addresses(serve_name, replicas)
        for address in addresses:
            with Client(address, deadline_s=PROBE_S) as client:
                client.tag(probe_image(), top_k=1)
    except Exception:
        cluster.delete(serve_name)
        raise
    return addresses


def _free_port(table: Table) -> int:
    """A port that nothing here listens on and no deployed application has."""
    used = {int(address.rpartition(":")[2]) for app in table.apps for address in app.addresses}
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket(socket.AF_INET) as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
        if port not in used:
            return port
    raise PlatformError(f"No port from {PORTS.start} to {PORTS.stop - 1} is free.")


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """One deployment at a time: two would choose the same port, or lose each other's entry."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
