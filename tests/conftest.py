"""Fixtures of every package's tests, and what holds for each test."""

import fcntl
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# Ray reads these when it is imported: a token for this session's clusters alone.
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch must leave a core to Ray and MLflow
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # a thread that waits leaves its core to others
os.environ.setdefault("PYTHONWARNINGS", "ignore")  # of the engines' own processes

from striate.core.settings import ENVIRONMENT, Settings

MARKERS = {"unit", "cluster", "e2e", "gpu"}
STRIATE = str(Path(sys.executable).with_name("striate"))
CHIP = "anna-talk"
MakeFolder = Callable[[Path], None]

hypothesis.settings.register_profile("striate", deadline=None)  # no test depends on speed
hypothesis.settings.load_profile("striate")


@dataclass(frozen=True)
class Platform:
    """A local platform that runs.

    Attributes:
        home: its folder.
        settings: its addresses.
        environment: variables for a subprocess `striate …` that shall use it.
    """

    home: Path
    settings: Settings
    environment: dict[str, str] = field(repr=False)

    def run(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `striate *args`; a failure that is not expected shows what it printed."""
        return striate(*args, environment=self.environment, check=check)


def striate(
    *args: str, environment: dict[str, str], check: bool = True, timeout_s: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run the `striate` command and capture what it prints."""
    done = subprocess.run(
        [STRIATE, *args], env=environment, capture_output=True, text=True, timeout=timeout_s
    )
    if check and done.returncode:
        raise AssertionError(
            f"striate {' '.join(args)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
    return done


def clean_environment(home: Path) -> dict[str, str]:
    """This process's variables without any address; the command finds them for itself."""
    without = {*ENVIRONMENT.values(), "RAY_AUTH_MODE"}
    values = {name: value for name, value in os.environ.items() if name not in without}
    return {**values, "STRIATE_HOME": str(home), "COLUMNS": "160"}


@pytest.fixture(scope="session")
def newcomer() -> Callable[[Path], dict[str, str]]:
    """Gives the variables of who has the folder as home and no platform: ``newcomer(home)``.

    This process's own lead to the session's platform, once a test has asked for `ray_cluster`.
    """
    return clean_environment


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder with a short path: Ray's sockets lie under it."""
    folder = Path(tempfile.mkdtemp(prefix="st-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def platform(short_folder: Path) -> Iterator[Platform]:
    """A real local platform with free ports and one emulated chip, ended with the session."""
    home = short_folder / "h"
    environment = clean_environment(home)
    ports = [f"--{name}-port={free_port()}" for name in ("mlflow", "dashboard", "edge", "ray")]
    try:
        striate("up", "--chip", CHIP, *ports, environment=environment)
        settings = Settings.load({"STRIATE_HOME": str(home)})
        known = {variable: getattr(settings, name) for name, variable in ENVIRONMENT.items()}
        addresses = {
            variable: str(value) for variable, value in known.items() if value not in (None, ())
        }
        yield Platform(home, settings, {**environment, **addresses})
    finally:
        striate("down", environment=environment)


@pytest.fixture(scope="session")
def ray_cluster(platform: Platform) -> Iterator[Platform]:
    """The platform, with this process connected to its Ray."""
    import ray

    names = [name for name in ENVIRONMENT.values() if name in platform.environment]
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({name: platform.environment[name] for name in names})
    ray.init(address=platform.settings.ray_address, log_to_driver=False, logging_level="ERROR")
    yield platform
    ray.shutdown()
    for name, value in before.items():
        os.environ.pop(name, None) if value is None else os.environ.update({name: value})


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, MakeFolder], Path]:
    """Makes a folder once, however many processes the session has: ``made_once(name, make)``.

    The first to ask makes it, under another name until it is whole, and the others wait for it.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made-once"
    shared.mkdir(exist_ok=True)

    def make_once(name: str, make: MakeFolder) -> Path:
        folder = shared / name
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                unfinished = Path(tempfile.mkdtemp(dir=shared))
                make(unfinished)
                unfinished.rename(folder)
        return folder

    return make_once


@pytest.fixture(scope="session")
def digits_shards(made_once: Callable[[str, MakeFolder], Path]) -> Path:
    """Shards of scikit-learn's handwritten digits; not to be changed."""
    from striate.data.ingest.ingest import ingest

    def make(folder: Path) -> None:
        ingest("digits", folder / "idx", folder / "shards", workers=1)

    return made_once("digits", make) / "shards"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"no mount command: {error}")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test says what it needs; one that needs a GPU is skipped where there is none."""
    for item in items:
        carried = {mark.name for mark in item.iter_markers()} & MARKERS
        if len(carried) != 1:
            wanted = ", ".join(sorted(MARKERS))
            raise pytest.UsageError(f"{item.nodeid} must carry exactly one marker of {wanted}.")
    needy = [item for item in items if item.get_closest_marker("gpu")]
    if needy and not _has_gpu():
        for item in needy:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def pytest_unconfigure(config: Any) -> None:
    """Leave Ray before Python ends, also when a test failed."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        ray.shutdown()
