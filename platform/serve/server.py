"""A gRPC server around a tagging predictor: the same in a Serve replica and in a bare process.

It runs its own event loop in a thread of its own, so that whoever owns the process (Serve, a test,
a script) keeps its main thread and its loop; prediction runs in further threads.
"""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from striate.core.errors import PlatformError
from striate.serve.batcher import Batcher
from striate.serve.limits import Batching, Limits
from striate.serve.predictors.base import Predictor, answer
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as pb
from striate.serve.protos.striate.v1 import photo_tagging_pb2_grpc as pb_grpc
from striate.serve.servicer import PhotoTagging
from striate.serve.tags import Tag, TagRequest

SERVICE = pb.DESCRIPTOR.services_by_name["PhotoTagging"].full_name
START_TIMEOUT_S = 30.0
Result = TypeVar("Result")


class TaggingServer:
    """Serves `striate.v1.PhotoTagging`, `grpc.health.v1.Health` and reflection.

    Args:
        predictor: answers the requests.
        model: name and version that answers carry.
        host: address to listen on.
        port: port to listen on, 0 for any; several processes may share one (SO_REUSEPORT).
        limits: what is accepted.
        batching: how requests become batches.

    Raises:
        PlatformError: the port is taken by something else.
    """

    def __init__(
        self,
        predictor: Predictor[TagRequest, list[Tag]],
        model: tuple[str, str],
        host: str = "127.0.0.1",
        port: int = 0,
        limits: Limits | None = None,
        batching: Batching | None = None,
    ) -> None:
        self.host, self.port, self.model = host, port, model
        self._limits = limits or Limits()
        self._predictor = predictor
        self._batcher = Batcher(self._compute, batching or Batching(), self._limits.queued)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="grpc", daemon=True)
        self._thread.start()
        self._stopped = False
        self.run(self._start()).result(START_TIMEOUT_S)

    @property
    def address(self) -> str:
        """`host:port` that it listens on."""
        return f"{self.host}:{self.port}"

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Run a coroutine on the server's loop, from any thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    async def answer(self, request: TagRequest) -> list[Tag]:
        """Answer one request in a batch with others; call it on the server's loop."""
        return await self._batcher.submit(request)

    def stop(self, grace_s: float) -> None:
        """Refuse new calls, let those in flight finish within `grace_s`, and end."""
        if self._stopped:
            return
        self._stopped = True
        self.run(self._stop(grace_s)).result(grace_s + START_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _compute(self, requests: Sequence[TagRequest]) -> list[list[Tag] | Exception]:
        return answer(self._predictor, requests)

    async def _start(self) -> None:
        self._batcher.start()
        self._server = grpc.aio.server(options=_options(self._limits))
        servicer = PhotoTagging(self.answer, self._limits, self.model)
        register = pb_grpc.add_PhotoTaggingServicer_to_server
        register(servicer, self._server)  # type: ignore[no-untyped-call]
        await self._add_health()
        reflection.enable_server_reflection((SERVICE, *_STANDARD), self._server)
        try:
            self.port = self._server.add_insecure_port(f"{self.host}:{self.port}")
        except RuntimeError:
            raise PlatformError(
                f"The port {self.port} of {self.host} is taken.", "Deploy again: another is chosen."
            ) from None
        await self._server.start()

    async def _add_health(self) -> None:
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for service in ("", SERVICE):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)

    async def _stop(self, grace_s: float) -> None:
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s)
        await self._batcher.stop()


_STANDARD = (
    health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
    reflection.SERVICE_NAME,
)


def _options(limits: Limits) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_send_message_length", limits.message_bytes),
        ("grpc.max_metadata_size", 16 * 1024),
    ]
