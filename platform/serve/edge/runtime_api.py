"""Changes to a running edge, without a reload: servers come, drain and go; shares and tokens.

Each function brings HAProxy to what the files of the edge's folder say already, or will: so a
process that is started anew has the truth.
"""

import csv
import io
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from socket import AF_INET6, SOCK_STREAM

from striate.core.errors import PlatformError
from striate.core.retry import wait_until
from striate.serve.edge.backends import SERVER, server_name
from striate.serve.edge.constants import ADMIN_SOCKET
from striate.serve.edge.control_socket import command

HOLD = "hold"
_POLL_S = 0.05


@dataclass(frozen=True)
class Server:
    """A replica as the edge knows it.

    Attributes:
        backend: where it stands.
        name: HAProxy's name of it.
        status: ``UP``, ``DOWN``, ``DRAIN``, ``MAINT`` …, as HAProxy says it.
        calls: in flight.
    """

    backend: str
    name: str
    status: str
    calls: int


def servers(folder: Path) -> list[Server]:
    """The replicas of every backend.

    Raises:
        PlatformError: no edge runs in the folder.
    """
    rows = _statistics(folder)
    return [
        Server(row["pxname"], row["svname"], row["status"], int(row["scur"]) + int(row["qcur"]))
        for row in rows
        if row["svname"] not in {"FRONTEND", "BACKEND", HOLD}
    ]


def count_queued(folder: Path) -> dict[str, int]:
    """Calls that wait for a replica, by application; those without a living one are listed.

    Raises:
        PlatformError: no edge runs in the folder.
    """
    rows = _statistics(folder)
    living = {
        row["pxname"]
        for row in rows
        if row["svname"] not in {"FRONTEND", "BACKEND", HOLD} and row["status"].startswith("UP")
    }
    return {
        row["pxname"].removeprefix("app-"): int(row["scur"]) + int(row["qcur"])
        for row in rows
        if row["svname"] == "BACKEND"
        and row["pxname"].startswith("app-")
        and row["pxname"] not in living
    }


def set_servers(folder: Path, backend: str, addresses: Collection[str]) -> None:
    """Give a backend these replicas: new ones take calls, others finish theirs and go.

    A replica with calls in flight stays, draining, until a later call of this function finds it
    without.

    Raises:
        PlatformError: HAProxy refuses an address, or no edge runs in the folder.
    """
    wanted = {server_name(address): address for address in addresses}
    present = {server.name: server for server in servers(folder) if server.backend == backend}
    for name, address in wanted.items():
        if name not in present:
            _add(folder, f"{backend}/{name}", address)
        elif not present[name].status.startswith(("UP", "DOWN", "no check")):
            _do(folder, f"set server {backend}/{name} state ready")
    for name, server in present.items():
        if name not in wanted:
            _retire(folder, server)


def retire(folder: Path, wanted: Collection[tuple[str, str]]) -> bool:
    """Let go of replicas that are not among those wanted, given by backend and name.

    Returns:
        Whether some of them still have calls in flight.

    Raises:
        PlatformError: no edge runs in the folder.
    """
    ending = [s for s in servers(folder) if (s.backend, s.name) not in wanted]
    for server in ending:
        _retire(folder, server)
    return any(server.calls for server in ending)


def drain(folder: Path, address: str, wait_s: float) -> bool:
    """Send no more calls to a replica, and wait for those in flight.

    Returns:
        Whether none is left.

    Raises:
        PlatformError: no edge runs in the folder.
    """
    name = server_name(address)
    for server in servers(folder):
        if server.name == name:
            _do(folder, f"set server {server.backend}/{name} state drain")

    def is_idle() -> bool:
        return not any(server.calls for server in servers(folder) if server.name == name)

    return wait_until(is_idle, wait_s, _POLL_S)


def set_map(folder: Path, file: str, wanted: Mapping[str, str]) -> None:
    """Give a map of the configuration these entries.

    Raises:
        PlatformError: HAProxy refuses, or no edge runs in the folder.
    """
    rows = [line.split(maxsplit=2) for line in _do(folder, f"show map {file}").splitlines()]
    present = {row[1]: row[2] for row in rows if len(row) == 3}
    for key in present.keys() - wanted.keys():
        _do(folder, f"del map {file} {key}")
    for key, value in wanted.items():
        if key not in present:
            _do(folder, f"add map {file} {key} {value}")
        elif present[key] != value:
            _do(folder, f"set map {file} {key} {value}")


def set_certificate(folder: Path, file: Path) -> None:
    """Let new connections see what a certificate's file holds now.

    Raises:
        PlatformError: HAProxy refuses it, or no edge runs in the folder.
    """
    _do(folder, f"set ssl cert {file} <<\n{file.read_text().strip()}\n")
    said = _do(folder, f"commit ssl cert {file}")
    if "Success" not in said:
        raise PlatformError(f"The gRPC edge refuses the certificate {file}.", said.strip())


def _add(folder: Path, server: str, address: str) -> None:
    said = _do(folder, f"add server {server} {_numeric(address)} {SERVER}")
    if "registered" not in said:
        raise PlatformError(f"The gRPC edge refuses the replica {address}.", said.strip())
    _do(folder, f"enable health {server}; enable server {server}")


def _numeric(address: str) -> str:
    """The address with its host as a number: HAProxy resolves names only when it starts.

    Raises:
        PlatformError: nobody knows the host.
    """
    host, _, port = address.rpartition(":")
    try:
        family, *_, place = socket.getaddrinfo(host.strip("[]"), int(port), type=SOCK_STREAM)[0]
    except (OSError, OverflowError):
        raise PlatformError(f"The gRPC edge refuses the replica {address}.") from None
    return f"[{place[0]}]:{port}" if family == AF_INET6 else f"{place[0]}:{port}"


def _retire(folder: Path, server: Server) -> None:
    name = f"{server.backend}/{server.name}"
    if server.calls:
        _do(folder, f"set server {name} state drain")
        return
    _do(folder, f"set server {name} state maint; del server {name}")


def _statistics(folder: Path) -> list[dict[str, str]]:
    text = _do(folder, "show stat").removeprefix("# ")
    return list(csv.DictReader(io.StringIO(text)))


def _do(folder: Path, text: str) -> str:
    try:
        return command(folder, ADMIN_SOCKET, text)
    except OSError:
        raise PlatformError("The gRPC edge does not run.", "Run `striate up`.") from None
