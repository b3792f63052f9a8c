"""Hostile calls to `striate.v1.FaceRecognition`: one right status each, and no harm."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from striate.core.bundle import Bundle
from striate.serve.common.limits import Batching
from striate.serve.common.types import ModelName
from striate.serve.identities.kept_faces import KeptFaces, OwnIndex
from striate.serve.predictors.faces import FacePredictor
from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb
from striate.serve.server.server import ModelServer
from striate.serve.services.face_models import FaceModel, FaceModels
from striate.serve.services.face_recognition import FaceRecognition
from striate.serve.services.face_settings import FaceSettings

CASES, AT_ONCE, DEADLINE_S = 1000, 8, 20.0
RIGHT = {
    "OK", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "PERMISSION_DENIED", "NOT_FOUND",
    "ALREADY_EXISTS", "DATA_LOSS",
}  # fmt: skip
UNWRITTEN = "Internal error from Core"
"""What `grpc.aio` says by itself when a server ends a stream before its caller has written all."""


def serve(bundles: dict[str, Path], folder: Path, limits: Any) -> ModelServer:
    network, detector = (Bundle.open(bundles[name]) for name in ("network", "detector"))
    predictor = FacePredictor.load(network, detector, pixels=limits.pixels)
    names = ModelName("network", "1"), ModelName("detector", "1")
    model = FaceModel.of(*names, predictor, limits, Batching())
    kept = KeptFaces(str(folder / "faces.db"), folder / "crops", OwnIndex)
    service = FaceRecognition(FaceModels(model), FaceSettings(), lambda: kept, limits)
    return ModelServer([service], limits=limits)


@pytest.mark.unit
def test_no_case_harms_a_store_of_faces(
    hostile: SimpleNamespace,
    face_bundles: dict[str, Path],
    face_photo: Callable[..., bytes],
    tmp_path: Path,
) -> None:
    server = serve(face_bundles, tmp_path, hostile.limits)
    photo = face_photo(1, 2)
    statuses: Counter[str] = Counter()
    with grpc.insecure_channel(server.address) as channel:

        def judge(number: int) -> str:
            case = hostile.face_case_of(number, photo)
            status, answers, details = hostile.sent(channel, case)
            where = f"face_case_of({number}) of seed {hostile.seed}, {case.target.path}"
            left = case.leaves or details == UNWRITTEN
            assert left or status in RIGHT, f"{where}: {status} {details}"
            read = [case.target.response.FromString(answer) for answer in answers]
            assert not hostile.leaks(details), f"{where}: {details}"
            assert case.target.path.endswith("Export") or not hostile.leaks(str(read)), where
            statuses[status] += 1
            return str(case.target.path)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            called = set(pool.map(judge, range(CASES)))
        assert called == {target.path for target in hostile.face_targets}
        assert set(statuses) >= {"OK", "INVALID_ARGUMENT", "PERMISSION_DENIED", "NOT_FOUND"}
        search: Any = channel.unary_unary("/striate.v1.FaceRecognition/Search")
        right = pb.SearchRequest(image=photo, region="US").SerializeToString()
        answer = pb.SearchResponse.FromString(search(right, timeout=DEADLINE_S))
        assert len(answer.faces) == 2
    server.stop(1)
