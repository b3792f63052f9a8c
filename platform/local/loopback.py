"""Keeps every socket of a local Ray node on the loopback interface, and nodes apart on one disk.

`ray start` turns 127.0.0.1 into the machine's outward address, and then listens on every
interface. Its start hook sees the parameters after that step.
"""

from typing import Any, Final

from striate.core import ray_private

HOST: Final = "127.0.0.1"
HOOK: Final = "striate.local.loopback.bind"
_MAPPED: Final = "[::ffff:127.0.0.1]"


def bind(parameters: Any, head: bool) -> None:
    """Ray calls this with its `RayParams` before it starts the node's processes."""
    ray_private.bind_node(parameters, HOST, head)


def ray_address(host: str, port: int) -> str:
    """The address by which a driver reaches the control service.

    Ray rewrites the text ``127.0.0.1`` of a driver's address as it does a node's; the same
    address in its IPv6-mapped form (RFC 4291, section 2.5.5.2) is left alone.
    """
    return f"{_MAPPED if host == HOST else host}:{port}"
