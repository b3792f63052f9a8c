"""A real edge before bare gRPC servers: no Ray, no model."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from striate.serve.edge import control
from striate.serve.edge.app_table import AppTable, DeployedApp, write_table
from striate.serve.edge.options import EdgeLimits, EdgeTls

Metadata = Sequence[tuple[str, str]]
TAG = "/striate.v1.PhotoTagging/Tag"
TAGGING = "striate.v1.PhotoTagging"


class Replica(grpc.GenericRpcHandler):
    """A gRPC server that answers every method with its name and the length of the message.

    A message that begins with ``wait`` is answered once `go` is set, ``large`` with megabytes, and
    ``abort N SENTENCE`` with that status.
    `seen` has the method and metadata of every call, `carried` each entry of the latest one's.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.carried: list[tuple[str, str]] = []
        self.waiting = threading.Semaphore(0)
        self.go = threading.Event()
        self.health = health.HealthServicer()
        self.start(0)

    def start(self, port: int) -> None:
        options = [("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]
        self._server = grpc.server(ThreadPoolExecutor(16), options=options)
        self._server.add_generic_rpc_handlers((self,))
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self._server.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def service(self, details: Any) -> Any:
        if details.method.startswith("/grpc.health"):
            return None
        self.seen.append((details.method, dict(details.invocation_metadata)))
        self.carried = [(entry.key, entry.value) for entry in details.invocation_metadata]
        return grpc.unary_unary_rpc_method_handler(self._answer)

    def stop(self, grace_s: float = 0) -> None:
        self._server.stop(grace_s).wait()

    def _answer(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        if request.startswith(b"wait"):
            self.waiting.release()
            self.go.wait(20)
        if request.startswith(b"abort"):
            _, number, sentence = request.decode().split(maxsplit=2)
            (code,) = (one for one in grpc.StatusCode if one.value[0] == int(number))
            context.abort(code, sentence)
        if request.startswith(b"large"):
            return bytes(8 * 2**20)
        return f"{self.name}:{len(request)}".encode()


@dataclass
class Answer:
    """What a call came to."""

    code: grpc.StatusCode
    details: str = ""
    data: bytes = b""
    trailing: dict[str, str] = field(default_factory=dict)
    took_s: float = 0.0

    @property
    def by(self) -> str:
        """The replica that answered."""
        assert self.code is grpc.StatusCode.OK, (self.code, self.details)
        return self.data.decode().partition(":")[0]


class Edge:
    """A running edge, and the applications behind it."""

    def __init__(self, folder: Path, port: int, **options: Any) -> None:
        self.folder, self.port, self.options = folder, port, options
        self._channels: list[grpc.Channel] = []
        control.start(folder, "127.0.0.1", port, **options)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def deploy(self, *apps: DeployedApp, wait_s: float = 10.0) -> None:
        """Route these applications, and no others."""
        write_table(self.folder, AppTable(apps=apps))
        assert control.reload(self.folder, wait_s)

    def channel(self, credentials: grpc.ChannelCredentials | None = None) -> grpc.Channel:
        options = [
            ("grpc.max_send_message_length", -1),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.initial_reconnect_backoff_ms", 50),
            ("grpc.max_reconnect_backoff_ms", 100),
        ]
        if credentials is None:
            channel = grpc.insecure_channel(self.address, options=options)
        else:
            channel = grpc.secure_channel(self.address, credentials, options=options)
        self._channels.append(channel)
        return channel

    def call(
        self,
        method: str = TAG,
        message: bytes = b"",
        metadata: Metadata = (),
        token: str | None = None,
        channel: grpc.Channel | None = None,
        timeout_s: float = 15.0,
        **options: Any,
    ) -> Answer:
        """One call; gRPC itself repeats what no server has seen, and nothing else."""
        if not self._channels:
            self.channel()
        sent = [*metadata, *([("authorization", f"Bearer {token}")] if token else [])]
        began = time.monotonic()
        try:
            ask: Any = (channel or self._channels[0]).unary_unary(method)
            data = ask(message, metadata=sent, timeout=timeout_s, **options)
        except grpc.RpcError as error:
            trailing = {e.key: str(e.value) for e in error.trailing_metadata() or ()}
            took_s = time.monotonic() - began
            return Answer(error.code(), error.details() or "", b"", trailing, took_s)
        return Answer(grpc.StatusCode.OK, data=data, took_s=time.monotonic() - began)

    def health(self, service: str, token: str | None = None) -> Answer:
        """Ask for the health of a service; `data` is its status."""
        request = health_pb2.HealthCheckRequest(service=service).SerializeToString()
        answer = self.call("/grpc.health.v1.Health/Check", request, token=token)
        answer.data = answer.data and bytes([answer.data[1]])
        return answer

    def stop(self) -> None:
        for channel in self._channels:
            channel.close()
        control.stop(self.folder)


def entry(name: str, *addresses: str, **more: Any) -> DeployedApp:
    """An application of the table."""
    fields: dict[str, Any] = {
        "app": "photos",
        "serve_name": f"{name}.1",
        "model_uri": "models:/m/1",
        "model": "m",
        "version": "1",
        "deployed_unix_s": 0.0,
        "services": (TAGGING,),
    }
    return DeployedApp(name=name, addresses=addresses, **{**fields, **more})


@pytest.fixture(scope="session")
def app() -> Callable[..., DeployedApp]:
    """Makes an entry of the table: ``app(name, *addresses, services=…)``."""
    return entry


@pytest.fixture(scope="module")
def replica() -> Iterator[Callable[[str], Replica]]:
    """Starts a bare server: ``replica(name)``."""
    started: list[Replica] = []

    def start(name: str) -> Replica:
        started.append(Replica(name))
        return started[-1]

    yield start
    for one in started:
        one.go.set()
        one.stop()


@pytest.fixture(scope="module")
def start_edge(
    tmp_path_factory: pytest.TempPathFactory, unused_port: Callable[[], int]
) -> Iterator[Callable[..., Edge]]:
    """Starts an edge: ``start_edge(tls=…, token_file=…, limits=…)``."""
    started: list[Edge] = []

    def start(tls: EdgeTls | None = None, token_file: Path | None = None, **limits: int) -> Edge:
        folder = tmp_path_factory.mktemp("edge")
        bounds = EdgeLimits(**limits)
        running = Edge(folder, unused_port(), tls=tls, token_file=token_file, limits=bounds)
        started.append(running)
        return running

    yield start
    with ThreadPoolExecutor(8) as ending:
        list(ending.map(Edge.stop, started))
