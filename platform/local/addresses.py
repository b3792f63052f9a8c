"""Which ports the parts prefer, and the addresses by which their callers reach them."""

import socket
from collections.abc import Mapping

from striate.local import loopback

PREFERRED = {"mlflow": 5000, "dashboard": 8265, "edge": 9000, "ray": 6379}
SETTING = {
    "mlflow": "tracking_uri",
    "dashboard": "ray_dashboard",
    "edge": "grpc_address",
    "ray": "ray_address",
}


def reachable(host: str) -> str:
    """An address of this machine that reaches a server listening on `host`."""
    return loopback.HOST if host == "0.0.0.0" else host


def addresses_of(host: str, chosen: Mapping[str, int]) -> dict[str, str]:
    """Settings' names to addresses; `chosen` has ports by the names of `PREFERRED`."""
    near = reachable(host)
    control = _outward() if host == "0.0.0.0" else host
    return {
        "ray_address": loopback.ray_address(control, chosen["ray"]),
        "ray_dashboard": f"http://{near}:{chosen['dashboard']}",
        "tracking_uri": f"http://{near}:{chosen['mlflow']}",
        "grpc_address": f"{near}:{chosen['edge']}",
    }


def _outward() -> str:
    """The address of the interface that leads outward; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe_socket:
        try:
            probe_socket.connect(("192.0.2.1", 9))  # TEST-NET-1, RFC 5737
        except OSError:
            return loopback.HOST
        return str(probe_socket.getsockname()[0])
