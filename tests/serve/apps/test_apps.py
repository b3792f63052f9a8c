"""What each application's replicas answer, without Ray."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from striate.core.bundle import Architecture, Bundle, BundleSpec, PipelineSpec, TensorSpec
from striate.core.errors import BundleError, UsageError
from striate.models import build
from striate.serve.apps.app_kinds import APPS
from striate.serve.client.client import Client
from striate.serve.protos.inference import inference_pb2 as pb
from striate.serve.protos.inference import inference_pb2_grpc as pb_grpc
from striate.serve.protos.striate.v1 import face_recognition_pb2 as faces_pb2
from striate.serve.protos.striate.v1 import face_recognition_pb2_grpc as faces_pb2_grpc
from striate.serve.protos.striate.v1 import photos_pb2, photos_pb2_grpc
from striate.serve.server.server import ModelServer

pytestmark = pytest.mark.unit
Png = Callable[..., bytes]


def served(app: str, **fields: Any) -> ModelServer:
    kind = APPS[app]
    return ModelServer(kind.services(kind.arguments(**fields)))


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle that takes no photos."""
    architecture = Architecture(name="lenet5_modern")
    spec = BundleSpec(
        architecture=architecture,
        task="frames",
        inputs={
            "input": TensorSpec(
                dtype="float32", shape=(1, 32, 32), layout="CFT", units="log energy"
            )
        },
        outputs={"output": TensorSpec(dtype="float32", shape=(10,), layout="C", units="logit")},
        pipeline=PipelineSpec(name="speech-frames"),
        labels=tuple("0123456789"),
    )
    path = tmp_path_factory.mktemp("speech") / "speech"
    return Bundle.write(path, spec, build(architecture).state_dict())


def test_photos_tags_and_infers(bundle: Bundle, png: Png) -> None:
    server = served("photos", model=str(bundle.path))
    assert server.model_names == ("lenet5_modern",)
    with Client(server.address) as client:
        assert client.tag(png()).version == bundle.digest
    server.stop(1)


def test_analyze_needs_the_tagger_alone(bundle: Bundle, png: Png) -> None:
    path = str(bundle.path)
    alone = served("analyze", tagger=path)
    with Client(alone.address) as client:
        found = client.analyze(png(), region="US")
        assert [found.tags.status, found.faces.status, found.content.status] == ["OK", "OFF", "OFF"]
    alone.stop(1)
    whole = served("analyze", tagger=path, faces=path, content=path, thresholds={"7": 0.0})
    with Client(whole.address) as client:
        found = client.analyze(png(), region="US")
        assert {found.tags.status, found.faces.status, found.content.status} == {"OK"}
        assert client.tag(png()).labels
    whole.stop(1)
    with pytest.raises(UsageError, match="no class 'x'"):
        served("analyze", tagger=path, content=path, thresholds={"x": 0.5})


def test_analyze_finds_faces_where_it_has_a_detector(
    bundle: Bundle, face_bundles: dict[str, Path], face_photo: Callable[..., bytes]
) -> None:
    tagger = str(bundle.path)
    network, detector = (str(face_bundles[name]) for name in ("network", "detector"))
    server = served("analyze", tagger=tagger, faces=network, detector=detector, region="US")
    with grpc.insecure_channel(server.address) as channel:
        stub: Any = photos_pb2_grpc.PhotosStub(channel)  # type: ignore[no-untyped-call]
        answer = stub.Analyze(photos_pb2.AnalyzeRequest(image=face_photo(1, 2)))
    assert len(answer.faces.faces) == 2
    server.stop(1)
    for fields, said in (
        ({"detector": detector}, "without a network"),
        ({"people": True}, "without a detector"),
    ):
        with pytest.raises(UsageError, match=said):
            served("analyze", tagger=tagger, **fields)


def test_faces_enrols_in_the_store_that_it_is_given(
    face_bundles: dict[str, Path], face_photo: Callable[..., bytes], tmp_path: Path
) -> None:
    network, detector = (str(face_bundles[name]) for name in ("network", "detector"))
    fields = {
        "network": network, "detector": detector, "region": "US", "kept": tmp_path / "kept",
        "store": str(tmp_path / "people.db"),
    }  # fmt: skip
    server = served("faces", **fields)
    with grpc.insecure_channel(server.address) as channel:
        stub: Any = faces_pb2_grpc.FaceRecognitionStub(channel)  # type: ignore[no-untyped-call]
        stub.Enroll(faces_pb2.EnrollRequest(image=face_photo(1), person="Ada"))
        found = stub.Search(faces_pb2.SearchRequest(image=face_photo(1)))
    assert found.faces[0].who == "Ada"
    assert (tmp_path / "people.db").exists() and list((tmp_path / "kept").rglob("*/*"))
    server.stop(1)
    with pytest.raises(BundleError, match="describes no faces"):
        served("faces", **{**fields, "network": detector})


def test_models_answers_for_any_task_and_loads_what_is_called(
    bundle: Bundle, speech: Bundle, write_bundle: Callable[..., Bundle], tmp_path: Path
) -> None:
    other = write_bundle(tmp_path / "other", seed=4, name="lenet5_modern")
    paths = tuple(str(one.path) for one in (bundle, other, speech))
    server = served("models", models=paths, loaded=1)
    with grpc.insecure_channel(server.address) as channel:
        stub: Any = pb_grpc.GRPCInferenceServiceStub(channel)  # type: ignore[no-untyped-call]
        tensor = pb.ModelInferRequest.InferInputTensor(
            name="input", datatype="FP32", shape=[1, 1, 32, 32]
        )
        answers = []
        for one in (bundle, other, speech, bundle):
            request = pb.ModelInferRequest(
                model_name="lenet5_modern",
                model_version=one.digest,
                inputs=[tensor],
                raw_input_contents=[bytes(4096)],
            )
            answers.append(stub.ModelInfer(request).raw_output_contents[0])
        metadata = stub.ModelMetadata(
            pb.ModelMetadataRequest(name="lenet5_modern", version=speech.digest)
        )
        assert [meta.name for meta in metadata.inputs] == ["input"]
    assert answers[0] == answers[3]
    assert len(set(answers)) == 3
    server.stop(1)


def test_a_bundle_that_takes_no_photos_is_not_for_tagging(speech: Bundle) -> None:
    for app, field in (("photos", "model"), ("analyze", "tagger")):
        with pytest.raises(BundleError, match="not for tagging"):
            served(app, **{field: str(speech.path)})


def test_echo_needs_no_model() -> None:
    server = served("echo")
    assert server.model_names == ("echo",)
    with Client(server.address) as client:
        assert client.tag(b"anything").labels[0].name == "echo"
        assert len(dict(client.tag_stream((str(n), b"x") for n in range(100)))) == 100
    with grpc.insecure_channel(server.address) as channel:
        stub: Any = pb_grpc.GRPCInferenceServiceStub(channel)  # type: ignore[no-untyped-call]
        tensor = pb.ModelInferRequest.InferInputTensor(name="image", datatype="BYTES", shape=[2])
        tensor.contents.bytes_contents.extend([b"a", b"b"])
        answer = stub.ModelInfer(pb.ModelInferRequest(model_name="echo", inputs=[tensor]))
        assert list(answer.outputs[0].shape) == [2, 1]
    server.stop(1)
