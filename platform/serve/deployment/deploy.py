"""Deploy, roll back, list and take down applications.

A new version never replaces a running one in place: it starts beside it under a Serve name of its
own, answers a real call through the edge, and only then takes the traffic, or a share of it first;
the former one drains and ends. So a version that does not start, or does not answer, never gets a
call. What each version was made of stays in the table, so that it can be brought up again.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from striate.core.errors import UsageError
from striate.core.progress import OnProgress
from striate.core.settings import Settings
from striate.serve.deployment import ray_serve
from striate.serve.deployment.canary import CanaryTrial, lock_app, withdraw
from striate.serve.deployment.ray_serve import AppState
from striate.serve.deployment.resolve import device_of, resolve_models
from striate.serve.deployment.start import Deployed, describe_deployed, find_app, start_version
from striate.serve.edge import control
from striate.serve.edge.app_table import (
    DeployedApp,
    edge_folder,
    read_table,
    table_lock,
    write_table,
)
from striate.serve.edge.config import check_name

__all__ = ["AppStatus", "Deployed", "deploy", "list_apps", "rollback", "undeploy"]


class AppStatus(BaseModel):
    """An application and Serve's word on it.

    Attributes:
        app: the application as the table has it.
        status: ``RUNNING``, ``UNHEALTHY``, ``GONE``, …
        message: why, when something is wrong.
        running: replicas that are up.
        wanted: replicas that are up or on their way.
    """

    model_config = ConfigDict(frozen=True)

    app: DeployedApp
    status: str
    message: str = ""
    running: int = 0
    wanted: int = 0


def deploy(
    app: str,
    model_uri: str | Sequence[str],
    settings: Settings,
    *,
    name: str | None = None,
    pool: str | None = None,
    replicas: int | str = 1,
    trial: CanaryTrial | None = None,
    timeout_s: float = 180.0,
    program: Path | None = None,
    wait: bool = False,
    on_progress: OnProgress = lambda _: None,
    **options: Any,
) -> Deployed:
    """Deploy a model, or put a new version in the place of a running one.

    Args:
        app: kind of application, a name in `striate.serve.apps.app_kinds.ALL_APPS`.
        model_uri: as `striate.core.registry.fetch` takes it; an alias is pinned to its version.
            Several for a kind that takes several, each as ``ROLE=URI`` where they differ in role.
        settings: the cluster, MLflow, and the edge's address.
        name: what callers ask for; `app` when None.
        pool: where it runs: ``cpu``, ``gpu``, ``chip:NAME``; None leaves it to Ray.
        replicas: how many, or ``MIN:MAX`` to follow the load.
        trial: how it is tried beside the version that runs; None gives it the traffic as soon as
            it has answered a probe through the edge.
        timeout_s: for the replicas to come up.
        program: for a chip's pool, the model's program; None compiles it, once.
        wait: wait for room that others hold, and for replicas, for as long as it takes.
        on_progress: told what is waited for.
        options: further arguments of the kind's.

    Raises:
        UnknownName: no such application or model.
        UsageError: the application does not take such models, replicas or options.
        BundleError: the bundle or program is damaged or not for this application.
        PlacementError: the cluster has no such pool, or others hold the room in it.
        UnsupportedLayer: the chip cannot run the model.
        RolledBack: the new version was tried and did not keep its bounds.
        PlatformError: the cluster, MLflow or the new version does not answer.
    """
    from striate.serve.apps.app_kinds import ALL_APPS

    kind = ALL_APPS.find(app)
    check_name(name := name or app)
    models = (model_uri,) if isinstance(model_uri, str) else tuple(model_uri)
    made = resolve_models(kind, models, settings, device_of(pool), program, options)
    version = DeployedApp(
        name=name,
        app=app,
        serve_name="",
        model_uri=made.model_uri,
        aliases=made.aliases,
        model=made.model,
        version=made.version,
        pool=pool,
        replicas=_checked_replicas(replicas),
        arguments=made.arguments,
        deployed_unix_s=time.time(),
    )
    ray_serve.connect(settings)
    folder = edge_folder(settings.home)
    with lock_app(folder, name):
        _forget_trial(folder, name)
        former = read_table(folder).find(name)
        following = former.followed_by(version) if former else version
        return start_version(
            following, settings, trial or CanaryTrial(), timeout_s, on_progress, wait
        )


def undeploy(name: str, settings: Settings) -> None:
    """Take an application down: it loses its traffic, drains, and ends.

    Raises:
        UnknownName: nothing of that name is deployed.
        PlatformError: the cluster does not answer.
    """
    folder = edge_folder(settings.home)
    entry = find_app(name, folder)
    ray_serve.connect(settings)
    with table_lock(folder):
        write_table(folder, read_table(folder).without(name))
    control.reload(folder)
    for version in entry.versions:
        ray_serve.delete(version.serve_name)


def rollback(
    name: str,
    settings: Settings,
    *,
    timeout_s: float = 180.0,
    wait: bool = False,
    on_progress: OnProgress = lambda _: None,
) -> Deployed:
    """Go back to the version before, or take back the one that is on trial.

    The version before comes up again from what it was made of, and takes over as any new version
    does: no call is refused or cut.

    Raises:
        UnknownName: nothing of that name is deployed.
        UsageError: there is no version before.
        PlacementError: others hold the room that it needs, and it is not to `wait` for it.
        PlatformError: the cluster or the version before does not answer; what ran runs on.
    """
    folder = edge_folder(settings.home)
    ray_serve.connect(settings)
    entry = find_app(name, folder)
    if entry.canary is not None:
        on_progress(f"version {entry.canary.version}, which is on trial, is taken back")
        withdraw(folder, entry.canary)
        return describe_deployed(entry, settings)
    with lock_app(folder, name):
        entry = find_app(name, folder)
        if not entry.history:
            raise UsageError(f"{name} has no version before {entry.version}.")
        former = entry.history[-1].model_copy(update={"history": entry.history[:-1]})
        return start_version(former, settings, CanaryTrial(), timeout_s, on_progress, wait)


def list_apps(settings: Settings) -> list[AppStatus]:
    """The deployed applications, the edge's default first.

    Raises:
        PlatformError: the cluster does not answer.
    """
    table = read_table(edge_folder(settings.home))
    if not table.apps:
        return []
    ray_serve.connect(settings)
    known = ray_serve.states()
    gone = AppState("GONE", "Serve does not know it any more; deploy it again.")
    listed = [(app, known.get(app.serve_name, gone)) for app in table.apps]
    return [
        AppStatus(
            app=app,
            status=state.status,
            message=state.message,
            running=state.running,
            wanted=state.wanted,
        )
        for app, state in listed
    ]


def _forget_trial(folder: Path, name: str) -> None:
    """Withdraw what a deployment that was cut off has left on trial."""
    entry = read_table(folder).find(name)
    if entry is not None and entry.canary is not None:
        withdraw(folder, entry.canary)


def _checked_replicas(replicas: int | str) -> int | str:
    from striate.serve.apps.replica import replica_range

    try:
        replica_range(replicas)
    except ValueError as error:
        raise UsageError(f"The number of replicas {replicas!r} is wrong: it {error}.") from None
    return replicas
