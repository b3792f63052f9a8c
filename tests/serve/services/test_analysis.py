"""`striate.v1.Photos`: several networks at once, in time."""

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import grpc
import pytest
import torch
from torch import Tensor

from striate.core.bundle import Bundle
from striate.core.errors import UsageError
from striate.serve.apps.factory import load, tagger
from striate.serve.client.client import Client
from striate.serve.common.limits import Limits
from striate.serve.predictors import load_tagging
from striate.serve.predictors.embedding import VectorPredictor
from striate.serve.predictors.tagging import TaggingPredictor
from striate.serve.protos.striate.v1 import photos_pb2 as pb
from striate.serve.protos.striate.v1 import photos_pb2_grpc as pb_grpc
from striate.serve.server.server import ModelServer
from striate.serve.services.analysis import Photos
from striate.serve.services.region_policy import RegionPolicy

pytestmark = pytest.mark.unit
Png = Callable[..., bytes]
OK, LATE, OFF, FAILED = 1, 2, 3, 4
LIMITS = Limits(image_bytes=200_000)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory, write_bundle: Callable[..., Bundle]) -> Bundle:
    return write_bundle(tmp_path_factory.mktemp("faces") / "faces", seed=1)


@pytest.fixture(scope="module")
def stub(bundle: Bundle, faces: Bundle) -> Iterator[Any]:
    photos = Photos(
        load(bundle, ("digits", "7")).tagger(),
        load(faces, ("faces", "2")).describer(),
        load(faces, ("content", "3")).tagger(),
        {"1": 0.0, "2": 1.0},
        limits=LIMITS,
    )
    yield from serving(photos)


def serving(photos: Photos) -> Iterator[Any]:
    server = ModelServer([photos], limits=LIMITS)
    with grpc.insecure_channel(server.address) as channel:
        yield pb_grpc.PhotosStub(channel)  # type: ignore[no-untyped-call]
    server.stop(1)


def test_all_parts_are_those_of_their_own_models(
    stub: Any, bundle: Bundle, faces: Bundle, server: ModelServer, png: Png
) -> None:
    answer = stub.Analyze(pb.AnalyzeRequest(image=png(seed=3), region="US", top_k=2))
    assert (answer.tags.status, answer.faces.status, answer.content.status) == (OK, OK, OK)
    with Client(server.address) as client:
        alone = client.tag(png(seed=3), top_k=2)
    assert [label.index for label in answer.tags.labels] == [tag.index for tag in alone.labels]
    assert (answer.tags.model.name, answer.faces.model.version) == ("digits", "2")
    scores = {label.name: label.score for label in answer.faces.scores}
    assert len(scores) == 10 and sum(scores.values()) == pytest.approx(1, rel=1e-4)
    flagged = [(entry.name, entry.threshold) for entry in answer.content.flagged]
    assert flagged == [("1", 0.0)]
    assert answer.content.flagged[0].score == pytest.approx(scores["1"], rel=1e-5)


@pytest.mark.parametrize("region", ["DE", "de", "FR-75", "EU", ""])
def test_faces_are_off_where_the_policy_says(stub: Any, png: Png, region: str) -> None:
    answer = stub.Analyze(pb.AnalyzeRequest(image=png(), region=region))
    assert (answer.tags.status, answer.faces.status, answer.content.status) == (OK, OFF, OK)
    assert not answer.faces.scores
    assert "faces are off" in answer.faces.reason.lower()


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"image": b""}, "INVALID_ARGUMENT"),
        ({"image": b"GIF89a"}, "INVALID_ARGUMENT"),
        ({"region": "Bavaria"}, "INVALID_ARGUMENT"),
        ({"min_score": 2.0}, "INVALID_ARGUMENT"),
        ({"image": b"x" * 250_000}, "RESOURCE_EXHAUSTED"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    stub: Any, png: Png, fields: Mapping[str, Any], status: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Analyze(pb.AnalyzeRequest(**{"image": png(), **fields}))
    error: Any = caught.value
    assert error.code().name == status, error.details()


class Held(TaggingPredictor):
    """Computes once it is let go."""

    go = threading.Event()

    def predict(self, batch: Tensor) -> Tensor:
        assert self.go.wait(30)
        return super().predict(batch)


@pytest.mark.parametrize(("deadline_s", "timeout"), [(0.5, 20.0), (20.0, 0.5)])
def test_what_is_late_is_left_out_and_said(
    bundle: Bundle, png: Png, deadline_s: float, timeout: float
) -> None:
    """By the service's own deadline, and by the caller's where that is shorter."""
    Held.go.set()
    held = tagger(Held.load(bundle), ("faces", "1"))
    policy = RegionPolicy(faces_off=())
    normal = tagger(load_tagging(bundle, "cpu"), ("digits", "1"))
    photos = Photos(normal, held, policy=policy, deadline_s=deadline_s)
    for stub in serving(photos):
        assert stub.Analyze(pb.AnalyzeRequest(image=png())).faces.status == OK
        Held.go.clear()
        answer = stub.Analyze(pb.AnalyzeRequest(image=png()), timeout=timeout)
        assert (answer.tags.status, answer.faces.status, answer.content.status) == (OK, LATE, OFF)
        assert answer.tags.labels and not answer.faces.scores
        assert "Not ready" in answer.faces.reason
        Held.go.set()
        assert stub.Analyze(pb.AnalyzeRequest(image=png())).faces.status == OK


class Failing(TaggingPredictor):
    """Fails after its first probe."""

    broken = False

    def predict(self, batch: Tensor) -> Tensor:
        if self.broken:
            raise OSError("/srv/secret")
        return super().predict(batch)


def test_a_part_that_fails_leaves_the_others(bundle: Bundle, png: Png) -> None:
    failing = Failing.load(bundle)
    normal = tagger(load_tagging(bundle, "cpu"), ("digits", "1"))
    photos = Photos(normal, tagger(failing, ("faces", "1")), policy=RegionPolicy(faces_off=()))
    for stub in serving(photos):
        failing.broken = True
        answer = stub.Analyze(pb.AnalyzeRequest(image=png()))
        assert (answer.tags.status, answer.faces.status) == (OK, FAILED)
        assert "secret" not in answer.faces.reason and "id " in answer.faces.reason


def test_a_network_that_does_not_classify_gives_a_vector(bundle: Bundle, png: Png) -> None:
    spec = bundle.spec.model_copy(update={"task": "embedding", "labels": ()})
    embedding = Bundle(bundle.path, spec, bundle.files)
    describer = load(embedding, ("embedding", "1")).describer()
    assert isinstance(describer.predictor, VectorPredictor)
    tags = tagger(load_tagging(bundle, "cpu"), ("digits", "1"))
    for stub in serving(Photos(tags, describer, policy=RegionPolicy(faces_off=()))):
        answer = stub.Analyze(pb.AnalyzeRequest(image=png()))
        assert answer.faces.status == OK and not answer.faces.scores
        scores = torch.softmax(torch.tensor(answer.faces.vector), 0)
        assert int(scores.argmax()) == answer.tags.labels[0].index
        assert float(scores.max()) == pytest.approx(answer.tags.labels[0].score, rel=1e-4)


def test_thresholds_name_classes_of_the_model(bundle: Bundle) -> None:
    tags = tagger(load_tagging(bundle, "cpu"), ("digits", "1"))
    with pytest.raises(UsageError, match="no class 'eleven'"):
        Photos(tags, content=tags, thresholds={"eleven": 0.5})
    with pytest.raises(UsageError, match="from 0 to 1"):
        Photos(tags, content=tags, thresholds={"1": 1.5})
    with pytest.raises(UsageError, match="filters nothing"):
        Photos(tags, content=tags)
