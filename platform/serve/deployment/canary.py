"""A new version comes up beside the one that runs, is tried, and takes its place or goes again.

The order keeps every call whole: the new version's replicas are up and have answered; the edge
knows them; one real question went through the edge to them; a share of the calls goes to them and
is watched; then all of the calls do, and only then the former version drains and ends. Whatever
fails before leaves the former version as it was.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from striate.core.errors import PlatformError, RolledBack
from striate.core.locks import try_lock
from striate.core.progress import OnProgress
from striate.serve.common.service_table import service_specs
from striate.serve.deployment import ray_serve
from striate.serve.deployment.canary_analysis import Bounds, find_objection
from striate.serve.deployment.probe import probe
from striate.serve.edge import control
from striate.serve.edge.app_table import AppTable, DeployedApp, read_table, table_lock, write_table
from striate.serve.observability.call_stats import CallStats, total

if TYPE_CHECKING:
    from ray.serve import Application

logger = logging.getLogger(__name__)

WHOLE = 100.0
LOOK_S = 1.0


@dataclass(frozen=True)
class CanaryTrial:
    """How a new version is tried beside the former one.

    Attributes:
        percent: the share of the calls that it takes.
        seconds: how long it is watched; 0 gives it all calls once it has answered a probe.
        bounds: what it must keep meanwhile.
    """

    percent: float = WHOLE
    seconds: float = 0.0
    bounds: Bounds = field(default_factory=Bounds)


def roll_out(
    version: DeployedApp,
    application: "Application",
    folder: Path,
    trial: CanaryTrial,
    timeout_s: float,
    on_progress: OnProgress,
) -> DeployedApp:
    """Bring a version up, try it, and give it the traffic of its name.

    Args:
        version: what comes up; its history is what it can be rolled back to.
        application: its Serve application.
        folder: the edge's folder.
        trial: how it is tried where another version runs.
        timeout_s: for its replicas to come up.
        on_progress: told what is waited for.

    Returns:
        The version as it stands in the table.

    Raises:
        RolledBack: it was watched and did not keep its bounds.
        PlatformError: it does not come up or answer. The former version has the traffic then.
    """
    on_progress(f"{version.name} comes up with {version.model} version {version.version}")
    ray_serve.run(application, version.serve_name, timeout_s)
    former = read_table(folder).find(version.name)
    try:
        version = locate_replicas(version)
        if former is None:
            give_traffic(folder, version)
            _probe_through_edge(folder, version, trial=False)
        else:
            _put_on_trial(folder, version, 0)
            _probe_through_edge(folder, version, trial=True)
            if trial.seconds:
                _put_on_trial(folder, version, trial.percent)
                watch(folder, version, trial, on_progress)
            _promote(folder, version)
    except BaseException:
        withdraw(folder, version, former)
        raise
    if former is not None:
        ray_serve.delete(former.serve_name, wait=False)
    return version


def locate_replicas(version: DeployedApp) -> DeployedApp:
    """The version with what its replicas say of themselves.

    Raises:
        PlatformError: none answers.
    """
    places = ray_serve.list_replicas(version.serve_name)
    if not places:
        raise PlatformError(f"No replica of {version.serve_name} says where it is.")
    services = places[0].services
    known = service_specs()
    return version.model_copy(
        update={
            "addresses": tuple(sorted({place.address for place in places})),
            "services": services,
            "declared": tuple(known[name] for name in services if name in known),
            "models": places[0].models,
            "deployed_unix_s": time.time(),
        }
    )


def watch(folder: Path, version: DeployedApp, trial: CanaryTrial, on_progress: OnProgress) -> None:
    """Watch the version on trial for as long as the trial lasts.

    It counts what its replicas answered, those that are gone included, and asks it through the
    edge besides, so that there is something to judge where nobody calls.

    Raises:
        RolledBack: it does not keep its bounds, a replica of it fails, or somebody withdrew it.
    """
    on_progress(
        f"{trial.percent:g} % of the calls go to version {version.version} for {trial.seconds:g} s"
    )
    latest: dict[str, CallStats] = {}
    deadline = time.monotonic() + trial.seconds
    while (left_s := deadline - time.monotonic()) > 0:
        time.sleep(min(LOOK_S, left_s))
        latest |= _read_stats(folder, version)
        _refuse(version, find_objection(total(latest.values()), trial.bounds, final=False))
    _refuse(version, find_objection(total(latest.values()), trial.bounds, final=True))


def give_traffic(folder: Path, version: DeployedApp) -> None:
    """Give a version the traffic of its name at once."""
    with table_lock(folder):
        write_table(folder, read_table(folder).with_app(version))
    control.reload(folder)


def withdraw(folder: Path, version: DeployedApp, former: DeployedApp | None = None) -> None:
    """Take a version out of the traffic, wherever it stands, and end it.

    Args:
        folder: the edge's folder.
        version: what goes.
        former: what has the traffic of its name again, should `version` have it.
    """
    with table_lock(folder):
        table = read_table(folder)
        entry = table.find(version.name)
        if entry is not None and entry.serve_name == version.serve_name:
            kept = table.with_app(former) if former else table.without(version.name)
            write_table(folder, kept)
        elif entry is not None and _on_trial(entry, version):
            write_table(folder, table.with_app(entry.settled()))
    control.reload(folder)
    ray_serve.delete(version.serve_name)


def next_serve_name(name: str, table: AppTable) -> str:
    """A name for Serve that nothing has: the application's, and a number that counts up."""
    entry = table.find(name)
    versions = (*entry.versions, *entry.history) if entry else ()
    used = {version.serve_name for version in versions} | set(ray_serve.states())
    own = (taken.rpartition(".") for taken in used)
    numbers = [int(number) for stem, _, number in own if stem == name and number.isdigit()]
    return f"{name}.{max(numbers, default=0) + 1}"


@contextmanager
def lock_app(folder: Path, name: str) -> Iterator[None]:
    """One change of an application at a time.

    Raises:
        PlatformError: another one is under way.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as file:
        if not try_lock(file):
            raise PlatformError(
                f"Another change of {name} is under way.",
                f"Wait for it, or take a version on trial back with: striate rollback {name}.",
            )
        yield


def _read_stats(folder: Path, version: DeployedApp) -> dict[str, CallStats]:
    """What the replicas have counted; a version that is in no state to count is refused."""
    entry = read_table(folder).find(version.name)
    if entry is None or not _on_trial(entry, version):
        raise RolledBack(f"Version {version.version} of {version.name} was withdrawn meanwhile.")
    state = ray_serve.states().get(version.serve_name)
    if state is None or state.status != "RUNNING":
        said = state.message if state else "Serve does not know it any more"
        _refuse(version, f"its replicas fail: {said}")
    try:
        if control.is_running(folder):
            probe(folder, version, trial=True, timeout_s=5.0)
        return ray_serve.read_call_stats(version.serve_name)
    except PlatformError as error:
        _refuse(version, error.message)
        raise


def _refuse(version: DeployedApp, reason: str | None) -> None:
    if reason is None:
        return
    raise RolledBack(
        f"Version {version.version} of {version.name} was taken back: {reason.rstrip('.')}.",
        "The former version has all calls again.",
    )


def _probe_through_edge(folder: Path, version: DeployedApp, *, trial: bool) -> None:
    """Without an edge the replicas' own inference, which Serve asks for, has to do."""
    if control.is_running(folder):
        probe(folder, version, trial=trial)


def _put_on_trial(folder: Path, version: DeployedApp, percent: float) -> None:
    with table_lock(folder):
        table = read_table(folder)
        entry = table.find(version.name)
        if entry is None:
            raise PlatformError(f"{version.name} was taken down meanwhile.")
        write_table(folder, table.with_app(entry.trying(version, percent)))
    control.reload(folder)


def _promote(folder: Path, version: DeployedApp) -> None:
    with table_lock(folder):
        table = read_table(folder)
        entry = table.find(version.name)
        if entry is None or not _on_trial(entry, version):
            raise RolledBack(
                f"Version {version.version} of {version.name} was withdrawn meanwhile."
            )
        write_table(folder, table.with_app(version))
    control.reload(folder)


def _on_trial(entry: DeployedApp, version: DeployedApp) -> bool:
    return entry.canary is not None and entry.canary.serve_name == version.serve_name
