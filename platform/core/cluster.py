"""Connecting this process to a Ray cluster: at once, or with one sentence on why not."""

import logging
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from striate.core import ray_private
from striate.core.addresses import (
    is_loopback,
    mapped_loopback,
    outward_address,
    plain_address,
    plain_host,
)
from striate.core.errors import PlatformError
from striate.core.extension_files import cluster_environment

_REMEDY = "Run `striate up`, or check RAY_ADDRESS."
_TOKEN_REMEDY = (
    "Set RAY_AUTH_MODE=token before Ray is imported, and RAY_AUTH_TOKEN for another user's cluster."
)


def connect(address: str | None, remedy: str = _REMEDY, **options: Any) -> None:
    """Connect this process to a cluster, unless it is connected to one already.

    What this process starts there, replicas among it, finds the same extensions.

    Args:
        address: `host:port` of the control service, ``auto``, ``local`` for a private cluster of
            this process, or None when none is known.
        remedy: what the user can do when there is no connection.
        options: further arguments of `ray.init`.

    Raises:
        PlatformError: no address is known, nothing answers there, or the cluster refuses.
    """
    import ray

    if ray.is_initialized():
        return
    if address is None:
        raise PlatformError("No Ray cluster is known.", remedy)
    address = _as_ray_takes_it(address, remedy)
    if extensions := cluster_environment():
        options["runtime_env"] = extensions
    # `logging_level` comes too late for what `ray.init` says of SIGTERM in another thread.
    logging.getLogger("ray").setLevel(logging.ERROR)
    ray_private.tell_on_stderr()
    try:
        with _sigterm_kept():
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        said = f"The Ray cluster at {plain_address(address)} does not take this process"
        if _asks_for_token(error):
            raise PlatformError(f"{said}: it asks for its token.", _TOKEN_REMEDY) from error
        raise PlatformError(f"{said}.", remedy) from error


def _asks_for_token(error: BaseException | None) -> bool:
    """Ray keeps the reason in the text of an error's cause."""
    while error is not None:
        if "AuthenticationError" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def connection(address: str | None, remedy: str = _REMEDY, **options: Any) -> Iterator[None]:
    """A connection for the block; one that was there before stays.

    Raises:
        PlatformError: as `connect`.
    """
    import ray

    before = ray.is_initialized()
    connect(address, remedy, **options)
    try:
        yield
    finally:
        if not before:
            ray.shutdown()


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Ray puts a handler of its own on SIGTERM that ends the process without cleaning up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _as_ray_takes_it(address: str, remedy: str) -> str:
    """The address in the form that leads Ray there, once something answers at it.

    Ray waits long for a cluster that is gone; a connection tells at once. Ray takes a loopback
    address for the machine's outward one, where a platform that keeps to loopback is not.

    Raises:
        PlatformError: nothing answers there.
    """
    host, _, port = address.rpartition(":")
    if not port.isdigit() or "/" in host:  # "auto", "local", or a Ray client's address
        return address
    host = plain_host(host).strip("[]")
    if not _answers(host, int(port)):
        raise PlatformError(f"The Ray cluster at {plain_address(address)} does not answer.", remedy)
    if is_loopback(host) and not _answers(outward_address(), int(port)):
        return mapped_loopback(int(port))
    return address


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True
