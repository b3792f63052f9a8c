"""Keeps every socket of a local Ray node on the loopback interface, and nodes apart on one disk.

`ray start` turns 127.0.0.1 into the machine's outward address, and then listens on every
interface. Its start hook sees the parameters after that step.
"""

from typing import Any, Final

from striate.core import ray_private
from striate.core.addresses import LOOPBACK

HOST: Final = LOOPBACK
HOOK: Final = "striate.local.loopback.bind"


def bind(parameters: Any, head: bool) -> None:
    """Ray calls this with its `RayParams` before it starts the node's processes."""
    ray_private.bind_node(parameters, HOST, head)
