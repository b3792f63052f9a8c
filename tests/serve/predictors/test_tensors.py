"""What the tensor predictor does with samples of several sizes, and what it is told by a bundle."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from striate.core.bundle import Architecture, BundleSpec, DimensionSpec, TensorSpec
from striate.core.errors import BundleError, RequestError
from striate.serve.common.tensors import TensorRequest, card_of
from striate.serve.predictors.finite import is_finite
from striate.serve.predictors.padding import MOST_PADDING
from striate.serve.predictors.tensors import TensorPredictor, array_of

pytestmark = pytest.mark.unit


def tensor(
    layout: str, *shape: int | str, dtype: str = "float32", mask: bool = False
) -> TensorSpec:
    return TensorSpec(dtype=dtype, shape=shape, layout=layout, units="one", mask=mask)


READ = BundleSpec(
    architecture=Architecture(name="read"),
    task="frames",
    inputs={"frames": tensor("T", "time"), "mask": tensor("T", "time", dtype="uint8", mask=True)},
    outputs={"squares": tensor("T", "time"), "sum": tensor("")},
    dimensions={"time": DimensionSpec(most=500)},
)
Outputs = dict[str, Tensor]


class Read:
    """Squares and sums; keeps how large its batches were, and how much of them was padding."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, ...]] = []
        self.padding: list[float] = []

    def __call__(self, inputs: Mapping[str, Tensor]) -> Outputs:
        frames, mask = inputs["frames"], inputs["mask"]
        assert frames.shape == mask.shape and not frames[mask == 0].any()
        self.batches.append(tuple(frames.shape))
        self.padding.append(1 - float(mask.float().mean()))
        return {"squares": frames**2, "sum": frames.sum(1)}


def sequence(length: int, rows: int = 1) -> TensorRequest:
    values = np.random.default_rng(length).uniform(1, 2, (rows, length)).astype(np.float32)
    return TensorRequest({"frames": values}, rows)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 3)), min_size=1, max_size=20))
def test_every_sequence_gets_its_own_answer_and_little_is_padding(
    asked: list[tuple[int, int]],
) -> None:
    network = Read()
    predictor = TensorPredictor(READ, network, rows=1000)
    requests = [sequence(*each) for each in asked]
    for request, answer in zip(requests, predictor.answers(requests), strict=True):
        assert isinstance(answer, dict)
        frames = np.asarray(request.inputs["frames"])
        np.testing.assert_allclose(np.asarray(answer["squares"]), frames**2, rtol=1e-6)
        np.testing.assert_allclose(np.asarray(answer["sum"]), frames.sum(1), rtol=1e-4)
    assert len(network.batches) == len({predictor.bucket(request) for request in requests})
    assert max(network.padding) < MOST_PADDING


def test_half_precision_of_any_size_goes_through() -> None:
    half = tensor("T", "time", dtype="bfloat16")
    spec = BundleSpec(
        architecture=READ.architecture, task="x", inputs={"x": half}, outputs={"y": half}
    )
    predictor = TensorPredictor(spec, lambda inputs: {"y": 2 * inputs["x"]})
    bits = torch.ones(1, 5, dtype=torch.bfloat16).view(torch.uint16).numpy()
    (answer,) = predictor.answers([TensorRequest({"x": bits}, 1)])
    assert isinstance(answer, dict)
    assert torch.from_numpy(np.asarray(answer["y"])).view(torch.bfloat16).tolist() == [[2.0] * 5]


def test_a_batch_is_computed_in_parts_of_the_rows_allowed() -> None:
    network = Read()
    predictor = TensorPredictor(READ, network, rows=4)
    answers = predictor.answers([sequence(10, rows=7), sequence(9, rows=3)])
    assert [shape[0] for shape in network.batches] == [4, 4, 2]
    assert [np.asarray(a["sum"]).shape for a in answers if isinstance(a, dict)] == [(7,), (3,)]


def test_the_probe_is_of_an_example_size_with_nothing_masked() -> None:
    predictor = TensorPredictor(READ, Read())
    probe = predictor.probe()
    assert {name: np.asarray(array).shape for name, array in probe.inputs.items()} == {
        "frames": (1, 32),
        "mask": (1, 32),
    }
    assert np.asarray(probe.inputs["mask"]).all()
    (answer,) = predictor.answers([probe])
    assert isinstance(answer, dict) and is_finite(answer)
    assert not is_finite({**answer, "sum": np.array([np.nan])})


DENSE = BundleSpec(
    architecture=Architecture(name="dense"),
    task="dense_labels",
    inputs={"image": tensor("CHW", 3, "height", "width")},
    outputs={"labels": tensor("HW", "height", "width", dtype="int64")},
    labels=("sky", "tree"),
)


def test_a_bundles_own_names_come_before_ours() -> None:
    card = card_of(DENSE)
    assert [(meta.name, meta.datatype) for meta in card.inputs] == [("image", "FP32")]
    assert [(meta.name, meta.datatype) for meta in card.outputs] == [("labels", "INT64")]
    predictor = TensorPredictor(DENSE, lambda inputs: {"labels": inputs["image"].argmax(1)})
    image = np.random.default_rng(0).uniform(size=(2, 3, 4, 5)).astype(np.float32)
    (answer,) = predictor.answers([TensorRequest({"image": image}, 2)])
    assert isinstance(answer, dict)
    np.testing.assert_array_equal(np.asarray(answer["labels"]), image.argmax(1))


def test_a_network_that_gives_another_size_than_its_bundle_says_is_named() -> None:
    predictor = TensorPredictor(DENSE, lambda inputs: {"labels": inputs["image"][:, 0, ::2]})
    (answer,) = predictor.answers([predictor.probe()])
    assert isinstance(answer, BundleError)
    assert "gives (1, 16, 32) as labels, where its bundle says (1, 32, 32)" in str(answer)


def test_a_network_that_fails_at_every_size_is_the_servers_fault() -> None:
    def broken(inputs: Mapping[str, Tensor]) -> Outputs:
        raise RuntimeError("device-side assert")

    predictor = TensorPredictor(DENSE, broken)
    image = np.zeros((1, 3, 4, 5), np.float32)
    (answer,) = predictor.answers([TensorRequest({"image": image}, 1)])
    assert isinstance(answer, RuntimeError) and not isinstance(answer, RequestError)


def test_a_network_that_fails_at_one_size_is_the_callers() -> None:
    def small(inputs: Mapping[str, Tensor]) -> Outputs:
        return {"labels": torch.nn.functional.max_pool2d(inputs["image"], 8).argmax(1)}

    spec = DENSE.model_copy(update={"outputs": {"labels": tensor("HW", "h", "w", dtype="int64")}})
    predictor = TensorPredictor(spec, small)
    image = np.zeros((1, 3, 4, 5), np.float32)
    right, wrong = predictor.answers([predictor.probe(), TensorRequest({"image": image}, 1)])
    assert isinstance(right, dict) and np.asarray(right["labels"]).shape == (1, 4, 4)
    assert isinstance(wrong, RequestError) and "height 4, width 5" in str(wrong)


def halves(name: str = "bfloat16") -> TensorPredictor:
    x = tensor("C", 2, dtype=name)
    spec = BundleSpec(architecture=READ.architecture, task="x", inputs={"x": x}, outputs={"y": x})
    return TensorPredictor(spec, lambda inputs: {"y": 3e38 * inputs["x"].float() * 10})


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_refused_in_every_type(dtype: str, value: float) -> None:
    sample = torch.tensor([[1.0, value]], dtype=getattr(torch, dtype))
    array = array_of(sample, dtype)
    (answer,) = halves(dtype).answers([TensorRequest({"x": array}, 1)])
    assert isinstance(answer, RequestError) and "x holds numbers" in str(answer)


def test_scores_that_overflow_are_the_fault_of_what_was_sent_where_the_model_works() -> None:
    array = array_of(torch.tensor([[1.0, 2.0]]), "float32")
    (answer,) = halves("float32").answers([TensorRequest({"x": array}, 1)])
    assert isinstance(answer, RequestError) and "not finite" in str(answer)
    ill = TensorPredictor(halves("float32").spec, lambda inputs: {"y": inputs["x"] / 0})
    (answer,) = ill.answers([TensorRequest({"x": array}, 1, ("y",))])
    assert isinstance(answer, BundleError) and "not finite" in str(answer)
