"""Spans of calls reach an OpenTelemetry collector over its own protocol, in the caller's trace."""

import builtins
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as otlp_grpc
from opentelemetry.proto.trace.v1 import trace_pb2

from striate.core.errors import SettingsError
from striate.serve.apps.factory import tagger
from striate.serve.common.limits import Limits
from striate.serve.observability.tracing import ENDPOINT, from_environment
from striate.serve.predictors.echo import EchoPredictor
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as pb
from striate.serve.protos.striate.v1 import photo_tagging_pb2_grpc as pb_grpc
from striate.serve.server.server import ModelServer
from striate.serve.services.tagging import PhotoTagging

pytestmark = pytest.mark.unit
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector(otlp_grpc.TraceServiceServicer):
    """Keeps the spans that it is sent."""

    def __init__(self) -> None:
        self.spans: dict[str, trace_pb2.Span] = {}

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Take spans in."""
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans |= {
                    str(_attribute(span, "striate.request_id")): span for span in scope.spans
                }
        return otlp.ExportTraceServiceResponse()


def _attribute(span: trace_pb2.Span, key: str) -> object:
    value = next(pair.value for pair in span.attributes if pair.key == key)
    return getattr(value, str(value.WhichOneof("value")))


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    """A collector on a real socket, and its address."""
    kept, server = Collector(), grpc.server(ThreadPoolExecutor(2))
    register: Any = otlp_grpc.add_TraceServiceServicer_to_server
    register(kept, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield kept, f"http://127.0.0.1:{port}"
    server.stop(0)


def test_each_call_is_a_span_in_its_callers_trace(
    collector: tuple[Collector, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, address = collector
    monkeypatch.setenv(ENDPOINT, address)
    tracing = from_environment("photos")
    assert tracing is not None
    service = PhotoTagging(tagger(EchoPredictor(), ("echo", "1")), Limits())
    server = ModelServer([service], tracing=tracing)
    try:
        with grpc.insecure_channel(server.address) as channel:
            stub: Any = pb_grpc.PhotoTaggingStub(channel)  # type: ignore[no-untyped-call]
            traced = (("traceparent", f"00-{TRACE}-{PARENT}-01"), ("x-request-id", "good"))
            stub.Tag(pb.TagRequest(image=b"photo"), metadata=traced)
            with pytest.raises(grpc.RpcError):
                stub.Tag(pb.TagRequest(), metadata=(("x-request-id", "bad"),))
    finally:
        server.stop(1)  # exports what is left
    good, bad = kept.spans["good"], kept.spans["bad"]
    assert good.trace_id.hex() == TRACE and good.parent_span_id.hex() == PARENT
    assert good.name == "striate.v1.PhotoTagging/Tag"
    assert good.kind == trace_pb2.Span.SPAN_KIND_SERVER
    assert _attribute(good, "striate.app") == "photos"
    assert _attribute(good, "rpc.grpc.status_code") == 0
    assert good.end_time_unix_nano > good.start_time_unix_nano
    assert bad.trace_id.hex() != TRACE
    assert _attribute(bad, "rpc.grpc.status_code") == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert bad.status.code == trace_pb2.Status.STATUS_CODE_ERROR


def test_nothing_is_traced_unless_asked_for() -> None:
    assert from_environment("photos", {}) is None


def test_a_missing_exporter_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("opentelemetry.exporter"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SettingsError, match=r"Install striate\[traces\]"):
        from_environment("photos", {ENDPOINT: "http://127.0.0.1:1"})
