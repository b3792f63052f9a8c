"""`inference.GRPCInferenceService` around a real bundle: what clients of Triton and KServe send."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import torch

from striate.core.bundle import Bundle
from striate.models import build_from
from striate.serve.apps.factory import inference_of, load
from striate.serve.common.limits import Limits
from striate.serve.common.types import TagRequest
from striate.serve.predictors import load_tagging
from striate.serve.predictors.base import answer
from striate.serve.protos.inference import inference_pb2 as pb
from striate.serve.protos.inference import inference_pb2_grpc as pb_grpc
from striate.serve.server.server import ModelServer

pytestmark = pytest.mark.unit
Png = Callable[..., bytes]
Tensor = pb.ModelInferRequest.InferInputTensor


@pytest.fixture(scope="module")
def stub(bundle: Bundle) -> Iterator[Any]:
    limits = Limits(rows=100, images=4, image_bytes=200_000)
    server = ModelServer(
        [inference_of([load(bundle, ("digits", "7"), limits=limits)])], limits=limits
    )
    with grpc.insecure_channel(server.address) as channel:
        yield pb_grpc.GRPCInferenceServiceStub(channel)  # type: ignore[no-untyped-call]
    server.stop(1)


def images(rows: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    generator = np.random.default_rng(seed)
    return generator.standard_normal((rows, 1, 32, 32)).astype(np.float32)


def tensor_request(rows: int = 2, **changes: Any) -> pb.ModelInferRequest:
    """A right request with raw contents."""
    batch = images(rows)
    tensor = Tensor(name="input", datatype="FP32", shape=batch.shape)
    fields: dict[str, Any] = {
        "model_name": "digits",
        "inputs": [tensor],
        "raw_input_contents": [batch.tobytes()],
    }
    return pb.ModelInferRequest(**{**fields, **changes})


def raw_bytes(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "little") + part for part in parts)


def output_of(response: pb.ModelInferResponse, name: str = "output") -> np.ndarray[Any, Any]:
    place = [output.name for output in response.outputs].index(name)
    raw = response.raw_output_contents[place]
    return np.frombuffer(raw, np.float32).reshape(tuple(response.outputs[place].shape))


def test_the_server_and_its_models_tell_of_themselves(stub: Any) -> None:
    assert stub.ServerLive(pb.ServerLiveRequest()).live
    assert stub.ServerReady(pb.ServerReadyRequest()).ready
    assert stub.ModelReady(pb.ModelReadyRequest(name="digits", version="7")).ready
    assert not stub.ModelReady(pb.ModelReadyRequest(name="digits", version="8")).ready
    assert not stub.ModelReady(pb.ModelReadyRequest(name="letters")).ready
    server = stub.ServerMetadata(pb.ServerMetadataRequest())
    assert (server.name, list(server.extensions)) == ("striate", ["classification"])
    model = stub.ModelMetadata(pb.ModelMetadataRequest(name="digits"))
    assert (model.name, list(model.versions)) == ("digits", ["7"])
    tensors = [(t.name, t.datatype, list(t.shape)) for t in (*model.inputs, *model.outputs)]
    assert tensors == [
        ("input", "FP32", [-1, 1, 32, 32]),
        ("image", "BYTES", [-1]),
        ("output", "FP32", [-1, 10]),
        ("labels", "BYTES", [-1]),
    ]


def test_tensors_get_the_networks_own_output(stub: Any, bundle: Bundle) -> None:
    request = tensor_request(3, id="mine")
    request.parameters["timeout"].int64_param = 20_000_000
    response = stub.ModelInfer(request)
    assert (response.model_name, response.model_version, response.id) == ("digits", "7", "mine")
    assert response.parameters["timeout"].int64_param == 20_000_000
    expected = build_from(bundle)(torch.from_numpy(images(3))).detach().numpy()
    np.testing.assert_allclose(output_of(response), expected, rtol=1e-5, atol=1e-5)
    labels = response.raw_output_contents[1]
    assert labels == raw_bytes(*[str(place).encode() for place in expected.argmax(1)])


def test_a_version_may_stand_behind_the_models_name(stub: Any) -> None:
    for beside in ("", "7"):
        response = stub.ModelInfer(tensor_request(model_name="digits@7", model_version=beside))
        assert (response.model_name, response.model_version) == ("digits", "7")
    assert stub.ModelReady(pb.ModelReadyRequest(name="digits@7")).ready
    assert not stub.ModelReady(pb.ModelReadyRequest(name="digits@8")).ready
    model = stub.ModelMetadata(pb.ModelMetadataRequest(name="digits@7"))
    assert (model.name, list(model.versions)) == ("digits", ["7"])


def test_the_page_names_the_status_of_too_many_rows_and_photos(bundle: Bundle) -> None:
    """`docs/calling.md` against a server with the limits that it names."""
    page = Path(__file__).parents[3] / "docs" / "calling.md"
    (line,) = re.findall(r"^\|(.*1,024 rows or 64 photos.*)\|$", page.read_text(), re.MULTILINE)
    server = ModelServer([inference_of([load(bundle, ("digits", "7"))])])
    with grpc.insecure_channel(server.address) as channel:
        asked_of = pb_grpc.GRPCInferenceServiceStub(channel)  # type: ignore[no-untyped-call]
        for changes in (shaped(1025, 1, 32, 32), photo([65], raw_bytes(*[b"x"] * 65))):
            with pytest.raises(grpc.RpcError) as caught:
                asked_of.ModelInfer(tensor_request(**changes))
            error: Any = caught.value
            assert f"`{error.code().name}`" in line.split("|")[0]
    server.stop(1)


def test_typed_contents_get_typed_contents(stub: Any) -> None:
    raw = stub.ModelInfer(tensor_request())
    tensor = Tensor(name="input", datatype="FP32", shape=[2, 1, 32, 32])
    tensor.contents.fp32_contents.extend(images(2).ravel().tolist())
    typed = stub.ModelInfer(tensor_request(inputs=[tensor], raw_input_contents=[]))
    assert not typed.raw_output_contents
    assert typed.outputs[0].contents.fp32_contents == pytest.approx(
        output_of(raw).ravel().tolist(), rel=1e-5
    )
    assert len(typed.outputs[1].contents.bytes_contents) == 2


def test_encoded_photos_get_what_tagging_says(stub: Any, bundle: Bundle, png: Png) -> None:
    photos = [png(seed=seed) for seed in range(3)]
    tensor = Tensor(name="image", datatype="BYTES", shape=[3])
    request = tensor_request(inputs=[tensor], raw_input_contents=[raw_bytes(*photos)])
    scores = torch.softmax(torch.from_numpy(output_of(stub.ModelInfer(request)).copy()), 1)
    predictor = load_tagging(bundle, "cpu")
    for row, tags in zip(scores, answer(predictor, [TagRequest(p) for p in photos]), strict=True):
        assert isinstance(tags, list)
        assert int(row.argmax()) == tags[0].index
        assert float(row.max()) == pytest.approx(tags[0].score, rel=1e-4)


def test_only_the_outputs_that_are_asked_for_come(stub: Any) -> None:
    wanted = pb.ModelInferRequest.InferRequestedOutputTensor(name="labels")
    response = stub.ModelInfer(tensor_request(outputs=[wanted]))
    assert [output.name for output in response.outputs] == ["labels"]
    assert len(response.raw_output_contents) == 1


def test_the_classification_extension_gives_the_best_classes(stub: Any) -> None:
    wanted = pb.ModelInferRequest.InferRequestedOutputTensor(name="output")
    wanted.parameters["classification"].int64_param = 3
    response = stub.ModelInfer(tensor_request(2, outputs=[wanted]))
    output = response.outputs[0]
    assert (output.datatype, list(output.shape)) == ("BYTES", [2, 3])
    scores = output_of(stub.ModelInfer(tensor_request(2)))
    best = np.argsort(-scores, 1)[:, :3]
    expected = [f"{scores[r, c]:f}:{c}:{c}".encode() for r in range(2) for c in best[r]]
    assert response.raw_output_contents[0] == raw_bytes(*expected)


def test_callers_at_once_each_get_their_own_rows(stub: Any, bundle: Bundle) -> None:
    network = build_from(bundle)
    batches = [images(1 + seed % 5, seed) for seed in range(24)]
    calls = []
    for batch in batches:
        tensor = Tensor(name="input", datatype="FP32", shape=batch.shape)
        request = tensor_request(inputs=[tensor], raw_input_contents=[batch.tobytes()])
        calls.append(stub.ModelInfer.future(request))
    for batch, call in zip(batches, calls, strict=True):
        expected = network(torch.from_numpy(batch)).detach().numpy()
        np.testing.assert_allclose(output_of(call.result()), expected, rtol=1e-4, atol=1e-5)


def two(tensor: Tensor) -> dict[str, Any]:
    return {"inputs": [tensor, tensor], "raw_input_contents": [images(2).tobytes()] * 2}


RIGHT = Tensor(name="input", datatype="FP32", shape=[2, 1, 32, 32])
TYPED = Tensor(name="input", datatype="FP32", shape=[2, 1, 32, 32])
TYPED.contents.fp32_contents.extend([0.0] * 2048)
WRONG_FIELD = Tensor(name="input", datatype="FP32", shape=[2, 1, 32, 32])
WRONG_FIELD.contents.fp64_contents.extend([0.0] * 2048)
SHORT = Tensor(name="input", datatype="FP32", shape=[2, 1, 32, 32])
SHORT.contents.fp32_contents.extend([0.0] * 2047)
SHARED = Tensor(name="input", datatype="FP32", shape=[2, 1, 32, 32])
SHARED.parameters["shared_memory_region"].string_param = "region"


def shaped(*shape: int) -> dict[str, Any]:
    return {"inputs": [Tensor(name="input", datatype="FP32", shape=shape)]}


def photo(shape: list[int], raw: bytes) -> dict[str, Any]:
    tensor = Tensor(name="image", datatype="BYTES", shape=shape)
    return {"inputs": [tensor], "raw_input_contents": [raw]}


def asked(name: str, **parameters: int) -> dict[str, Any]:
    output = pb.ModelInferRequest.InferRequestedOutputTensor(name=name)
    for key, value in parameters.items():
        output.parameters[key].int64_param = value
    return {"outputs": [output]}


def parameter(name: str, **value: Any) -> dict[str, Any]:
    return {"parameters": {name: pb.InferParameter(**value)}}


@pytest.mark.parametrize("name", ["sequence_id", "priority"])
@pytest.mark.parametrize("value", [{"int64_param": 0}, {"uint64_param": 0}, {"string_param": ""}])
def test_what_says_no_sequence_and_no_priority_is_accepted(
    stub: Any, name: str, value: dict[str, Any]
) -> None:
    assert stub.ModelInfer(tensor_request(**parameter(name, **value))).outputs


@pytest.mark.parametrize(
    ("changes", "status", "sentence"),
    [
        ({"model_name": "digits@8"}, "NOT_FOUND", "no version '8' of the model digits"),
        (
            {"model_name": "digits@7", "model_version": "8"},
            "INVALID_ARGUMENT",
            "'7' behind the name and '8' beside",
        ),
        ({"model_name": "letters"}, "NOT_FOUND", "no model named 'letters'"),
        ({"model_version": "8"}, "NOT_FOUND", "no version '8'"),
        ({"inputs": []}, "INVALID_ARGUMENT", "1 raw contents for 0 inputs"),
        ({"inputs": [], "raw_input_contents": []}, "INVALID_ARGUMENT", "0 inputs are given"),
        (two(RIGHT), "INVALID_ARGUMENT", "given twice"),
        (
            {"inputs": [Tensor(name="inpt", datatype="FP32", shape=[1])]},
            "INVALID_ARGUMENT",
            "no input named 'inpt'",
        ),
        (
            {"inputs": [Tensor(name="input", datatype="FP16", shape=[2, 1, 32, 32])]},
            "INVALID_ARGUMENT",
            "the model takes FP32",
        ),
        (shaped(2, 1, 32), "INVALID_ARGUMENT", r"the model takes \[-1, 1, 32, 32\]"),
        (shaped(2, 3, 32, 32), "INVALID_ARGUMENT", "the model takes"),
        (shaped(0, 1, 32, 32), "INVALID_ARGUMENT", "0 rows"),
        (shaped(-1, 1, 32, 32), "INVALID_ARGUMENT", "the model takes"),
        (shaped(2**62, 1, 32, 32), "INVALID_ARGUMENT", "from 1 to 100"),
        (shaped(*[1] * 10_000), "INVALID_ARGUMENT", "10000 sizes"),
        (shaped(3, 1, 32, 32), "INVALID_ARGUMENT", "8,192 bytes"),
        ({"inputs": [TYPED]}, "INVALID_ARGUMENT", "both contents and raw"),
        (
            {"inputs": [WRONG_FIELD], "raw_input_contents": []},
            "INVALID_ARGUMENT",
            "FP32 is fp32_contents",
        ),
        ({"inputs": [SHORT], "raw_input_contents": []}, "INVALID_ARGUMENT", "2,047 elements"),
        ({"inputs": [SHARED]}, "INVALID_ARGUMENT", "shares no memory"),
        (photo([1], b"\1\0\0\0"), "INVALID_ARGUMENT", "ends within"),
        (photo([1], raw_bytes(b"GIF89a")), "INVALID_ARGUMENT", "GIF image is truncated"),
        (photo([2], raw_bytes(b"one")), "INVALID_ARGUMENT", "does not hold"),
        (photo([1], raw_bytes(b"one", b"two")), "INVALID_ARGUMENT", "does not hold"),
        (photo([5], raw_bytes(*[b"x"] * 5)), "INVALID_ARGUMENT", "from 1 to 4"),
        (photo([1], raw_bytes(b"x" * 200_001)), "RESOURCE_EXHAUSTED", "200,000 are allowed"),
        (parameter("purpose", string_param="x"), "INVALID_ARGUMENT", "'purpose' .* not known"),
        (parameter("sequence_id", int64_param=7), "INVALID_ARGUMENT", "keeps no sequences"),
        (parameter("sequence_id", string_param="a"), "INVALID_ARGUMENT", "keeps no sequences"),
        (parameter("sequence_start", bool_param=True), "INVALID_ARGUMENT", "sequence_start"),
        (parameter("sequence_end", bool_param=True), "INVALID_ARGUMENT", "keeps no sequences"),
        (parameter("priority", uint64_param=2), "INVALID_ARGUMENT", "no priorities"),
        (parameter("timeout", string_param="1"), "INVALID_ARGUMENT", "microseconds"),
        (asked("logits"), "INVALID_ARGUMENT", "no output named 'logits'"),
        (asked("labels", classification=2), "INVALID_ARGUMENT", "no row of scores"),
        (asked("output", classification=0), "INVALID_ARGUMENT", "at least 1"),
    ],
)
def test_a_wrong_request_gets_one_sentence(
    stub: Any, changes: dict[str, Any], status: str, sentence: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(tensor_request(**changes))
    error: Any = caught.value
    assert error.code().name == status, error.details()
    assert re.search(sentence, error.details()), error.details()
    assert stub.ModelInfer(tensor_request()).outputs


def test_the_photos_of_one_request_have_a_limit_together(bundle: Bundle, png: Png) -> None:
    limits = Limits(pixels=10_000)
    server = ModelServer([inference_of([load(bundle, ("digits", "7"), limits=limits)])])
    photos = [png(100, 100)] * 5
    tensor = Tensor(name="image", datatype="BYTES", shape=[5])
    request = tensor_request(inputs=[tensor], raw_input_contents=[raw_bytes(*photos)])
    with grpc.insecure_channel(server.address) as channel:
        crowded: Any = pb_grpc.GRPCInferenceServiceStub(channel)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.RpcError, match=r"0\.04 megapixels together"):
            crowded.ModelInfer(request)
    server.stop(1)


def test_metadata_of_an_unknown_model_is_not_found(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelMetadata(pb.ModelMetadataRequest(name="x" * 5000))
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert len(error.details()) < 1000
