"""Keeps every socket of a local Ray node on the loopback interface.

`ray start` turns 127.0.0.1 into the machine's outward address, and then listens on every
interface. Its start hook (``RAY_START_HOOK``) sees the parameters after that step.
"""

import os
from typing import Any, Final

HOST: Final = "127.0.0.1"
HOOK: Final = "striate.local.loopback.bind"
_MAPPED: Final = "[::ffff:127.0.0.1]"


def bind(parameters: Any, head: bool) -> None:
    """Ray calls this with its `RayParams` before it starts the node's processes."""
    parameters.node_ip_address = HOST
    parameters.ray_client_server_port = None  # drivers connect to the control service itself
    # Workers and submitted jobs then take 127.0.0.1 for what it is, too.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    os.environ.pop("RAY_START_HOOK", None)


def ray_address(host: str, port: int) -> str:
    """The address by which a driver reaches the control service.

    Ray rewrites the text ``127.0.0.1`` of a driver's address as it does a node's; the same
    address in its IPv6-mapped form (RFC 4291, section 2.5.5.2) is left alone.
    """
    return f"{_MAPPED if host == HOST else host}:{port}"
