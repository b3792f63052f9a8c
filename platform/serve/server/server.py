"""A gRPC server around one or several services: the same in a Serve replica and in a bare process.

It runs its own event loop (uvloop's) in a thread of its own, so that whoever owns the process
(Serve, a test, a script) keeps its main thread and its loop; prediction runs in further threads.
"""

import asyncio
import gc
import logging
import threading
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import grpc

from striate.core.errors import PlatformError
from striate.serve.common.limits import REPLICA_METADATA_BYTES, Limits
from striate.serve.common.metadata import REFLECTION
from striate.serve.observability.observer import NoObserver, Observer
from striate.serve.observability.tracing import Tracing
from striate.serve.server import health, reflection
from striate.serve.server.batcher import QueueFull
from striate.serve.server.event_loop import ServerLoop
from striate.serve.server.handlers import Method, MethodHandlers
from striate.serve.server.servable import Servable
from striate.serve.server.service import Service

__all__ = ["ModelServer", "Service"]

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 30.0
OPEN_TIMEOUT_S = 300.0
"""For services to open what they stand on, each of which has limits of its own and says more."""
_COLLECT_EVERY = 10_000  # allocations; Python's own is 700
Result = TypeVar("Result")


class ModelServer:
    """Serves services, `grpc.health.v1.Health` and reflection.

    Each service's models are asked a small real question before the server is made known as
    healthy, and again with each `probe`.

    Args:
        services: what is served, each with another gRPC name.
        host: address to listen on.
        port: port to listen on, 0 for any; several processes may share one (SO_REUSEPORT).
        limits: what is accepted.
        edge_key: calls must carry it in the metadata `striate-edge-key`, all but health checks;
            None lets all in.
        observer: told of every call.
        tracing: puts a span around every call; None for none.

    Raises:
        PlatformError: the port is taken by something else.
    """

    def __init__(
        self,
        services: Sequence[Service],
        host: str = "127.0.0.1",
        port: int = 0,
        limits: Limits | None = None,
        edge_key: str | None = None,
        observer: Observer | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.host, self.port = host, port
        self.services = tuple(services)
        self._limits = limits or Limits()
        self._observer = observer or NoObserver()
        self._tracing = tracing
        self._handlers = MethodHandlers(edge_key, self._observer, tracing)
        self._health = health.Health()
        self._draining = self._stopped = False
        self._loop = ServerLoop()
        self._sole = False
        self._thread = threading.Thread(target=self._loop.run_forever, name="grpc", daemon=True)
        self._thread.start()
        try:
            self.run(self._open()).result(OPEN_TIMEOUT_S)
            self.run(self._listen()).result(START_TIMEOUT_S)
        except BaseException:
            self._end_loop()
            raise
        self._first_probe()

    @property
    def address(self) -> str:
        """`host:port` that it listens on."""
        return f"{self.host}:{self.port}"

    @property
    def service_names(self) -> tuple[str, ...]:
        """Full gRPC names of the services."""
        return tuple(service.name for service in self.services)

    @property
    def model_names(self) -> tuple[str, ...]:
        """Names of the models that it answers for in the Open Inference Protocol."""
        return tuple(name for service in self.services for name in service.models)

    @property
    def in_flight(self) -> int:
        """Calls that are answered now, health checks aside."""
        return self._handlers.in_flight

    @property
    def queued(self) -> int:
        """Requests that wait for a batch."""
        return sum(servable.queued for servable in self._servables())

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Run a coroutine on the server's loop, from any thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def own_process(self) -> None:
        """Do what only pays, and is only right, for the one server of a process that ends with it.

        gRPC wakes no other loop of the process any more, and the collector leaves alone what was
        made so far: a walk over all of it would stop every call.
        """
        self._sole = True
        self._loop.take_over()
        gc.collect()
        gc.freeze()
        gc.set_threshold(_COLLECT_EVERY)

    async def probe(self) -> None:
        """Run a tiny real inference through every servable; call it on the server's loop.

        The health of every service follows the outcome; a full queue is no illness.

        Raises:
            Exception: the first failure's own; of a model whose numbers are not finite, a
                `BundleError`.
        """
        found = await asyncio.gather(
            *(servable.probe() for servable in self._servables()), return_exceptions=True
        )
        failed = {
            id(servable): error
            for servable, error in zip(self._servables(), found, strict=True)
            if isinstance(error, BaseException)
        }
        ill = {key for key, error in failed.items() if not isinstance(error, QueueFull)}
        for service in self.services:
            well = not any(id(servable) in ill for servable in service.servables())
            self._health.set(service.name, well and not self._draining)
        self._health.set(health.WHOLE, not ill and not self._draining)
        for error in failed.values():
            raise error

    def drain(self) -> None:
        """Say NOT_SERVING from now on, and let streams end; calls are still answered."""
        self.run(self._drain()).result(START_TIMEOUT_S)

    def stop(self, grace_s: float) -> None:
        """Refuse new calls, let those in flight finish within `grace_s`, and end."""
        if self._stopped:
            return
        self._stopped = True
        self.run(self._stop(grace_s)).result(grace_s + START_TIMEOUT_S)
        if not self._sole:
            self._end_loop()
        if self._tracing is not None:
            self._tracing.close()

    def _servables(self) -> list[Servable[Any, Any]]:
        """Each once, though several services may share it."""
        every = [servable for service in self.services for servable in service.servables()]
        return list({id(servable): servable for servable in every}.values())

    async def _open(self) -> None:
        self._server = grpc.aio.server(options=_options(self._limits))
        for servable in self._servables():
            servable.start(self._observer)
        for service in self.services:
            service.open(self._observer, lambda: self._health.serving(health.WHOLE))
            self._add(service.name, service.methods(), service)
            self._health.set(service.name, False)

    async def _listen(self) -> None:
        self._health.set(health.WHOLE, False)
        self._add(health.SERVICE, self._health.methods())
        described = reflection.Reflection((*self.service_names, health.SERVICE))
        for name in REFLECTION:
            self._add(name, described.methods())
        try:
            self.port = self._server.add_insecure_port(f"{self.host}:{self.port}")
        except RuntimeError:
            raise PlatformError(
                f"The port {self.port} of {self.host} is taken.", "Deploy again: another is chosen."
            ) from None
        await self._server.start()

    def _add(
        self, name: str, methods: Mapping[str, Method], service: Service | None = None
    ) -> None:
        model = (service.model,) if service is not None else ()
        handlers = {
            method: self._handlers.handler(name, method, how, *model)
            for method, how in methods.items()
        }
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(name, handlers),)
        )

    def _first_probe(self) -> None:
        try:
            self.run(self.probe()).result(START_TIMEOUT_S)
        except Exception:
            logger.exception("The server at %s does not answer its first probe.", self.address)

    async def _drain(self) -> None:
        self._draining = True
        for name in (*self.service_names, health.WHOLE):
            self._health.set(name, False)
        for service in self.services:
            service.drain()

    async def _stop(self, grace_s: float) -> None:
        await self._drain()
        await self._server.stop(grace_s)
        for servable in self._servables():
            servable.stop()
        for service in self.services:
            service.close()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _options(limits: Limits) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_send_message_length", limits.message_bytes),
        ("grpc.max_metadata_size", REPLICA_METADATA_BYTES),
        ("grpc.max_concurrent_streams", limits.streams),
    ]
