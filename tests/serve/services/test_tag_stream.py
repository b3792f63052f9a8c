"""`TagStream`: many photos on one call."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from torch import Tensor

from striate.core.bundle import Bundle
from striate.serve.apps.factory import start_tagging_server
from striate.serve.client.client import Client
from striate.serve.common.limits import Limits
from striate.serve.predictors.echo import EchoPredictor
from striate.serve.predictors.tagging import TaggingPredictor
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as pb
from striate.serve.protos.striate.v1 import photo_tagging_pb2_grpc as pb_grpc
from striate.serve.server.server import ModelServer

pytestmark = pytest.mark.unit
Png = Callable[..., bytes]
WINDOW = 4


def message(identity: str, image: bytes, **fields: Any) -> pb.TagStreamRequest:
    photo = pb.StreamedPhoto(id=identity, photo=pb.TagRequest(image=image, **fields))
    return pb.TagStreamRequest(photos=[photo])


def streamed(
    channel: grpc.Channel, requests: Iterator[pb.TagStreamRequest]
) -> dict[str, pb.TagStreamAnswer]:
    stub: Any = pb_grpc.PhotoTaggingStub(channel)  # type: ignore[no-untyped-call]
    responses = stub.TagStream(requests, timeout=30)
    answers = [answer for response in responses for answer in response.answers]
    found = {answer.id: answer for answer in answers}
    assert len(found) == len(answers)
    return found


def test_every_photo_is_answered_as_tag_would(server: ModelServer, png: Png) -> None:
    photos = {f"photo-{n}": png(20 + n, 30, seed=n) for n in range(40)}
    with Client(server.address) as client, grpc.insecure_channel(server.address) as channel:
        alone = {name: client.tag(image, top_k=3) for name, image in photos.items()}
        requests = (message(name, image, top_k=3) for name, image in photos.items())
        found = streamed(channel, requests)
    assert set(found) == set(photos)
    for name, answer in found.items():
        assert [label.index for label in answer.tags.labels] == [
            label.index for label in alone[name].labels
        ]
        assert answer.tags.model.version == "7"


def test_photos_may_travel_together(server: ModelServer, png: Png) -> None:
    photos = [pb.StreamedPhoto(id=str(n), photo=pb.TagRequest(image=png())) for n in range(9)]
    parts = [photos[:4], [], photos[4:]]
    with grpc.insecure_channel(server.address) as channel:
        found = streamed(channel, (pb.TagStreamRequest(photos=part) for part in parts))
    assert set(found) == {str(n) for n in range(9)}


def test_a_bad_photo_fails_alone(server: ModelServer, png: Png, broken: dict[str, bytes]) -> None:
    requests = [
        message("good", png()),
        message("no image", broken["no image"]),
        message("a bomb", broken["a bomb"]),
        message("empty", b""),
        message("field", png(), min_score=float("nan")),
        message("large", b"x" * 300_000),
        message("x" * 300, png()),
        message("last", png()),
    ]
    with grpc.insecure_channel(server.address) as channel:
        found = streamed(channel, iter(requests))
    failures = {name: answer.failure for name, answer in found.items() if answer.failure.message}
    statuses = {name: failure.status for name, failure in failures.items()}
    invalid, exhausted = (
        code.value[0]
        for code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED)
    )
    assert statuses == {
        "no image": invalid,
        "a bomb": exhausted,
        "empty": invalid,
        "field": invalid,
        "large": exhausted,
        "": invalid,  # an id that is too long is not repeated
    }
    assert failures["no image"].code == "REQUEST"
    assert len(found["good"].tags.labels) == len(found["last"].tags.labels) == 5


def test_bytes_that_are_no_message_end_the_call(server: ModelServer, png: Png) -> None:
    with grpc.insecure_channel(server.address) as channel:
        call: Any = channel.stream_stream("/striate.v1.PhotoTagging/TagStream")
        responses = call(iter([message("a", png()).SerializeToString(), b"\xff\xff\xff"]))
        answer = pb.TagStreamResponse.FromString(next(responses)).answers[0]
        assert answer.id == "a"
        with pytest.raises(grpc.RpcError) as caught:
            next(responses)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


class Held(TaggingPredictor):
    """Computes at once until it is held, and then once it is let go."""

    go = threading.Event()

    def predict(self, batch: Tensor) -> Tensor:
        assert self.go.wait(20)
        return super().predict(batch)


@pytest.fixture
def held(bundle: Bundle) -> Iterator[ModelServer]:
    Held.go.set()
    server = start_tagging_server(
        Held.load(bundle), ("digits", "7"), limits=Limits(stream_window=WINDOW, queued=1000)
    )
    Held.go.clear()
    yield server
    Held.go.set()
    server.stop(5)


def test_a_stream_is_read_no_further_than_its_window(held: ModelServer, png: Png) -> None:
    """The server holds few photos; the others stay with the caller, whose writes pause."""
    image, sent = png(400, 400), 300  # far more than flow control takes of a caller by itself
    taken: list[int] = []

    def requests() -> Iterator[pb.TagStreamRequest]:
        for number in range(sent):
            taken.append(number)
            yield message(str(number), image, top_k=1)

    with grpc.insecure_channel(held.address) as channel:
        stub: Any = pb_grpc.PhotoTaggingStub(channel)  # type: ignore[no-untyped-call]
        responses = stub.TagStream(requests(), timeout=60)
        before = -1
        while len(taken) != before:  # until the caller can write no more
            before = len(taken)
            threading.Event().wait(0.3)
        assert WINDOW <= len(taken) < sent / 2
        assert held.queued <= WINDOW
        Held.go.set()
        found = {answer.id for response in responses for answer in response.answers}
    assert len(found) == sent


def test_a_server_that_ends_answers_what_it_has_read(held: ModelServer, png: Png) -> None:
    more = threading.Event()

    def requests() -> Iterator[pb.TagStreamRequest]:
        yield message("read", png())
        more.wait(20)

    with grpc.insecure_channel(held.address) as channel:
        stub: Any = pb_grpc.PhotoTaggingStub(channel)  # type: ignore[no-untyped-call]
        responses = stub.TagStream(requests(), timeout=30)
        while not held.in_flight:
            threading.Event().wait(0.01)
        held.run(wait_until_read(held)).result(10)
        held.drain()
        Held.go.set()
        assert next(responses).answers[0].id == "read"
        with pytest.raises(grpc.RpcError) as caught:
            next(responses)
        more.set()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def wait_until_read(server: ModelServer) -> None:
    """Until the photo has gone to the batcher."""
    import asyncio

    servable = server.services[0].servables()[0]
    while not servable.busy:
        await asyncio.sleep(0.01)


def test_a_caller_that_leaves_takes_its_photos_back(held: ModelServer, png: Png) -> None:
    with grpc.insecure_channel(held.address) as channel:
        stub: Any = pb_grpc.PhotoTaggingStub(channel)  # type: ignore[no-untyped-call]
        call = stub.TagStream(iter([message(str(n), png()) for n in range(4)]), timeout=30)
        held.run(wait_until_read(held)).result(10)
        call.cancel()
        while held.in_flight:
            threading.Event().wait(0.01)
    Held.go.set()
    with Client(held.address) as client:
        assert client.tag(png()).labels


def test_an_echo_answers_whatever_is_sent() -> None:
    server = start_tagging_server(EchoPredictor(), ("echo", "1"))
    with grpc.insecure_channel(server.address) as channel:
        found = streamed(channel, (message(str(n), b"anything") for n in range(500)))
    assert len(found) == 500
    assert {answer.tags.labels[0].name for answer in found.values()} == {"echo"}
    server.stop(1)
