"""Prometheus metrics of a replica: what was asked, how long it took, what was refused.

One `MetricsObserver` holds one registry, so that several servers in one process do not mix. The
names and labels are a contract with dashboards: `docs/watching.md` lists them.
"""

import time
from collections.abc import Callable, Iterator
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from striate.core.errors import PlatformError
from striate.data.transforms.image.decode import UNENDED

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
PORTS_TRIED = 16
_Child = TypeVar("_Child", Counter, Histogram)


class MetricsObserver:
    """Counts what a server tells it; a `striate.serve.observability.observer.Observer`.

    Args:
        app: the application's name, a label of every metric.
        in_flight: calls being answered now; asked when the metrics are read.
        queued: requests waiting for a batch now; likewise.
    """

    def __init__(
        self,
        app: str,
        in_flight: Callable[[], float] = lambda: 0,
        queued: Callable[[], float] = lambda: 0,
    ) -> None:
        self.registry = registry = CollectorRegistry()
        self._app = app
        self._children: dict[tuple[object, ...], Counter | Histogram] = {}
        self._calls: dict[tuple[str, ...], tuple[Counter, Histogram]] = {}
        who = ("app", "service", "method", "code", "model", "version")
        self._requests = Counter("striate_requests", "Calls answered.", who, registry=registry)
        self._answers = Counter(
            "striate_stream_answers", "Messages answered in streams.", who, registry=registry
        )
        self._latency = Histogram(
            "striate_request_seconds",
            "Seconds from a call's arrival to its end; a stream's whole life.",
            ("app", "method"),
            buckets=SECONDS,
            registry=registry,
        )
        self._queue = Histogram(
            "striate_queue_seconds",
            "Seconds that the oldest request of a batch had waited.",
            ("app",),
            buckets=SECONDS,
            registry=registry,
        )
        sized = ("app", "size")
        self._batches = Counter("striate_batches", "Batches computed.", sized, registry=registry)
        self._compute = Counter(
            "striate_batch_seconds", "Seconds of computing.", sized, registry=registry
        )
        self._squares = Counter(
            "striate_batch_seconds_squared",
            "Sum of the squares of these seconds.",
            sized,
            registry=registry,
        )
        self._rejected = Counter(
            "striate_rejected",
            "Requests refused before computing.",
            ("app", "reason"),
            registry=registry,
        )
        self._events = Counter(
            "striate_webhook_events",
            "Attempts to deliver an event to a webhook, and events dropped for want of room.",
            ("app", "hook", "outcome"),
            registry=registry,
        )
        for name, what, read in (
            ("striate_in_flight", "Calls being answered now.", in_flight),
            ("striate_queued", "Requests waiting for a batch now.", queued),
        ):
            Gauge(name, what, ("app",), registry=registry).labels(app).set_function(read)
        started = Gauge(
            "striate_started_unix_seconds", "When it came up.", ("app",), registry=registry
        )
        started.labels(app).set(time.time())
        ProcessCollector(registry=registry)
        registry.register(_DamagedPhotos(app))

    def record_call(
        self, service: str, method: str, code: str, seconds: float, model: str, version: str
    ) -> None:
        """A call ended with the gRPC status `code` after `seconds`."""
        key = (service, method, code, model, version)
        found = self._calls.get(key)
        if found is None:
            counter = self._child(self._requests, *key)
            found = self._calls[key] = (counter, self._child(self._latency, method))
        found[0].inc()
        found[1].observe(seconds)

    def record_message(
        self, service: str, method: str, code: str, model: str, version: str
    ) -> None:
        """One message of a stream was answered."""
        self._child(self._answers, service, method, code, model, version).inc()

    def record_batch(self, size: int, queue_seconds: float, compute_seconds: float) -> None:
        """A batch was computed; its oldest request had waited `queue_seconds`."""
        self._child(self._queue).observe(queue_seconds)
        self._child(self._batches, size).inc()
        self._child(self._compute, size).inc(compute_seconds)
        self._child(self._squares, size).inc(compute_seconds**2)

    def record_refusal(self, reason: str) -> None:
        """A request was refused before it was computed."""
        self._child(self._rejected, reason).inc()

    def record_event(self, hook: str, outcome: str, count: int) -> None:
        """Something became of events for a webhook."""
        self._child(self._events, hook, outcome).inc(count)

    def _child(self, metric: _Child, *labels: object) -> _Child:
        """The counter of these labels; looking it up by prometheus_client takes a lock."""
        key = (metric, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(self._app, *labels)
        return child  # type: ignore[return-value]


class _DamagedPhotos(Collector):
    """Photos that were answered though something was missing in them, in the whole process."""

    def __init__(self, app: str) -> None:
        self._app = app

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Their number, whenever metrics are read."""
        what = "Photos answered though something was missing in them."
        family = CounterMetricFamily("striate_damaged_photos", what, labels=("app", "damage"))
        family.add_metric((self._app, "no-end-marker"), UNENDED.count)
        yield family


class Endpoint:
    """``http://host:port/metrics`` of a registry.

    Args:
        metrics: what is read.
        host: address to listen on.
        port: the port, or the first of those tried; 0 takes any free one. Several replicas of one
            node take the next free ones.

    Raises:
        PlatformError: none of the ports is free.
    """

    def __init__(self, metrics: MetricsObserver, host: str, port: int = 0) -> None:
        self._server, self._thread = _listen(metrics.registry, host, port)
        self.address = f"{host}:{self._server.server_port}"

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _listen(registry: CollectorRegistry, host: str, port: int) -> "tuple[WSGIServer, Thread]":
    for candidate in range(port, port + (PORTS_TRIED if port else 1)):
        try:
            return start_http_server(candidate, host, registry)
        except OSError:
            continue
    raise PlatformError(
        f"No port from {port} to {port + PORTS_TRIED - 1} of {host} is free for metrics.",
        "Set metrics_port to another one, or to 0.",
    )
