"""What every call passes: the edge's key, ids, health checks, reflection."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from striate.core.bundle import Bundle
from striate.serve.apps.factory import inference_of, load
from striate.serve.common.metadata import NO_CALLER
from striate.serve.common.request_id import REQUEST_ID, RequestIdFilter
from striate.serve.observability.observer import NoObserver
from striate.serve.protos.inference import inference_pb2
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as pb
from striate.serve.protos.striate.v1 import photo_tagging_pb2_grpc as pb_grpc
from striate.serve.server.handlers import NO_MODEL, Call, Method, StreamMethod, Unary
from striate.serve.server.server import ModelServer, Service
from striate.serve.services.analysis import Photos
from striate.serve.services.tagging import SERVICE, PhotoTagging

pytestmark = pytest.mark.unit
Png = Callable[..., bytes]
KEY = "a key that the edge knows"
ALL = {
    "striate.v1.PhotoTagging",
    "striate.v1.Photos",
    "inference.GRPCInferenceService",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
}


class Counting(NoObserver):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, str, str, str]] = []
        self.batches: list[int] = []
        self.rejections: list[str] = []

    def record_call(
        self, service: str, method: str, code: str, seconds: float, model: str, version: str
    ) -> None:
        assert 0 <= seconds < 60
        self.requests.append((service, method, code, model, version))

    def record_batch(self, size: int, queue_seconds: float, compute_seconds: float) -> None:
        assert queue_seconds >= 0 and compute_seconds >= 0
        self.batches.append(size)

    def record_refusal(self, reason: str) -> None:
        self.rejections.append(reason)


@pytest.fixture(scope="module")
def observer() -> Counting:
    return Counting()


@contextmanager
def everything(bundle: Bundle, observer: Counting) -> Iterator[ModelServer]:
    """A server of all services, behind a key."""
    loaded = load(bundle, ("digits", "7"))
    tagging = loaded.tagger()
    services: list[Service] = [Photos(tagging), PhotoTagging(tagging), inference_of([loaded])]
    server = ModelServer(services, edge_key=KEY, observer=observer)
    yield server
    server.stop(1)


@pytest.fixture(scope="module")
def whole(bundle: Bundle, observer: Counting) -> Iterator[ModelServer]:
    with everything(bundle, observer) as server:
        yield server


@pytest.fixture(scope="module")
def channel(whole: ModelServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(whole.address) as channel:
        yield channel


def tag(channel: grpc.Channel, image: bytes, *metadata: tuple[str, str], **options: Any) -> Any:
    stub: Any = pb_grpc.PhotoTaggingStub(channel)  # type: ignore[no-untyped-call]
    return stub.Tag.with_call(pb.TagRequest(image=image), metadata=metadata, **options)


def refused(call: Callable[[], Any]) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("key", [None, "", "another key", KEY + "x", KEY[:-1]])
def test_nobody_goes_around_the_edge(
    channel: grpc.Channel, png: Png, observer: Counting, key: str | None
) -> None:
    metadata = [] if key is None else [("striate-edge-key", key)]
    request = pb.TagRequest(image=png()).SerializeToString()
    one: Any = channel.unary_unary(f"/{SERVICE}/Tag")
    many: Any = channel.stream_stream(f"/{SERVICE}/TagStream")
    before = observer.rejections.count("edge-key")
    for call in (
        lambda: one(request, metadata=metadata),
        lambda: list(many(iter([request]), metadata=metadata)),
    ):
        assert refused(call).code() is grpc.StatusCode.UNAUTHENTICATED
    assert observer.rejections.count("edge-key") == before + 2
    assert tag(channel, png(), ("striate-edge-key", KEY))[0].labels


class WhoAmI:
    """Answers with the name of whoever calls."""

    name = "test.WhoAmI"
    model = NO_MODEL
    models: tuple[str, ...] = ()

    def methods(self) -> dict[str, Method]:
        return {"Ask": Unary(StringValue, self._ask), "Stream": StreamMethod(self._stream)}

    def servables(self) -> tuple[()]:
        return ()

    def open(self, observer: Any, serving: Any) -> None: ...
    def drain(self) -> None: ...
    def close(self) -> None: ...

    async def _ask(self, message: StringValue, call: Call) -> StringValue:
        return StringValue(value=call.caller)

    async def _stream(self, call: Call) -> None:
        await call.context.write(call.caller.encode())


@pytest.mark.parametrize(("told", "caller"), [(["mobile-app"], "mobile-app"), ([], NO_CALLER)])
def test_a_service_is_told_who_calls(told: list[str], caller: str) -> None:
    """By whoever has the edge's key, and by nobody else."""
    server = ModelServer([WhoAmI()], edge_key=KEY)
    names = [("striate-caller", name) for name in told]
    with grpc.insecure_channel(server.address) as channel:
        ask: Any = channel.unary_unary("/test.WhoAmI/Ask")
        stream: Any = channel.stream_stream("/test.WhoAmI/Stream")
        metadata = [*names, ("striate-edge-key", KEY)]
        assert StringValue.FromString(ask(b"", metadata=metadata)).value == caller
        assert list(stream(iter([]), metadata=metadata)) == [caller.encode()]
        error = refused(lambda: ask(b"", metadata=names))
    server.stop(0)
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED


def test_health_checks_need_no_key(channel: grpc.Channel) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    for service in ("", *(name for name in ALL if not name.startswith("grpc."))):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    error = refused(lambda: stub.Check(health_pb2.HealthCheckRequest(service="other")))
    assert error.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("caller-7/a", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("two words", False),
        ("", False),
    ],
)
def test_a_request_id_is_kept_or_made(
    channel: grpc.Channel, png: Png, given: str, kept: bool
) -> None:
    _, call = tag(channel, png(), ("striate-edge-key", KEY), ("x-request-id", given))
    (identity,) = [value for key, value in call.trailing_metadata() if key == "x-request-id"]
    assert (identity == given) is kept
    assert identity


def test_a_refusal_carries_its_code_and_the_id(channel: grpc.Channel) -> None:
    error = refused(
        lambda: tag(channel, b"GIF89a", ("striate-edge-key", KEY), ("x-request-id", "mine"))
    )
    trailing = {entry.key: entry.value for entry in error.trailing_metadata()}
    assert (trailing["x-request-id"], trailing["striate-error"]) == ("mine", "REQUEST")


def test_log_lines_carry_the_id() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "said", None, None)
    token = REQUEST_ID.set("mine")
    RequestIdFilter().filter(record)
    REQUEST_ID.reset(token)
    assert vars(record)["request_id"] == "mine"


def test_the_observer_is_told_of_calls_and_batches(bundle: Bundle, png: Png) -> None:
    observer = Counting()
    key = ("striate-edge-key", KEY)
    with (
        everything(bundle, observer) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        probes = len(observer.batches)
        tag(channel, png(), key)
        refused(lambda: tag(channel, b"", key))
        while len(observer.requests) < 2:  # it is told as the answer is on its way
            time.sleep(0.01)
        infer: Any = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        request = inference_pb2.ModelInferRequest(model_name="digits").SerializeToString()
        refused(lambda: infer(request, metadata=[key]))
        while len(observer.requests) < 3:
            time.sleep(0.01)
    assert observer.requests == [
        (SERVICE, "Tag", "OK", "digits", "7"),
        (SERVICE, "Tag", "INVALID_ARGUMENT", "digits", "7"),
        ("inference.GRPCInferenceService", "ModelInfer", "INVALID_ARGUMENT", "digits", "7"),
    ]
    assert observer.batches[probes:] == [1]


@pytest.mark.parametrize(
    "method",
    [
        "striate.v1.PhotoTagging/Tag",
        "striate.v1.Photos/Analyze",
        "inference.GRPCInferenceService/ModelInfer",
        "inference.GRPCInferenceService/ModelReady",
        "grpc.health.v1.Health/Check",
    ],
)
@pytest.mark.parametrize(
    "raw", [b"\xff" * 40, b"\x0a\xff\xff\xff\xff\x7f", b"\x0a\x02\xc3\x28\x80"]
)
def test_bytes_that_are_no_message_are_the_callers_error(
    channel: grpc.Channel, method: str, raw: bytes
) -> None:
    call: Any = channel.unary_unary(f"/{method}")
    error = refused(lambda: call(raw, metadata=[("striate-edge-key", KEY)]))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "no message" in error.details()
    assert "DecodeError" not in error.details()


def test_an_unknown_method_and_oversized_metadata_are_refused(
    channel: grpc.Channel, png: Png
) -> None:
    call: Any = channel.unary_unary(f"/{SERVICE}/Delete")
    assert refused(lambda: call(b"")).code() is grpc.StatusCode.UNIMPLEMENTED
    key = ("striate-edge-key", KEY)
    error = refused(lambda: tag(channel, png(), key, *[(f"x-{n}", "y" * 1000) for n in range(50)]))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert tag(channel, png(), key)[0].labels


def test_reflection_describes_every_service(whole: ModelServer) -> None:
    metadata = (("striate-edge-key", KEY),)
    with grpc.intercept_channel(grpc.insecure_channel(whole.address), _Adding(metadata)) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert set(database.get_services()) == ALL
        pool = DescriptorPool(database)
        for name in ALL:
            assert pool.FindServiceByName(name).methods
        fields = pool.FindMessageTypeByName("inference.ModelInferRequest").fields_by_name
        assert fields["raw_input_contents"].number == 7


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_both_versions_of_reflection_answer(whole: ModelServer, version: str) -> None:
    """Their messages are the same, byte for byte."""
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    with grpc.insecure_channel(whole.address) as channel:
        ask: Any = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        (answer,) = ask(iter([request]), metadata=(("striate-edge-key", KEY),))
    assert {service.name for service in answer.list_services_response.service} == ALL


class _Adding(grpc.StreamStreamClientInterceptor):
    def __init__(self, metadata: Any) -> None:
        self._metadata = metadata

    def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        class Details(grpc.ClientCallDetails):
            method, timeout, credentials = details.method, details.timeout, details.credentials
            wait_for_ready, compression = details.wait_for_ready, details.compression
            metadata = self._metadata

        return continuation(Details(), requests)
