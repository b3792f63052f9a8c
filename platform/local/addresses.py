"""Which ports the parts prefer, and the addresses by which their callers reach them."""

from collections.abc import Mapping

from striate.core.addresses import LOOPBACK, mapped_loopback, outward_address
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
    """Settings' names to addresses for callers on this machine.

    Args:
        host: the interface that the edge listens on; all else listens on loopback.
        chosen: ports by the names of `PREFERRED`.
    """
    return {
        "ray_address": mapped_loopback(chosen["ray"]),
        "ray_dashboard": f"http://{loopback.HOST}:{chosen['dashboard']}",
        "tracking_uri": f"http://{loopback.HOST}:{chosen['mlflow']}",
        "grpc_address": f"{reachable(host)}:{chosen['edge']}",
    }


def listening_host(part: str, edge_host: str) -> str:
    """The interface that a part of `PREFERRED` listens on: only the edge may leave loopback.

    The edge asks for TLS and tokens there; MLflow asks for neither, and Ray runs code.
    """
    return edge_host if part == "edge" else loopback.HOST


def others_host(host: str) -> str:
    """The name or address by which other machines reach a server that listens on `host`."""
    return outward_address() if host == "0.0.0.0" else host


def ray_program_note(addresses: Mapping[str, str]) -> str:
    """One sentence on what a Ray program that is not Striate's takes; empty where Ray needs none.

    Args:
        addresses: settings' names to addresses.
    """
    if outward_address() == LOOPBACK:
        return ""  # what Ray makes of 127.0.0.1
    return f"A Ray program of your own: RAY_ADDRESS='{addresses['ray_address']}'."


def tunnel(addresses: Mapping[str, str], host: str) -> str:
    """One sentence on how another machine reaches what stays on loopback.

    Args:
        addresses: settings' names to addresses.
        host: this machine as others reach it.
    """
    ports = [addresses[SETTING[name]].rpartition(":")[2] for name in ("mlflow", "dashboard")]
    forwards = " ".join(f"-L {port}:{loopback.HOST}:{port}" for port in ports)
    return (
        "MLflow and Ray listen on this machine alone; from another one, reach them by"
        f" `ssh -N {forwards} USER@{host}`."
    )
