"""OpenTelemetry spans of calls, where asked for: one for each call, in the caller's own trace.

``OTEL_EXPORTER_OTLP_ENDPOINT`` in the environment of the replicas turns it on; the other variables
of OpenTelemetry (``OTEL_SERVICE_NAME``, ``OTEL_TRACES_SAMPLER``, …) hold as they are documented
there. Without it nothing of OpenTelemetry is imported, and a call costs what it did.
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from striate.core.errors import SettingsError
from striate.serve.common.request_id import REQUEST_ID

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_PARENT = frozenset({"traceparent", "tracestate"})  # W3C Trace Context
Handle = Callable[[Any, Any], Awaitable[Any]]


class Tracing:
    """Puts a server span around every call.

    Args:
        exporter: where finished spans go, in batches and from a thread of its own.
        app: the application's name, an attribute of every span.
    """

    def __init__(self, exporter: "SpanExporter", app: str = "") -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "striate"}
        self._provider = TracerProvider(resource=Resource.create(named))
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("striate.serve")
        self._propagator = TraceContextTextMapPropagator()
        self._kind = SpanKind.SERVER
        self._app = app

    def around(self, service: str, method: str, handle: Handle) -> Handle:
        """The handler of a method, with a span around each of its calls."""
        name = f"{service}/{method}"
        fixed = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}
        if self._app:
            fixed["striate.app"] = self._app

        async def traced(message: Any, context: Any) -> Any:
            given = {k: v for k, v in context.invocation_metadata() or () if k in _PARENT}
            parent = self._propagator.extract(given)
            span = self._tracer.start_span(name, parent, kind=self._kind, attributes=fixed)
            try:
                return await handle(message, context)
            finally:
                code = _number(context.code())
                span.set_attribute("rpc.grpc.status_code", code)
                span.set_attribute("striate.request_id", REQUEST_ID.get())
                if code:
                    from opentelemetry.trace import Status, StatusCode

                    span.set_status(Status(StatusCode.ERROR))
                span.end()

        return traced

    def close(self) -> None:
        """Export what is left."""
        self._provider.shutdown()


def from_environment(app: str, environment: Mapping[str, str] | None = None) -> Tracing | None:
    """Tracing as the environment asks for it; None where it does not.

    Raises:
        SettingsError: it asks, and the exporter is not installed.
    """
    values = os.environ if environment is None else environment
    if not values.get(ENDPOINT):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # type: ignore[import-not-found, unused-ignore]
            OTLPSpanExporter,
        )
    except ImportError:
        raise SettingsError(
            f"{ENDPOINT} asks for traces, and OpenTelemetry's exporter is not installed.",
            "Install striate[traces] where the replicas run.",
        ) from None
    return Tracing(OTLPSpanExporter(), app)


def _number(code: Any) -> int:
    """A gRPC status's number; 0 where none was set."""
    return int(code.value[0]) if hasattr(code, "value") else int(code or 0)
