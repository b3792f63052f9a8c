"""Bundles of several inputs and outputs and of sizes by name, over the Open Inference Protocol."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from striate.core.bundle import Architecture, Bundle, BundleSpec, DimensionSpec, TensorSpec
from striate.models import MODELS, build_from
from striate.serve.apps.factory import inference_of, load
from striate.serve.common.limits import Batching
from striate.serve.protos.inference import inference_pb2 as pb
from striate.serve.protos.inference import inference_pb2_grpc as pb_grpc
from striate.serve.server.server import ModelServer

pytestmark = pytest.mark.unit
Numbers = np.ndarray[Any, np.dtype[Any]]
FORMAT_1 = Path(__file__).parents[2] / "core" / "bundle_format_1"


class Compare(nn.Module):
    """The distance of two vectors, and both of them weighed."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(1, 2, 3))

    def forward(self, left: Tensor, right: Tensor) -> dict[str, Tensor]:
        weighed = self.weight * torch.stack([left, right.float()], 1)
        return {"pair": weighed, "distance": (weighed[:, 0] - weighed[:, 1]).norm(dim=1)}


class Label(nn.Module):
    """Scores of each pixel, from images of any size that is not 7 high."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(1, 4, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        if image.shape[2] == 7:
            raise RuntimeError("stack expects each tensor to be equal size")
        scores: Tensor = self.conv(image)
        return scores


class Read(nn.Module):
    """Twice each frame, and the mean of the frames that count; keeps its batches' shapes."""

    shapes: list[tuple[int, ...]] = []  # noqa: RUF012

    def forward(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        self.shapes.append(tuple(frames.shape))
        weights = mask.unsqueeze(-1)
        return 2 * frames, (frames * weights).sum(1) / weights.sum(1)


def tensor(
    layout: str, *shape: int | str, dtype: str = "float32", mask: bool = False
) -> TensorSpec:
    return TensorSpec(dtype=dtype, shape=shape, layout=layout, units="one", mask=mask)


SPECS = {
    "compare": BundleSpec(
        architecture=Architecture(name="compare"),
        task="pairs",
        inputs={"left": tensor("C", 3), "right": tensor("C", 3, dtype="int32")},
        outputs={"distance": tensor(""), "pair": tensor("NC", 2, 3)},
    ),
    "label": BundleSpec(
        architecture=Architecture(name="label"),
        task="dense_labels",
        inputs={"pixels": tensor("CHW", 1, "height", "width")},
        outputs={"scores": tensor("CHW", 4, "height", "width")},
        dimensions={"width": DimensionSpec(least=4, most=64, multiple_of=2)},
        preprocessing=({"op": "grayscale"}, {"op": "scale", "factor": 1 / 255, "offset": 0.0}),
        labels=("sky", "tree", "road", "grass"),
    ),
    "read": BundleSpec(
        architecture=Architecture(name="read"),
        task="frames",
        inputs={
            "frames": tensor("TC", "time", 2),
            "mask": tensor("T", "time", dtype="bool", mask=True),
        },
        outputs={"doubled": tensor("TC", "time", 2), "mean": tensor("C", 2)},
    ),
}
BATCHING = Batching(threads=1, max_size=8)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Bundle]]:
    folder = tmp_path_factory.mktemp("named")
    with pytest.MonkeyPatch.context() as patch:
        for name, network in {"compare": Compare, "label": Label, "read": Read}.items():
            patch.setitem(MODELS, name, network)
        yield {
            name: Bundle.write(folder / name, spec, MODELS[name]().state_dict())
            for name, spec in SPECS.items()
        }


@pytest.fixture(scope="module")
def stub(bundles: Mapping[str, Bundle]) -> Iterator[Any]:
    models = [load(bundle, (name, "1"), batching=BATCHING) for name, bundle in bundles.items()]
    models.append(load(Bundle.open(FORMAT_1), ("old", "1")))
    server = ModelServer([inference_of(models)])
    with grpc.insecure_channel(server.address) as channel:
        yield pb_grpc.GRPCInferenceServiceStub(channel)  # type: ignore[no-untyped-call]
    server.stop(1)


DATATYPES = {"float32": "FP32", "int32": "INT32", "bool": "BOOL"}
FIELDS = {"FP32": "fp32_contents", "INT32": "int_contents", "BOOL": "bool_contents"}


def infer_request(
    model: str, outputs: tuple[str, ...] = (), *, raw: bool = True, **arrays: Any
) -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name=model)
    for name, array in arrays.items():
        datatype = DATATYPES[str(array.dtype)]
        given = request.inputs.add(name=name, datatype=datatype, shape=array.shape)
        if raw:
            request.raw_input_contents.append(array.tobytes())
        else:
            getattr(given.contents, FIELDS[datatype]).extend(array.ravel().tolist())
    for name in outputs:
        request.outputs.add(name=name)
    return request


def arrays_of(response: pb.ModelInferResponse) -> dict[str, Numbers]:
    """The float outputs of an answer, in their shapes."""
    found = {}
    for place, output in enumerate(response.outputs):
        if output.datatype != "FP32":
            continue
        raw = response.raw_output_contents
        values = (
            np.frombuffer(raw[place], np.float32)
            if raw
            else np.array(output.contents.fp32_contents, np.float32)
        )
        found[output.name] = values.reshape(tuple(output.shape))
    return found


def floats(*shape: int, seed: int = 0) -> Numbers:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


LEFT, RIGHT = floats(2, 3), np.array([[1, 2, 3], [4, 5, 6]], np.int32)


@pytest.mark.parametrize(
    ("model", "inputs", "outputs"),
    [
        (
            "compare",
            [("left", "FP32", [-1, 3]), ("right", "INT32", [-1, 3])],
            [("distance", "FP32", [-1]), ("pair", "FP32", [-1, 2, 3])],
        ),
        (
            "label",
            [("pixels", "FP32", [-1, 1, -1, -1]), ("image", "BYTES", [-1])],
            [("scores", "FP32", [-1, 4, -1, -1])],
        ),
        (
            "read",
            [("frames", "FP32", [-1, -1, 2]), ("mask", "BOOL", [-1, -1])],
            [("doubled", "FP32", [-1, -1, 2]), ("mean", "FP32", [-1, 2])],
        ),
        (  # format 1, under the names that it has always had
            "old",
            [("input", "FP32", [-1, 1, 28, 28]), ("image", "BYTES", [-1])],
            [("output", "FP32", [-1, 10]), ("labels", "BYTES", [-1])],
        ),
    ],
)
def test_metadata_names_all_tensors(
    stub: Any, model: str, inputs: list[object], outputs: list[object]
) -> None:
    found = stub.ModelMetadata(pb.ModelMetadataRequest(name=model))
    assert [(t.name, t.datatype, list(t.shape)) for t in found.inputs] == inputs
    assert [(t.name, t.datatype, list(t.shape)) for t in found.outputs] == outputs


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "typed"])
def test_several_inputs_get_several_outputs(
    stub: Any, bundles: Mapping[str, Bundle], raw: bool
) -> None:
    request = infer_request("compare", raw=raw, right=RIGHT, left=LEFT)  # in any order
    response = stub.ModelInfer(request)
    assert bool(response.raw_output_contents) == raw
    found = arrays_of(response)
    assert list(found) == ["distance", "pair"]
    with torch.no_grad():
        expected = build_from(bundles["compare"])(torch.tensor(LEFT), torch.tensor(RIGHT))
    for name, array in found.items():
        np.testing.assert_allclose(array, expected[name].numpy(), rtol=1e-5)


def test_only_the_output_that_is_asked_for_comes(stub: Any) -> None:
    found = arrays_of(stub.ModelInfer(infer_request("compare", ("pair",), left=LEFT, right=RIGHT)))
    assert list(found) == ["pair"]


IMAGE = floats(1, 1, 6, 8)


@pytest.mark.parametrize(
    ("model", "arrays", "sentence"),
    [
        ("compare", {"left": LEFT}, r"The input right is not given"),
        ("compare", {}, r"The input left, right is not given"),
        ("compare", {"left": LEFT, "rihgt": RIGHT}, r"no input named 'rihgt'.*left, right"),
        ("compare", {"left": LEFT, "right": RIGHT, "more": LEFT}, r"no input named 'more'"),
        ("compare", {"left": LEFT, "right": RIGHT[:1]}, r"different numbers of rows: left, right"),
        ("compare", {"left": LEFT, "right": LEFT}, r"right is sent as 'FP32'; .* takes INT32"),
        ("label", {}, r"0 inputs are given.*pixels, image"),
        ("label", {"pixels": IMAGE[:, :, :, :3]}, r"width is 3; .* from 4 to 64, a multiple of 2"),
        ("label", {"pixels": IMAGE[:, :, :, :5]}, r"width is 5; "),
        ("label", {"pixels": floats(1, 1, 2, 66)}, r"width is 66; "),
        ("label", {"pixels": floats(1, 3, 6, 8)}, r"the model takes \[-1, 1, -1, -1\]"),
        ("label", {"pixels": floats(1, 1, 0, 8)}, r"the model takes"),
        ("label", {"pixels": floats(1, 1, 7, 8)}, r"cannot compute these sizes: height 7, width 8"),
        (
            "read",
            {"frames": floats(1, 5, 2), "mask": np.ones((1, 4), np.bool_)},
            r"time is 5 in one input and 4 in mask",
        ),
        ("read", {"mask": np.ones((1, 4), np.bool_)}, r"The input frames is not given"),
    ],
)
def test_wrong_inputs_are_named(
    stub: Any, model: str, arrays: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(infer_request(model, **arrays))
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, error.details()
    assert re.search(sentence, error.details()), error.details()


def test_images_of_any_size_each_get_their_own_labels(
    stub: Any, bundles: Mapping[str, Bundle]
) -> None:
    images = [floats(1 + n % 2, 1, 3 + n % 3, 8 + 2 * (n % 2), seed=n) for n in range(24)]
    calls = [stub.ModelInfer.future(infer_request("label", pixels=image)) for image in images]
    network = build_from(bundles["label"])
    for image, call in zip(images, calls, strict=True):
        with torch.no_grad():
            expected = network(torch.from_numpy(image)).numpy()
        np.testing.assert_allclose(arrays_of(call.result())["scores"], expected, atol=1e-5)


def test_one_size_that_cannot_be_computed_fails_none_beside_it(stub: Any) -> None:
    heights = [6, 7, 6, 7, 5, 6]
    calls = [
        stub.ModelInfer.future(infer_request("label", pixels=floats(1, 1, height, 8)))
        for height in heights
    ]
    codes = [call.code() for call in calls]
    assert [code is grpc.StatusCode.OK for code in codes] == [height != 7 for height in heights]


def test_photos_of_any_size_are_labelled(stub: Any, png: Callable[..., bytes]) -> None:
    for width, height in ((8, 6), (20, 30)):
        photo = png(width, height)
        request = pb.ModelInferRequest(model_name="label")
        request.inputs.add(name="image", datatype="BYTES", shape=[1])
        request.raw_input_contents.append(len(photo).to_bytes(4, "little") + photo)
        assert arrays_of(stub.ModelInfer(request))["scores"].shape == (1, 4, height, width)


def test_sequences_of_several_lengths_share_padded_batches(stub: Any) -> None:
    lengths = [17, 20, 3, 18, 19, 3, 17, 20, 40, 18, 19, 20]
    sequences = [floats(1, length, 2, seed=n) for n, length in enumerate(lengths)]
    Read.shapes.clear()
    calls = [stub.ModelInfer.future(infer_request("read", frames=s)) for s in sequences]
    for sequence, call in zip(sequences, calls, strict=True):
        found = arrays_of(call.result())
        np.testing.assert_allclose(found["doubled"], 2 * sequence, rtol=1e-6)
        np.testing.assert_allclose(found["mean"], sequence.mean(1), rtol=1e-4, atol=1e-5)
    assert sum(rows for rows, _, _ in Read.shapes) == len(lengths)
    assert {time for _, time, _ in Read.shapes} <= {3, 17, 18, 19, 20, 40}


def test_a_mask_that_is_given_counts(stub: Any) -> None:
    frames = floats(2, 6, 2)
    mask = np.arange(6) < np.array([[2], [5]])
    found = arrays_of(stub.ModelInfer(infer_request("read", ("mean",), frames=frames, mask=mask)))
    expected = [frames[0, :2].mean(0), frames[1, :5].mean(0)]
    np.testing.assert_allclose(found["mean"], expected, rtol=1e-4, atol=1e-5)
