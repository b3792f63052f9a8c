"""Knocks at every port of this network namespace: ``python knock.py ADDRESS EDGE_PORT CA_FILE``.

Prints one JSON document: the ports that accept a connection at ADDRESS, how many listen at all,
and what the edge says to a plain-text request and to a call over TLS without a token.
"""

import json
import socket
import sys
from pathlib import Path
from typing import Any

import grpc
import psutil
from grpc_health.v1 import health_pb2


def main(address: str, edge_port: int, authority: Path) -> None:
    """Knock and print."""
    listening = sorted(
        {
            connection.laddr.port
            for connection in psutil.net_connections("tcp")
            if connection.laddr and connection.status == psutil.CONN_LISTEN
        }
    )
    answer = {
        "listening": len(listening),
        "open": [port for port in listening if _accepts(address, port)],
        "plain": _plain(address, edge_port),
        "status": _status(f"{address}:{edge_port}", authority),
    }
    print(json.dumps(answer))


def _accepts(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True


def _plain(address: str, port: int) -> str:
    with socket.create_connection((address, port), timeout=5) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            return one.recv(64).decode(errors="replace")
        except OSError:
            return ""


def _status(target: str, authority: Path) -> str:
    trusted = grpc.ssl_channel_credentials(authority.read_bytes())
    message = health_pb2.HealthCheckRequest(service="named").SerializeToString()
    with grpc.secure_channel(target, trusted) as channel:
        ask: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            ask(message, timeout=10)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code.name
    return "OK"


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
