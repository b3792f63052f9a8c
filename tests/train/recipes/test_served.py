"""Bundles of pairs and of dense labels, served over the Open Inference Protocol as they are."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from striate.core.bundle import Bundle
from striate.data.stream.reader import SplitReader
from striate.data.transforms.image.preprocess import apply, decode_image, fit
from striate.models import build_from
from striate.serve.apps.factory import inference_of, load
from striate.serve.protos.inference import inference_pb2 as pb
from striate.serve.protos.inference import inference_pb2_grpc as pb_grpc
from striate.serve.server.server import ModelServer
from striate.train.distributed.world import World
from striate.train.loop.train import train
from striate.train.run.folder import Run

pytestmark = pytest.mark.unit

Floats = NDArray[np.float32]


@contextmanager
def served(bundle: Bundle) -> Iterator[Any]:
    """A stub of a server in this process; the model's name is ``mine``."""
    server = ModelServer([inference_of([load(bundle, ("mine", "1"))])])
    try:
        with grpc.insecure_channel(server.address) as channel:
            yield pb_grpc.GRPCInferenceServiceStub(channel)  # type: ignore[no-untyped-call]
    finally:
        server.stop(1)


def edge_of(stub: Any) -> dict[str, list[int]]:
    """Name → shape of the model's inputs and outputs."""
    card = stub.ModelMetadata(pb.ModelMetadataRequest(name="mine"))
    return {tensor.name: list(tensor.shape) for tensor in (*card.inputs, *card.outputs)}


def infer(stub: Any, name: str, datatype: str, shape: list[int], raw: bytes) -> dict[str, Floats]:
    """Name → array of the outputs of one call."""
    tensor = pb.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=shape)
    answer = stub.ModelInfer(
        pb.ModelInferRequest(model_name="mine", inputs=[tensor], raw_input_contents=[raw])
    )
    return {
        output.name: np.frombuffer(content, np.float32).reshape(tuple(output.shape))
        for output, content in zip(answer.outputs, answer.raw_output_contents, strict=True)
        if output.datatype == "FP32"
    }


def expected(bundle: Bundle, inputs: Floats) -> Floats:
    with torch.no_grad():
        output: Floats = build_from(bundle)(torch.from_numpy(inputs)).numpy()
    return output


def photo(content: bytes) -> bytes:
    """One element of a BYTES tensor."""
    return len(content).to_bytes(4, "little") + content


def test_an_embedding_is_served_by_its_name(make_short_run: Callable[[str, int], Run]) -> None:
    run = make_short_run("pairs-mini", 4)
    train(run, World())
    bundle = Bundle.open(run.folder.bundle)
    images, _ = SplitReader(run.spec.shards, "test").take(np.array([0, 9]))
    ready = apply(bundle.spec.preprocessing, torch.from_numpy(images)).numpy()
    with served(bundle) as stub:
        edge = edge_of(stub)
        assert (edge["input"], edge["embedding"]) == ([-1, 1, 32, 32], [-1, 8])
        assert "labels" not in edge
        answer = infer(stub, "input", "FP32", [2, 1, 32, 32], ready.tobytes())
        np.testing.assert_allclose(answer["embedding"], expected(bundle, ready), atol=1e-5)
        out = io.BytesIO()
        Image.fromarray(images[1, 0]).save(out, "PNG")
        of_photo = infer(stub, "image", "BYTES", [1], photo(out.getvalue()))
        np.testing.assert_allclose(of_photo["embedding"], answer["embedding"][1:], atol=1e-5)


def test_scores_of_each_pixel_are_served_at_any_size(
    make_short_run: Callable[[str, int], Run],
) -> None:
    run = make_short_run("scenes-mini", 4)
    train(run, World())
    bundle = Bundle.open(run.folder.bundle)
    random = np.random.default_rng(0)
    with served(bundle) as stub:
        edge = edge_of(stub)
        assert (edge["input"], edge["scores"]) == ([-1, 3, -1, -1], [-1, 8, -1, -1])
        for rows, height, width in ((1, 96, 128), (3, 40, 52), (2, 7, 5)):
            images = random.standard_normal((rows, 3, height, width)).astype(np.float32)
            answer = infer(stub, "input", "FP32", list(images.shape), images.tobytes())
            assert answer["scores"].shape == (rows, 8, height, width)
            np.testing.assert_allclose(answer["scores"], expected(bundle, images), atol=1e-4)
        scene = bytes(SplitReader(run.spec.shards, "test").stored(np.array([2]))[0].payload)
        answer = infer(stub, "image", "BYTES", [1], photo(scene))
        steps = bundle.spec.preprocessing
        ready = apply(steps, torch.from_numpy(fit(decode_image(scene), steps))[None]).numpy()
        np.testing.assert_allclose(answer["scores"], expected(bundle, ready), atol=1e-4)
        with pytest.raises(grpc.RpcError, match="the model takes"):
            infer(stub, "input", "FP32", [1, 1, 8, 8], bytes(4 * 64))
