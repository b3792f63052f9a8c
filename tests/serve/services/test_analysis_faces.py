"""`Photos.Analyze` with a detector: every face described, and looked up among who is enrolled."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from striate.core.bundle import Bundle
from striate.serve.apps.factory import load
from striate.serve.common.metadata import CALLER_KEY
from striate.serve.identities.kept_faces import KeptFaces, OwnIndex
from striate.serve.protos.striate.v1 import photos_pb2 as pb
from striate.serve.protos.striate.v1 import photos_pb2_grpc as pb_grpc
from striate.serve.server.server import ModelServer
from striate.serve.services.analysis import Photos
from striate.serve.services.analysis_faces import FacePart
from striate.serve.services.face_models import FaceModels
from striate.serve.services.face_settings import FaceSettings

pytestmark = pytest.mark.unit
FacePhoto = Callable[..., bytes]
OK, OFF, FAILED = 1, 3, 4


@pytest.fixture
def analyzing(bundle: Bundle, face_model: Callable[..., Any]) -> Callable[..., Any]:
    """Serves `Photos` with faces, on a store where one is given: ``analyzing(url, crops)``."""

    @contextmanager
    def serve(url: str | None = None, crops: Path | None = None) -> Iterator[Callable[..., Any]]:
        def opened() -> KeptFaces:
            assert url is not None and crops is not None
            return KeptFaces(url, crops, OwnIndex, busy_timeout_s=0.1)

        models, settings = FaceModels(face_model()), FaceSettings()
        part = FacePart(models, settings, opened if url is not None else None)
        tagger = load(bundle, ("digits", "7")).tagger()
        server = ModelServer([Photos(tagger, part)])
        with grpc.insecure_channel(server.address) as channel:
            stub: Any = pb_grpc.PhotosStub(channel)  # type: ignore[no-untyped-call]

            def ask(image: bytes, who: str = "", region: str = "US") -> pb.AnalyzeResponse:
                metadata = ((CALLER_KEY, who),) if who else ()
                request = pb.AnalyzeRequest(image=image, region=region)
                answer: pb.AnalyzeResponse = stub.Analyze(request, metadata=metadata, timeout=30)
                return answer

            yield ask
        server.stop(1)

    return serve


def test_every_face_of_a_photo_is_described(analyzing: Any, faces: Any, face_photo: Any) -> None:
    with analyzing() as ask:
        answer = ask(face_photo(1, 2))
        assert (answer.tags.status, answer.faces.status) == (OK, OK)
        assert (answer.faces.model.name, len(answer.faces.faces)) == ("network", 2)
        assert not answer.faces.vector and not answer.faces.scores
        described = faces.call("Describe", image=face_photo(1, 2)).faces
        for one, other in zip(answer.faces.faces, described, strict=True):
            assert one.face == other.face and one.descriptor.model == other.descriptor.model
            assert one.descriptor.code == other.descriptor.code
            assert not one.HasField("found")
        nobody = ask(face_photo()).faces
        assert (nobody.status, len(nobody.faces)) == (OK, 0)
        off = ask(face_photo(1), region="DE")
        assert (off.tags.status, off.faces.status, len(off.faces.faces)) == (OK, OFF, 0)


def test_faces_are_looked_up_among_those_of_the_caller(
    analyzing: Any, serve_faces: Any, face_photo: Any, tmp_path: Path
) -> None:
    faces = serve_faces()
    ada = faces.call("Enroll", "phone", image=face_photo(1), person="Ada").faces[0].person_id
    with analyzing(str(tmp_path / "faces.db"), tmp_path / "crops") as ask:
        found = [one.found for one in ask(face_photo(1, 9), "phone").faces.faces]
        assert sorted(one.who for one in found) == ["Ada", "unknown"]
        assert {one.person_id for one in found} == {ada, 0}
        assert [one.found.who for one in ask(face_photo(1)).faces.faces] == ["unknown"]
        ask(face_photo(1), "phone", region="DE")
    lines = [(one.who, one.verb, json.loads(one.details)) for one in faces.audit()[1:]]
    assert lines == [
        ("phone", "analyze", {"faces": 2, "known": 1, "people": [ada]}),
        ("", "analyze", {"faces": 1, "known": 0, "people": []}),
    ], "where faces are off nobody looked"


def test_a_store_that_another_holds_fails_the_faces_alone(
    analyzing: Any, serve_faces: Any, face_photo: Any, tmp_path: Path
) -> None:
    serve_faces()
    with analyzing(str(tmp_path / "faces.db"), tmp_path / "crops") as ask:
        other = sqlite3.connect(tmp_path / "faces.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answer = ask(face_photo(1))
        assert (answer.tags.status, answer.faces.status) == (OK, FAILED)
        assert "locked" in answer.faces.reason and not answer.faces.faces
        other.execute("ROLLBACK")
        assert ask(face_photo(1)).faces.status == OK
