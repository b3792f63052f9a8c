"""The gRPC server over a real socket: answers, limits, health, reflection, draining."""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from torch import Tensor

from striate.core.bundle import Bundle
from striate.core.errors import PayloadTooLarge, PlatformError, RequestError, StriateError
from striate.serve.apps.factory import start_tagging_server
from striate.serve.client.client import Client
from striate.serve.predictors import load_tagging
from striate.serve.predictors.tagging import TaggingPredictor
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as pb
from striate.serve.protos.striate.v1 import photo_tagging_pb2_grpc as pb_grpc
from striate.serve.server.server import ModelServer
from striate.serve.services.tagging import SERVICE

pytestmark = pytest.mark.unit
Png = Callable[..., bytes]


@pytest.fixture
def client(server: ModelServer) -> Iterator[Client]:
    with Client(server.address) as client:
        yield client


def test_answers_with_labels_and_the_model(client: Client, png: Png) -> None:
    result = client.tag(png(), top_k=3)
    assert (result.model, result.version) == ("digits", "7")
    assert len(result.labels) == 3
    scores = [label.score for label in result.labels]
    assert scores == sorted(scores, reverse=True)
    assert client.tag(png(), min_score=0.999).labels == ()


def test_the_defaults_of_the_message_hold(server: ModelServer, png: Png) -> None:
    with grpc.insecure_channel(server.address) as channel:
        stub = pb_grpc.PhotoTaggingStub(channel)  # type: ignore[no-untyped-call]
        assert len(stub.Tag(pb.TagRequest(image=png())).labels) == 5


@pytest.mark.parametrize(
    ("what", "kind", "sentence"),
    [
        ("no image", RequestError, "GIF image is truncated"),
        ("truncated", RequestError, "truncated or damaged"),
        ("over the pixels", PayloadTooLarge, "8001 × 8001"),
        ("a bomb", PayloadTooLarge, "megapixels"),
    ],
)
def test_a_bad_picture_gets_one_sentence_and_the_next_call_works(
    client: Client,
    png: Png,
    broken: dict[str, bytes],
    what: str,
    kind: type[StriateError],
    sentence: str,
) -> None:
    with pytest.raises(kind, match=sentence):
        client.tag(broken[what])
    assert client.tag(png()).labels


def test_an_empty_request_is_refused(client: Client) -> None:
    with pytest.raises(RequestError, match="no image"):
        client.tag(b"")


def test_too_many_bytes_are_refused(client: Client, png: Png) -> None:
    with pytest.raises(PayloadTooLarge, match="200,000 are allowed"):
        client.tag(b"x" * 300_000)
    with pytest.raises(PayloadTooLarge, match="larger than max"):
        client.tag(b"x" * 3_000_000)
    assert client.tag(png()).labels


@pytest.mark.parametrize(
    "fields", [{"top_k": 101}, {"min_score": 1.5}, {"min_score": float("nan")}]
)
def test_fields_out_of_range_are_refused(
    client: Client, png: Png, fields: dict[str, float]
) -> None:
    with pytest.raises(RequestError, match=next(iter(fields))):
        client.tag(png(), **fields)  # type: ignore[arg-type]


class Failing(TaggingPredictor):
    """A predictor with a defect."""

    def predict(self, batch: Tensor) -> Tensor:
        raise OSError("/srv/secret cannot be read")


def test_a_defect_tells_nothing_of_the_server(
    bundle: Bundle, png: Png, caplog: pytest.LogCaptureFixture
) -> None:
    server = start_tagging_server(Failing.load(bundle), ("digits", "7"))
    with (
        Client(server.address) as client,
        caplog.at_level(logging.ERROR),
        pytest.raises(StriateError, match="The server failed") as caught,
    ):
        client.tag(png())
    assert "secret" not in str(caught.value)
    assert "secret" in caplog.text
    server.stop(1)


def test_health_and_reflection_answer(server: ModelServer) -> None:
    with grpc.insecure_channel(server.address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        for service in ("", SERVICE):
            answer = health.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        services = ProtoReflectionDescriptorDatabase(channel).get_services()
    assert {SERVICE, "grpc.health.v1.Health"} <= set(services)


class Held(TaggingPredictor):
    """A predictor that computes at once until it is held, and then once it is let go."""

    begun = threading.Event()
    go = threading.Event()

    def predict(self, batch: Tensor) -> Tensor:
        self.begun.set()
        assert self.go.wait(20)
        return super().predict(batch)


def test_calls_in_flight_finish_and_new_ones_are_refused(bundle: Bundle, png: Png) -> None:
    Held.go.set()
    server = start_tagging_server(Held.load(bundle), ("digits", "7"))
    Held.go.clear()
    Held.begun.clear()
    with Client(server.address) as client, ThreadPoolExecutor(2) as threads:
        call = threads.submit(client.tag, png())
        assert Held.begun.wait(20)
        stop = threads.submit(server.stop, 20)
        with Client(server.address, deadline_s=1) as late, pytest.raises(PlatformError):
            late.tag(png())
        assert not call.done()
        Held.go.set()
        assert call.result(20).labels
        stop.result(20)


def test_two_servers_share_a_port(bundle: Bundle, png: Png) -> None:
    first = start_tagging_server(load_tagging(bundle, "cpu"), ("digits", "1"))
    second = start_tagging_server(load_tagging(bundle, "cpu"), ("digits", "2"), port=first.port)
    first.stop(1)
    with Client(second.address) as client:
        assert client.tag(png()).version == "2"
    second.stop(1)


def test_a_client_waits_for_a_server_until_its_deadline(bundle: Bundle, png: Png) -> None:
    first = start_tagging_server(load_tagging(bundle, "cpu"), ("digits", "1"))
    first.stop(1)
    with Client(first.address, deadline_s=20) as client, ThreadPoolExecutor(1) as threads:
        call = threads.submit(client.tag, png())
        back = start_tagging_server(load_tagging(bundle, "cpu"), ("digits", "2"), port=first.port)
        assert call.result(20).version == "2"
    back.stop(1)
