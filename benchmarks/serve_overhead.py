"""What the way through Striate costs: requests a second against a bare server and Serve's proxy.

Every side holds the same predictor (LeNet-5, random weights, 28×28 PNG digits, one thread for
torch) and gathers requests into batches of at most 32 without waiting:

- ours: a Serve replica that serves gRPC itself, behind the HAProxy edge, and called straight;
- bare: a `grpc.aio` server in a plain process, with our batching and with one call a request;
- Serve's default Python gRPC proxy, with `serve.batch`.

The callers run closed loops in a process of their own on the same machine, 32 and 1 at a time.
"""

import asyncio
import io
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from harness import Row, interleaved, main
from PIL import Image

Target = tuple[str, str]  # address, application for Serve's proxy
_SPAWN = multiprocessing.get_context("spawn")
_CHANNELS = 4
_BATCH = 32


def measure(quick: bool) -> list[Row]:
    """The rows: 32 callers with targets, one caller for information."""
    seconds, rounds = (0.5, 3) if quick else (2.0, 5)
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        bundle = _write_bundle(Path(scratch) / "digits")
        targets = {
            "bare": (stack.enter_context(_peer(_bare_batching, bundle)), ""),
            "bare, no batches": (stack.enter_context(_peer(_bare, bundle)), ""),
            "proxy": (stack.enter_context(_peer(_default_proxy, bundle)), "proxy"),
            **stack.enter_context(_ours(bundle, Path(scratch) / "home")),
        }
        callers = stack.enter_context(ProcessPoolExecutor(1, mp_context=_SPAWN))
        rows = []
        for count in (32, 1):
            rates = _rates(callers, targets, count, seconds, rounds)
            rows += _rows(rates, count)
    return rows


def _rates(
    callers: ProcessPoolExecutor,
    targets: dict[str, Target],
    count: int,
    seconds: float,
    rounds: int,
) -> dict[str, float]:
    def rate(target: Target) -> float:
        return callers.submit(_call, target, count, seconds).result()

    for target in targets.values():
        rate(target)  # warms connections and kernels
    measures: list[Callable[[], float]] = [partial(rate, target) for target in targets.values()]
    return dict(zip(targets, interleaved(measures, rounds), strict=True))


def _rows(rates: dict[str, float], count: int) -> list[Row]:
    who = f"{count} callers" if count > 1 else "1 caller"
    wanted = {"bare": 0.4, "proxy": 2.5} if count > 1 else {}
    names = {
        "bare": "bare grpc.aio server",
        "bare, no batches": "bare grpc.aio server, a call a request",
        "proxy": "Serve's default proxy",
    }
    return [
        Row(f"{who}, {side} / {names[peer]}", rates[side], rates[peer], "requests/s", least)
        for side in ("edge", "replica")
        for peer in names
        for least in [wanted.get(peer) if side == "edge" else None]
    ]


def _call(target: Target, callers: int, seconds: float) -> float:
    return asyncio.run(_closed_loops(target, callers, seconds))


async def _closed_loops(target: Target, callers: int, seconds: float) -> float:
    from striate.serve.protos.striate.v1 import photo_tagging_pb2 as pb
    from striate.serve.protos.striate.v1 import photo_tagging_pb2_grpc as pb_grpc

    address, application = target
    metadata = (("application", application),) if application else ()
    request = pb.TagRequest(image=_png(), top_k=3)
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(_CHANNELS)]
    stubs: list[Any] = [pb_grpc.PhotoTaggingStub(channel) for channel in channels]  # type: ignore[no-untyped-call]
    until = time.perf_counter() + seconds

    async def loop(stub: Any) -> int:
        answered = 0
        while time.perf_counter() < until:
            await stub.Tag(request, metadata=metadata, timeout=30)
            answered += 1
        return answered

    started = time.perf_counter()
    answered = sum(await asyncio.gather(*(loop(stubs[i % _CHANNELS]) for i in range(callers))))
    took = time.perf_counter() - started
    await asyncio.gather(*(channel.close() for channel in channels))
    return answered / took


@contextmanager
def _peer(serve: Callable[[Path, Connection], None], bundle: Path) -> Iterator[str]:
    """Run a peer in a process of its own; yields its address."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=serve, args=(bundle, theirs))
    process.start()
    try:
        theirs.close()  # so that the end of the peer is the end of the pipe
        if not ours.poll(90):
            raise RuntimeError(f"the peer {serve.__name__} does not come up")
        yield ours.recv()
        ours.send("end")
    finally:
        process.join(30)
        if process.is_alive():
            process.terminate()


@contextmanager
def _ours(bundle: Path, home: Path) -> Iterator[dict[str, Target]]:
    import ray

    from striate.core.settings import Settings
    from striate.serve import edge
    from striate.serve.cluster import connect
    from striate.serve.deploy import deploy, edge_folder, list_apps
    from striate.serve.table import read_table

    address = f"127.0.0.1:{_free_port()}"
    settings = Settings(home=home, grpc_address=address)
    folder = edge_folder(settings)
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        connect(settings)
        deploy("photos", str(bundle), settings)  # without an edge, replicas answer anybody
        edge.start(folder, "127.0.0.1", int(address.rpartition(":")[2]))
        assert list_apps(settings)[0].status == "RUNNING"
        straight = read_table(folder).apps[0].addresses[0]
        yield {"edge": (address, ""), "replica": (straight, "")}
    finally:
        edge.stop(folder)
        ray.shutdown()


def _bare_batching(bundle: Path, pipe: Connection) -> None:
    """The very server of a replica, in a plain process."""
    from striate.serve.loading import tagging_server

    server = tagging_server(_predictor(bundle), ("digits", "1"))
    pipe.send(server.address)
    pipe.recv()
    server.stop(1)


def _bare(bundle: Path, pipe: Connection) -> None:
    """What one writes by hand: each request on its own, in a thread."""
    asyncio.run(_serve_bare(_predictor(bundle), pipe))


async def _serve_bare(predictor: Any, pipe: Connection) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from striate.serve.predictors.base import answer
    from striate.serve.protos.striate.v1 import photo_tagging_pb2_grpc as pb_grpc

    threads = ThreadPoolExecutor(1)
    loop = asyncio.get_running_loop()

    class Servicer(pb_grpc.PhotoTaggingServicer):
        async def Tag(self, request: Any, context: Any) -> Any:  # noqa: N802
            asked = _request(request)
            return _response((await loop.run_in_executor(threads, answer, predictor, [asked]))[0])

    server = grpc.aio.server()
    pb_grpc.add_PhotoTaggingServicer_to_server(Servicer(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    pipe.send(f"127.0.0.1:{port}")
    await asyncio.to_thread(pipe.recv)
    await server.stop(1)


def _default_proxy(bundle: Path, pipe: Connection) -> None:
    """Serve as it comes: gRPC through its Python proxy."""
    import ray
    from ray import serve
    from ray.serve.config import gRPCOptions

    port = _free_port()
    protos = "striate.serve.protos.striate.v1.photo_tagging_pb2_grpc"
    functions = [f"{protos}.add_PhotoTaggingServicer_to_server"]
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    serve.start(
        http_options={"port": _free_port()},
        grpc_options=gRPCOptions(port=port, grpc_servicer_functions=functions),
    )
    ray.cloudpickle.register_pickle_by_value(sys.modules[ThroughProxy.__module__])
    options = {"num_cpus": 0.25}
    deployment = serve.deployment(ThroughProxy, ray_actor_options=options, max_ongoing_requests=64)
    serve.run(deployment.bind(bundle), name="proxy", route_prefix="/")
    pipe.send(f"127.0.0.1:{port}")
    pipe.recv()
    ray.shutdown()


class ThroughProxy:
    """The same predictor as a Serve deployment that is called through Serve's proxy."""

    def __init__(self, bundle: Path) -> None:
        from ray import serve

        self._predictor = _predictor(bundle)
        batching = serve.batch(max_batch_size=_BATCH, batch_wait_timeout_s=0)
        self._batched = batching(self._answer)

    async def Tag(self, request: Any) -> Any:  # noqa: N802
        """Answer one request."""
        return _response(await self._batched(_request(request)))

    async def _answer(self, requests: list[Any]) -> list[Any]:
        from striate.serve.predictors.base import answer

        return await asyncio.to_thread(answer, self._predictor, requests)


def _request(request: Any) -> Any:
    from striate.serve.tags import TagRequest

    return TagRequest(request.image, request.top_k, request.min_score)


def _response(tags: Any) -> Any:
    from striate.serve.protos.striate.v1 import photo_tagging_pb2 as pb

    labels = [pb.Label(name=tag.name, index=tag.index, score=tag.score) for tag in tags]
    return pb.TagResponse(labels=labels, model=pb.Model(name="digits", version="1"))


def _predictor(bundle: Path) -> Any:
    import torch

    from striate.core.bundle import Bundle
    from striate.serve.predictors import load_tagging

    torch.set_num_threads(1)
    return load_tagging(Bundle.open(bundle), "cpu")


def _write_bundle(path: Path) -> Path:
    from striate.core.bundle import Architecture, Bundle, BundleSpec, TensorSpec
    from striate.models import build

    architecture = Architecture(name="lenet5")
    steps: tuple[dict[str, Any], ...] = (
        {"op": "grayscale"},
        {"op": "resize", "height": 28, "width": 28},
        {"op": "pad", "margin": 2, "value": 0},
        {"op": "scale", "factor": 1.275 / 255, "offset": -0.1},
    )
    spec = BundleSpec(
        architecture=architecture,
        task="classification",
        input=TensorSpec(dtype="float32", shape=(1, 32, 32), layout="CHW", units="intensity"),
        output=TensorSpec(dtype="float32", shape=(10,), layout="C", units="minus the penalty"),
        preprocessing=steps,
        labels=tuple("0123456789"),
    )
    return Bundle.write(path, spec, build(architecture).state_dict()).path


def _png() -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main(measure, __doc__ or "")
