"""Does a service really answer? Asked over its own protocol, without importing its package."""

import json
import os
import socket
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

from striate.local import token

_TIMEOUT_S = 5.0
# A proxy of the environment is not asked for this machine's own addresses.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Unanswered(Exception):
    """A service did not answer, or not as it should; the text says how."""


def get(url: str, headers: dict[str, str] | None = None, timeout_s: float = _TIMEOUT_S) -> bytes:
    """The body of a web answer.

    Raises:
        Unanswered: there was none, or a status other than 200.
    """
    request = urllib.request.Request(url, headers=headers or {})
    try:
        with _direct.open(request, timeout=timeout_s) as answer:
            return bytes(answer.read())
    except (OSError, HTTPException, ValueError) as error:
        raise Unanswered(str(getattr(error, "reason", error))) from None


def mlflow(tracking_uri: str) -> None:
    """Ask MLflow for its default experiment: web server and database both answer.

    Raises:
        Unanswered: it does not.
    """
    get(f"{tracking_uri}/api/2.0/mlflow/experiments/get?experiment_id=0")


def ray_nodes(dashboard: str) -> list[dict[str, Any]]:
    """The living nodes, as Ray's state API tells them: labels, resources_total, is_head_node.

    Raises:
        Unanswered: the dashboard or the control service behind it does not answer.
    """
    secret = token.current(os.environ)
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    body = get(f"{dashboard}/api/v0/nodes?detail=1", headers)
    try:
        nodes = json.loads(body)["data"]["result"]["result"]
    except (ValueError, KeyError, TypeError):
        raise Unanswered("the dashboard's answer is not understood") from None
    return [node for node in nodes if node.get("state") == "ALIVE"]


def ray_head(dashboard: str) -> None:
    """Check that the head node has joined its own cluster.

    Raises:
        Unanswered: it has not.
    """
    if not any(node["is_head_node"] for node in ray_nodes(dashboard)):
        raise Unanswered("the head node has not joined")


def ray_chip(dashboard: str, name: str) -> None:
    """Check that a node labelled with the chip has joined.

    Raises:
        Unanswered: none has.
    """
    if not any(node.get("labels", {}).get("chip") == name for node in ray_nodes(dashboard)):
        raise Unanswered(f"the node of the chip {name} has not joined")


def listens(address: str) -> None:
    """Check that something accepts connections at ``host:port``.

    Raises:
        Unanswered: nothing does.
    """
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_TIMEOUT_S).close()
    except OSError as error:
        raise Unanswered(str(error)) from None
