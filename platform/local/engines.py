"""The parts of the local platform: how each is started, and when it is ready.

Each process is one that its own project documents: ``mlflow server``, ``ray start --block``, and
HAProxy. What Striate adds is the environment that keeps them quick, quiet and on loopback.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import psutil

from striate.accelerators.placement.pools import chip_resource
from striate.core import ray_private
from striate.local import loopback, processes
from striate.local.folders import keep_private
from striate.local.security import EdgeSecurity, tls_of
from striate.local.state import PlatformProcess
from striate.serve.edge.app_table import TABLE_FILE, edge_folder
from striate.serve.edge.constants import DRAINING_FILE, LIVING_FILE

_HEAD_STORE_BYTES = 2 << 30
_CHIP_STORE_BYTES = 80_000_000  # Ray's least is 75 MB
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    ray_private.COLLECT_METRICS: "0",  # nothing here scrapes it
    ray_private.LOOK_FOR_LOGS_OFTEN: "0",  # else two nodes cost 5 % of a core and more, idle or not
    ray_private.DRAIN_WITHIN_S: "2",  # a whole local platform has nowhere to drain to
    ray_private.DRAIN_POLL_S: "0.1",
    # Ray's 15 would put replicas behind HAProxy and their callers wherever they share cores, at the
    # cost of a quarter of the calls; what may well wait (training) lowers itself.
    ray_private.WORKER_NICENESS: "0",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "PYTHONUNBUFFERED": "1",  # a log's last line is there when its process dies
}
# What a run's workers open to each other; else it is where the host's name leads.
_NEAR = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
# Addresses are settings of clients; a server that inherits another platform's would follow them.
_NOT_INHERITED = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "MLFLOW_TRACKING_URI", "RAY_NAMESPACE")


def environment(base: Mapping[str, str], home: Path, mark: str) -> dict[str, str]:
    """The environment of the platform's processes."""
    values = {name: value for name, value in base.items() if name not in _NOT_INHERITED}
    scripts = str(Path(sys.executable).parent)
    direct = ",".join(filter(None, [base.get("no_proxy"), "127.0.0.1", "localhost"]))
    return {
        **values,
        **{name: base.get(name, value) for name, value in _QUIET.items()},
        **_NEAR,
        processes.MARK: mark,
        "STRIATE_HOME": str(home),
        "PATH": f"{scripts}{os.pathsep}{base.get('PATH', os.defpath)}",  # for submitted jobs
        "no_proxy": direct,
        "NO_PROXY": direct,
    }


def log_of(home: Path, name: str) -> Path:
    """The file that holds a part's output."""
    return home / "logs" / f"{name.replace(':', '-')}.log"


def start_mlflow(home: Path, port: int, variables: Mapping[str, str]) -> PlatformProcess:
    """MLflow's tracking server and registry on SQLite, artifacts through the server.

    It asks nobody for a token, so it listens on loopback whatever the edge listens on.
    """
    command = [
        _script("mlflow"), "server", "--host", loopback.HOST, "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{home / 'mlflow.db'}",
        "--serve-artifacts", "--artifacts-destination", str(home / "mlflow-artifacts"),
    ]  # fmt: skip
    return processes.start("mlflow", command, variables, log_of(home, "mlflow"), port)


def start_ray(
    home: Path, port: int, dashboard_port: int, cpus: int, variables: Mapping[str, str]
) -> PlatformProcess:
    """The head node: control service, dashboard and job server, and `cpus` logical CPUs."""
    command = [
        *_ray_start(home), "--head", "--port", str(port), "--num-cpus", str(cpus),
        "--dashboard-host", loopback.HOST, "--dashboard-port", str(dashboard_port),
        "--object-store-memory", str(_store_bytes()), "--disable-usage-stats",
        "--no-monitor",  # the autoscaler's: there is no machine to add
    ]  # fmt: skip
    return processes.start("ray", command, _hooked(variables), log_of(home, "ray"), port)


def start_chip(
    home: Path, address: str, chip: str, count: int, variables: Mapping[str, str]
) -> PlatformProcess:
    """A second node that offers `count` emulated chips, and one CPU for each."""
    resources = json.dumps({chip_resource(chip): count})
    command = [
        *_ray_start(home), "--address", address, "--num-cpus", str(count),
        "--resources", resources, "--labels", f"chip={chip}",
        "--object-store-memory", str(_CHIP_STORE_BYTES),
    ]  # fmt: skip
    name = f"chip:{chip}"
    return processes.start(name, command, _hooked(variables), log_of(home, name))


def start_edge(
    home: Path, host: str, port: int, security: EdgeSecurity, variables: Mapping[str, str]
) -> PlatformProcess:
    """The gRPC edge before the replicas, which it follows."""
    from striate.serve.edge import control

    folder = edge_folder(home)
    pid = control.start(
        folder, host, port, tls=tls_of(security, host, folder), token_file=security.token_file,
        follow=True, environment=variables,
    )  # fmt: skip
    log = folder / control.LOG_FILE
    created_s = psutil.Process(pid).create_time()
    return PlatformProcess(name="edge", pid=pid, created_s=created_s, port=port, log=str(log))


def forget_routes(home: Path) -> None:
    """Drop the edge's routes to the applications of a cluster that is gone."""
    for name in (TABLE_FILE, LIVING_FILE, DRAINING_FILE):
        (edge_folder(home) / name).unlink(missing_ok=True)


def ray_folder(home: Path) -> Path:
    """Ray's folder: in `home`, or in a short private one when the path would be too long."""
    folder = home / "ray"
    if len(str(folder)) > ray_private.FOLDER_BYTES:
        digest = sha256(str(home).encode()).hexdigest()[:8]
        folder = Path(tempfile.gettempdir()) / f"striate-{os.getuid()}-{digest}" / "r"
    return folder


def prepare_ray_folder(home: Path) -> None:
    """Make Ray's folder in a private one, without the sessions of before but the last.

    Ray lets everybody into its folder itself, whatever its mode was.

    Raises:
        PlatformError: the private folder belongs to somebody else.
    """
    folder = ray_folder(home)
    keep_private(folder.parent, link=folder.parent == home)
    folder.mkdir(exist_ok=True)
    for session in sorted(folder.glob("session_2*"))[:-1]:
        shutil.rmtree(session, ignore_errors=True)


def _ray_start(home: Path) -> list[str]:
    return [
        _script("ray"), "start", "--block", "--temp-dir", str(ray_folder(home)),
        "--dashboard-agent-listen-port", "0",
        # Workers listen where the kernel lets them, not on Ray's own range of 10002 to 19999.
        "--min-worker-port", "0", "--max-worker-port", "0",
        "--log-style", "record", "--log-color", "false",
    ]  # fmt: skip


def _hooked(variables: Mapping[str, str]) -> dict[str, str]:
    return {**variables, ray_private.START_HOOK: loopback.HOOK}


def _store_bytes() -> int:
    """The head's object store: at most a third of the shared memory that is free."""
    free = shutil.disk_usage("/dev/shm").free if Path("/dev/shm").is_dir() else 0
    return max(_CHIP_STORE_BYTES, min(_HEAD_STORE_BYTES, free // 3))


def _script(name: str) -> str:
    """A command of this very Python environment, whatever PATH says."""
    return str(Path(sys.executable).with_name(name))
