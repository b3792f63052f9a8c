"""What a server does with its queue, and what its health follows: probes, scores, its end."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from torch import Tensor, full_like

from striate.core.bundle import Bundle
from striate.core.errors import BundleError
from striate.serve.apps.factory import inference_of, load, start_tagging_server, tagger
from striate.serve.common.limits import Batching, Limits
from striate.serve.observability.observer import NoObserver
from striate.serve.predictors.tagging import TaggingPredictor
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as pb
from striate.serve.protos.striate.v1 import photo_tagging_pb2_grpc as pb_grpc
from striate.serve.server.server import ModelServer
from striate.serve.services.tagging import SERVICE, PhotoTagging

pytestmark = pytest.mark.unit
Png = Callable[..., bytes]


class Refusals(NoObserver):
    """Keeps why calls were rejected."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def record_refusal(self, reason: str) -> None:
        self.reasons.append(reason)


def tag(channel: grpc.Channel, image: bytes) -> Any:
    stub: Any = pb_grpc.PhotoTaggingStub(channel)  # type: ignore[no-untyped-call]
    return stub.Tag(pb.TagRequest(image=image))


class Fickle(TaggingPredictor):
    """Gives scores that are not finite while it is ill, and waits while it is held."""

    ill = False
    go = threading.Event()
    computed = 0

    def predict(self, batch: Tensor) -> Tensor:
        assert self.go.wait(20)
        Fickle.computed += len(batch)
        scores = super().predict(batch)
        return full_like(scores, float("nan")) if self.ill else scores


@pytest.fixture
def fickle(bundle: Bundle) -> Iterator[ModelServer]:
    Fickle.ill = False
    Fickle.go.set()
    one = Batching(threads=1)
    server = start_tagging_server(Fickle.load(bundle), ("digits", "7"), batching=one)
    yield server
    Fickle.go.set()
    server.stop(5)


def test_health_follows_the_probe_and_the_end(fickle: ModelServer) -> None:
    serving, not_serving = (
        health_pb2.HealthCheckResponse.SERVING,
        health_pb2.HealthCheckResponse.NOT_SERVING,
    )
    with grpc.insecure_channel(fickle.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watched = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE), timeout=30)
        unknown = stub.Watch(health_pb2.HealthCheckRequest(service="other"), timeout=30)
        assert next(unknown).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        assert next(watched).status == serving
        Fickle.ill = True
        with pytest.raises(BundleError, match="not finite"):
            fickle.run(fickle.probe()).result(10)
        assert next(watched).status == not_serving
        Fickle.ill = False
        fickle.run(fickle.probe()).result(10)
        assert next(watched).status == serving
        fickle.drain()
        assert next(watched).status == not_serving
        fickle.run(fickle.probe()).result(10)  # it works, and still is to end
        assert stub.Check(health_pb2.HealthCheckRequest()).status == not_serving


def test_scores_that_are_not_finite_are_never_an_answer(fickle: ModelServer, png: Png) -> None:
    Fickle.ill = True
    channel = grpc.insecure_channel(fickle.address)
    with channel, pytest.raises(grpc.RpcError) as error:
        tag(channel, png())
    assert error.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "not finite" in str(error.value.details())


def test_a_bundle_that_is_ill_from_the_start_is_not_healthy(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    Fickle.ill = True
    Fickle.go.set()
    server = start_tagging_server(Fickle.load(bundle), ("digits", "7"))
    with grpc.insecure_channel(server.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert "does not answer its first probe" in caplog.text
    server.stop(1)


def test_work_whose_caller_has_left_or_whose_time_is_up_is_not_computed(
    fickle: ModelServer, png: Png
) -> None:
    with grpc.insecure_channel(fickle.address) as channel, ThreadPoolExecutor(1) as threads:
        Fickle.go.clear()
        computed = Fickle.computed
        first = threads.submit(tag, channel, png())
        busy = fickle.services[0].servables()[0]
        while not busy.busy:
            time.sleep(0.01)
        stub: Any = pb_grpc.PhotoTaggingStub(channel)  # type: ignore[no-untyped-call]
        late = [stub.Tag.future(pb.TagRequest(image=png()), timeout=0.3) for _ in range(3)]
        gone = [stub.Tag.future(pb.TagRequest(image=png())) for _ in range(3)]
        while fickle.queued < 6:
            time.sleep(0.01)
        for call in gone:
            call.cancel()
        for call in late:
            assert call.exception().code() is grpc.StatusCode.DEADLINE_EXCEEDED
        while fickle.in_flight > 1:
            time.sleep(0.01)
        Fickle.go.set()
        assert first.result(10).labels
        assert tag(channel, png()).labels
    assert Fickle.computed == computed + 2


def test_a_full_queue_refuses_and_says_so(bundle: Bundle, png: Png) -> None:
    Fickle.ill = False
    Fickle.go.set()
    limits = Limits(queued=2)
    observer = Refusals()
    one = Batching(max_size=1, threads=1)  # one is computed, two wait
    service = PhotoTagging(tagger(Fickle.load(bundle), ("digits", "7"), limits, one), limits)
    server = ModelServer([service], limits=limits, observer=observer)
    Fickle.go.clear()
    with grpc.insecure_channel(server.address) as channel:
        stub: Any = pb_grpc.PhotoTaggingStub(channel)  # type: ignore[no-untyped-call]
        calls = [stub.Tag.future(pb.TagRequest(image=png())) for _ in range(12)]
        while observer.reasons.count("queue-full") < 8:
            time.sleep(0.01)
        Fickle.go.set()
        codes = [call.code() for call in calls]
    assert codes.count(grpc.StatusCode.OK) >= 2
    assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
    server.stop(1)


def test_two_models_of_one_server_are_probed_each(bundle: Bundle) -> None:
    Fickle.ill = False
    Fickle.go.set()
    ill = PhotoTagging(tagger(Fickle.load(bundle), ("ill", "1")))
    well = inference_of([load(bundle, ("well", "1"))])
    server = ModelServer([ill, well])
    Fickle.ill = True
    with pytest.raises(BundleError, match="not finite"):
        server.run(server.probe()).result(10)
    with grpc.insecure_channel(server.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        found = {
            name: stub.Check(health_pb2.HealthCheckRequest(service=name)).status
            for name in (ill.name, well.name, "")
        }
    assert list(found.values()) == [
        health_pb2.HealthCheckResponse.NOT_SERVING,
        health_pb2.HealthCheckResponse.SERVING,
        health_pb2.HealthCheckResponse.NOT_SERVING,
    ]
    server.stop(1)
