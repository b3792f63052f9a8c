"""The servers that `serve.py` compares, each in processes of its own, one thread for torch."""

import asyncio
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import grpc
import peer_environment
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from serve_calls import INFER, STREAM, TAG, Target

SPAWN = multiprocessing.get_context("spawn")
_UP_S = 120
# Before Ray is imported; as `striate up` and the chart set it, for Serve's own proxy as well.
os.environ.setdefault("RAY_worker_niceness", "0")
PEERS = Path(__file__).parent / "peers"
_ADDS_SERVICER = (
    "striate.serve.protos.striate.v1.photo_tagging_pb2_grpc.add_PhotoTaggingServicer_to_server"
)


@dataclass(frozen=True)
class Messages:
    """The requests of a photo, encoded: tagging, a stream's message, the inference protocol."""

    tag: bytes
    stream: bytes
    packed: int
    photo: bytes

    @classmethod
    def of(cls, photo: bytes, packed: int) -> "Messages":
        """For one photo; `packed` of them in a stream's message."""
        from striate.serve.protos.striate.v1 import photo_tagging_pb2 as pb

        request = pb.TagRequest(image=photo, top_k=5)
        photos = [pb.StreamedPhoto(id=str(i), photo=request) for i in range(packed)]
        message = pb.TagStreamRequest(photos=photos)
        return cls(request.SerializeToString(), message.SerializeToString(), packed, photo)

    def infer(self, model: str) -> bytes:
        """ModelInfer of one encoded image as raw BYTES."""
        from striate.serve.protos.inference import inference_pb2 as pb

        raw = len(self.photo).to_bytes(4, "little") + self.photo
        request = pb.ModelInferRequest(model_name=model, raw_input_contents=[raw])
        request.inputs.add(name="image", datatype="BYTES", shape=[1])
        return request.SerializeToString()


def start_beside(
    stack: ExitStack, sides: Mapping[str, AbstractContextManager[str]]
) -> Callable[[], dict[str, str]]:
    """Let servers come up at the same time, while the caller goes on.

    Args:
        stack: ends them, whether or not they were waited for.
        sides: by name.

    Returns:
        Waits for all of them, and gives their addresses.
    """
    pool = ThreadPoolExecutor(len(sides))

    def start(side: AbstractContextManager[str]) -> str:
        address = side.__enter__()
        stack.push(side)
        return address

    coming = {name: pool.submit(start, side) for name, side in sides.items()}
    stack.callback(pool.shutdown)
    return lambda: {name: one.result() for name, one in coming.items()}


@contextmanager
def beside(serve: Callable[..., None], *args: Any) -> Iterator[tuple[Connection, str]]:
    """A server in a process of its own, until the block ends.

    Args:
        serve: called with `args` and a pipe: it sends its address, and ends when it is sent so.
        args: what it is called with before.

    Returns:
        The pipe, and its address.
    """
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=serve, args=(*args, theirs))
    process.start()
    try:
        theirs.close()  # so that the end of the peer is the end of the pipe
        if not ours.poll(_UP_S):
            raise RuntimeError(f"{serve.__module__} serves nothing")
        yield ours, ours.recv()
        ours.send("end")
    finally:
        process.join(30)
        if process.is_alive():
            process.terminate()


@contextmanager
def bare(bundle: Path | None) -> Iterator[str]:
    """A `grpc.aio` server written by hand around the same predictor and batches; its address."""
    with beside(_bare, bundle) as (_, address):
        yield address


def _bare(bundle: Path | None, pipe: Connection) -> None:
    asyncio.run(_serve_bare(bundle, pipe))


async def _serve_bare(bundle: Path | None, pipe: Connection) -> None:
    import torch

    from striate.serve.common.types import TagRequest
    from striate.serve.protos.striate.v1 import photo_tagging_pb2 as pb
    from striate.serve.protos.striate.v1 import photo_tagging_pb2_grpc as pb_grpc

    torch.set_num_threads(1)
    servable = _servable(bundle)
    servable.start()
    model = pb.Model(name="model", version="1")

    class Servicer(pb_grpc.PhotoTaggingServicer):
        async def Tag(self, request: Any, context: Any) -> Any:  # noqa: N802
            tags = await servable.ask(TagRequest(request.image, request.top_k, request.min_score))
            labels = [pb.Label(name=tag.name, index=tag.index, score=tag.score) for tag in tags]
            return pb.TagResponse(labels=labels, model=model)

    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 32 * 2**20)])
    healthy = health.aio.HealthServicer()  # the edge asks for it
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    await healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    pb_grpc.add_PhotoTaggingServicer_to_server(Servicer(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    pipe.send(f"127.0.0.1:{port}")
    await asyncio.to_thread(pipe.recv)
    await server.stop(1)


def _servable(bundle: Path | None) -> Any:
    from striate.core.bundle import Bundle
    from striate.serve.apps.factory import load, tagger
    from striate.serve.common.types import ModelName
    from striate.serve.predictors.echo import EchoPredictor

    if bundle is None:
        return tagger(EchoPredictor(), ModelName("echo", "1"))
    return load(Bundle.open(bundle), ModelName("tagger", "1")).tagger()


class _ThroughProxy:
    """The echo as Serve calls it."""

    async def Tag(self, request: Any) -> Any:  # noqa: N802
        """Answer one request."""
        from striate.serve.protos.striate.v1 import photo_tagging_pb2 as pb

        labels = [pb.Label(name="echo", index=0, score=1.0)]
        return pb.TagResponse(labels=labels, model=pb.Model(name="echo", version="1"))


def _default_proxy(port: int) -> None:
    """The echo as a Serve deployment, behind the proxy that Serve was started with."""
    import ray
    from ray import serve

    ray.cloudpickle.register_pickle_by_value(sys.modules[_ThroughProxy.__module__])
    deployment = serve.deployment(
        _ThroughProxy, ray_actor_options={"num_cpus": 0.25}, max_ongoing_requests=64
    )
    serve.run(deployment.bind(), name="proxy", route_prefix="/")
    ready_of(port)


@contextmanager
def peer(name: str, bundle: Path) -> Iterator[str]:
    """KServe's or MLServer's Python server, the echo and the tagger in it; its address.

    It has an environment of its own.
    """
    python, variables = peer_environment.of(name)
    port, rest = free_port(), free_port()
    command = [str(python), str(PEERS / f"{name}_peer.py"), str(port), str(rest), str(bundle)]
    process = subprocess.Popen(
        command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=PEERS
    )
    try:
        yield ready_of(port)
    finally:
        process.terminate()
        process.wait(30)


def ready_of(port: int) -> str:
    """The address of a gRPC server of this machine, once it takes connections."""
    address = f"127.0.0.1:{port}"
    with grpc.insecure_channel(address) as channel:
        grpc.channel_ready_future(channel).result(_UP_S)
    return address


@dataclass(frozen=True)
class Ours:
    """Striate's ways to one application, and the same edges before the bare servers.

    Attributes:
        targets: by a name such as ``echo, edge``; each tags.
        secure: how a call goes through the edge with TLS and tokens.
        processes: HAProxy's and the echo replica's, by role, whose memory is watched.
    """

    targets: dict[str, Target]
    processes: dict[str, int]


@contextmanager
def ours(
    folder: Path, bundle: Path, messages: Messages, bares: Callable[[], dict[str, str]]
) -> Iterator[Ours]:
    """Deploy the echo and the tagger, and put three edges before them and the bare servers.

    Args:
        folder: of the platform and the edges.
        bundle: of the tagger.
        messages: what is sent.
        bares: waits for the addresses of the bare servers by application, behind the edges as well.
    """
    import ray
    from ray import serve
    from ray.serve.config import gRPCOptions

    from striate.core.settings import Settings
    from striate.serve.deployment import ray_serve
    from striate.serve.deployment.deploy import deploy
    from striate.serve.edge.app_table import edge_folder, read_table

    settings = Settings(home=folder / "home")
    with ExitStack() as stack:
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
        stack.callback(ray.shutdown)
        proxy = free_port()
        serve.start(
            http_options={"port": free_port()},
            grpc_options=gRPCOptions(port=proxy, grpc_servicer_functions=[_ADDS_SERVICER]),
        )
        _default_proxy(proxy)
        ray_serve.connect(settings)
        deploy("echo", [], settings)
        deploy("photos", str(bundle), settings, name="tagger")
        deploy("photos", str(bundle), settings, name="single", batching={"max_size": 1})
        apps = {app.name: app for app in read_table(edge_folder(settings.home)).apps}
        straight = {name: app.addresses[0] for name, app in apps.items()}
        targets = {
            f"{name}, straight": Target(address, TAG, messages.tag)
            for name, address in straight.items()
        }
        application = (("application", "proxy"),)
        targets["proxy"] = Target(f"127.0.0.1:{proxy}", TAG, messages.tag, application)
        targets["echo, stream"] = Target(straight["echo"], STREAM, messages.stream)
        for name, model in (("echo", "echo"), ("tagger", apps["tagger"].models[0])):
            targets[f"{name}, inference"] = Target(straight[name], INFER, messages.infer(model))
        pids, bare_addresses = {}, bares()
        for kind in ("plain", "tls", "secure"):
            edge_of = stack.enter_context(_edge(folder / kind, kind, straight, bare_addresses))
            pids[f"haproxy, {kind}"] = edge_of[1]
            for name in ("echo", "tagger", *(bare_addresses if kind == "secure" else ())):
                targets[f"{name}, {kind}"] = edge_of[0](TAG, messages.tag, name)
            if kind == "secure":
                targets[f"echo, stream, {kind}"] = edge_of[0](STREAM, messages.stream, "echo")
        pids["echo replica"] = _pid_of(straight["echo"])
        yield Ours(targets, pids)


_Way = Callable[[str, bytes, str], Target]


@contextmanager
def _edge(
    folder: Path, kind: str, replicas: dict[str, str], bares: dict[str, str]
) -> Iterator[tuple[_Way, int]]:
    """One HAProxy before all servers: in plain text, with TLS, or with TLS and tokens."""
    from striate.serve.edge import certificates, control, tokens
    from striate.serve.edge.app_table import AppTable, DeployedApp, write_table
    from striate.serve.edge.options import EdgeTls

    folder.mkdir()
    apps = [
        DeployedApp(
            name=name, app="photos", serve_name=name, addresses=(address,),
            services=("striate.v1.PhotoTagging",), model_uri=name, model=name, version="1",
            deployed_unix_s=0,
        )
        for name, address in {**replicas, **bares}.items()
    ]  # fmt: skip
    write_table(folder, AppTable(apps=tuple(apps)))
    port, ca, token, token_file, tls = free_port(), None, None, None, None
    if kind != "plain":
        certificate, authority = certificates.ensure_certificates(folder / "tls", ["127.0.0.1"])
        ca, tls = str(authority), EdgeTls(certificate=certificate)
    if kind == "secure":
        token_file = folder / "tokens"
        token, _ = tokens.create(token_file, "bench", ["tag"])
    control.start(folder, "127.0.0.1", port, tls=tls, token_file=token_file)
    authorised = (("authorization", f"Bearer {token}"),) if token else ()

    def way(method: str, message: bytes, app: str) -> Target:
        metadata = (*authorised, ("striate-app", app))
        return Target(f"127.0.0.1:{port}", method, message, metadata, ca)

    try:
        yield way, _pid_of(f"127.0.0.1:{port}")
    finally:
        control.stop(folder)


def _pid_of(address: str) -> int:
    """The process that listens there."""
    import psutil

    port = int(address.rpartition(":")[2])
    for connection in psutil.net_connections(kind="tcp"):
        if connection.status == psutil.CONN_LISTEN and tuple(connection.laddr)[1] == port:
            assert connection.pid is not None
            return int(connection.pid)
    raise RuntimeError(f"nothing listens at {address}")


def free_port() -> int:
    """A port of loopback that nothing listens on."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
