"""A server of `striate.v1.FaceRecognition` in this process, on a store of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from sqlalchemy import select

from striate.core.bundle import Bundle
from striate.serve.common.limits import Batching, Limits
from striate.serve.common.metadata import CALLER_KEY, ERROR_KEY
from striate.serve.common.types import ModelName
from striate.serve.identities import schema
from striate.serve.identities.kept_faces import KeptFaces, OwnIndex
from striate.serve.observability.observer import Observer
from striate.serve.predictors.faces import FacePredictor
from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb
from striate.serve.protos.striate.v1 import face_recognition_pb2_grpc as pb_grpc
from striate.serve.server.server import ModelServer
from striate.serve.services.face_models import FaceModel, FaceModels
from striate.serve.services.face_recognition import FaceRecognition
from striate.serve.services.face_settings import DEFAULT_QUALITY, FaceSettings
from striate.serve.webhooks.config import Webhooks

HERE = "US"
LIMITS = Limits(image_bytes=3_000_000)


@dataclass
class Refusal:
    """How a call ended that was not answered."""

    status: str
    code: str
    sentence: str


class Faces:
    """A caller of the service, and a look at what it keeps."""

    def __init__(self, server: ModelServer, kept: KeptFaces) -> None:
        self.server, self.kept = server, kept
        self._channel = grpc.insecure_channel(server.address)
        self._stub: Any = pb_grpc.FaceRecognitionStub(self._channel)  # type: ignore[no-untyped-call]

    def call(self, method: str, who: str = "", **fields: Any) -> Any:
        """Call a method; fields of its request, with a region where faces are on."""
        kind = pb.DESCRIPTOR.services_by_name["FaceRecognition"].methods_by_name[method].input_type
        fields.setdefault("region", HERE)
        request = getattr(pb, kind.name)(**fields)
        metadata = ((CALLER_KEY, who),) if who else ()
        if method == "Import":
            return self.send([request], who)
        answer = getattr(self._stub, method)(request, metadata=metadata, timeout=60)
        return list(answer) if method in ("Export", "Reindex") else answer

    def send(self, requests: list[pb.ImportRequest], who: str = "") -> pb.ImportResponse:
        """Import what some messages hold."""
        metadata = ((CALLER_KEY, who),) if who else ()
        answer: pb.ImportResponse = self._stub.Import(iter(requests), metadata=metadata, timeout=60)
        return answer

    def refused(self, method: str, who: str = "", **fields: Any) -> Refusal:
        """How a call ends that is not answered."""
        with pytest.raises(grpc.RpcError) as caught:
            self.call(method, who, **fields)
        error: Any = caught.value
        codes = [one.value for one in error.trailing_metadata() if one.key == ERROR_KEY]
        return Refusal(error.code().name, "".join(codes), error.details())

    def audit(self) -> list[Any]:
        """The lines of the audit, oldest first."""
        with self.kept.store.read() as connection:
            return list(connection.execute(select(schema.audit).order_by(schema.audit.c.id)))

    def close(self) -> None:
        """End caller and server."""
        self._channel.close()
        self.server.stop(1)


ServeFaces = Callable[..., Faces]


@pytest.fixture(scope="session")
def face_model(face_bundles: dict[str, Path]) -> Callable[..., FaceModel]:
    """Makes a served model of bundles: ``face_model("other")``."""

    def make(network: str = "network", limits: Limits = LIMITS) -> FaceModel:
        described, found = (Bundle.open(face_bundles[name]) for name in (network, "detector"))
        predictor = FacePredictor.load(described, found)
        names = ModelName(network, "3"), ModelName("detector", "5")
        return FaceModel.of(*names, predictor, limits, Batching())

    return make


@pytest.fixture
def serve_faces(tmp_path: Path, face_model: Callable[..., FaceModel]) -> Iterator[ServeFaces]:
    """Serves faces: ``serve_faces(following="other", threshold=0.9)``; ended with the test.

    Every one of a test has the same store; made-up faces are as good as they need be.
    """
    started: list[Faces] = []

    def serve(
        network: str = "network",
        following: str | None = None,
        url: str | None = None,
        busy_timeout_s: float = 10.0,
        webhooks: Webhooks | None = None,
        limits: Limits = LIMITS,
        observer: Observer | None = None,
        **settings: Any,
    ) -> Faces:
        opened: list[KeptFaces] = []

        def open_kept() -> KeptFaces:
            place, keeps = url or str(tmp_path / "faces.db"), settings.get("keep_crops", True)
            crops = tmp_path / "crops"
            tables = settings.get("hash_tables")
            opened.append(
                KeptFaces(
                    place, crops, lambda store: OwnIndex(store, tables), busy_timeout_s, keeps
                )
            )
            return opened[0]

        models = FaceModels(
            face_model(network, limits),
            face_model(following, limits) if following is not None else None,
        )
        settings.setdefault("quality", DEFAULT_QUALITY)
        service = FaceRecognition(models, FaceSettings(**settings), open_kept, limits, webhooks)
        faces = Faces(ModelServer([service], limits=limits, observer=observer), opened[0])
        started.append(faces)
        return faces

    yield serve
    for faces in started:
        faces.close()


@pytest.fixture
def faces(serve_faces: ServeFaces) -> Faces:
    """Faces, with a deployment's defaults."""
    return serve_faces()
