"""Free ports, and who holds the others."""

import socket
import sys

import psutil

from striate.core.errors import PlatformError

_claims: dict[int, socket.socket] = {}
"""Ports that this process gave out, each with the name by which others see it."""


def pick(part: str, host: str, preferred: int, asked: int | None, taken: set[int]) -> int:
    """The port for a part: the one asked for, else the preferred one, else any free one.

    Args:
        part: the part's name, for the message.
        host: the interface that will be listened on.
        preferred: the port to take when it is free and none was asked for.
        asked: the port that the user insists on.
        taken: ports that were given out before; the chosen one is added.

    Raises:
        PlatformError: the port asked for is taken.
    """
    if asked is not None:
        if asked in taken or not (is_free(host, asked) and _claim(asked)):
            raise PlatformError(
                f"The port {asked} for {part} is taken{describe_holder(asked)}.",
                f"End that process, or give {part} another port.",
            )
        port = asked
    elif preferred not in taken and is_free(host, preferred) and _claim(preferred):
        port = preferred
    else:
        port = _any_free(host, taken)
    taken.add(port)
    return port


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a closing peer is no holder
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def find_holder(port: int) -> psutil.Process | None:
    """The process that listens on a port, if this user may see it."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN
            if listens and connection.pid and tuple(connection.laddr)[1:2] == (port,):
                return psutil.Process(connection.pid)
    except psutil.Error:
        return None
    return None


def describe_holder(port: int) -> str:
    """`` by NAME (process PID)``: who holds a port, as far as this user may see."""
    process = find_holder(port)
    if process is None:
        return " by another process"
    try:
        return f" by {process.name()} (process {process.pid})"
    except psutil.Error:
        return f" by the process {process.pid}"


def _any_free(host: str, taken: set[int]) -> int:
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((host, 0))
            except OSError as error:
                raise PlatformError(
                    f"Nothing can listen on {host}: {error.strerror}.",
                    "Name an interface of this machine.",
                ) from None
            port = int(probe.getsockname()[1])
        if port not in taken and _claim(port):
            return port


def _claim(port: int) -> bool:
    """Keep a port that nobody listens on yet from others who choose ports in this moment.

    A part listens seconds after its port was chosen, and a second Ray at the port of a first one
    ends with an error about sessions. The claim is a socket of Linux's abstract names, which all
    users of the machine see and which goes with this process.
    """
    if port in _claims or not sys.platform.startswith("linux"):
        return True
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        claim.bind(f"\0striate-port-{port}")
    except OSError:
        claim.close()
        return False
    _claims[port] = claim
    return True
