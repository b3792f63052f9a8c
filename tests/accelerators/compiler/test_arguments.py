"""What the chips' tools are given that cannot be meant: one sentence each."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from striate.accelerators.chips import CHIPS
from striate.accelerators.compiler.compile import compile_program
from striate.accelerators.compiler.quantize import QuantizedModel, quantize
from striate.accelerators.emulator.program import Program
from striate.core.errors import RequestError, StriateError, UsageError
from striate.models import MODELS

pytestmark = pytest.mark.unit

ANNA = CHIPS["anna-talk"]
IMAGES = torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(0)) - 0.1
LABELS = torch.arange(4)
NAN, INFINITE = float("nan"), float("inf")


def with_value(value: float) -> Tensor:
    images = IMAGES.clone()
    images[2, 0, 5, 5] = value
    return images


def made(**changes: Any) -> QuantizedModel:
    arguments: dict[str, Any] = {"calibration": IMAGES, "labels": LABELS, "qat_epochs": 1}
    torch.manual_seed(0)
    return quantize(MODELS["lenet1_32"](), ANNA, **{**arguments, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"calibration": with_value(NAN)}, "calibration images hold NaN or infinity"),
        ({"calibration": with_value(INFINITE)}, "calibration images hold NaN or infinity"),
        ({"calibration": IMAGES[:0], "labels": LABELS[:0]}, r"\(0, 1, 32, 32\).*at least one"),
        ({"calibration": IMAGES[:, :, :28]}, r"\(4, 1, 28, 32\).*1×32×32"),
        ({"calibration": IMAGES[0]}, r"shape \(1, 32, 32\)"),
        ({"calibration": IMAGES.numpy()}, "type ndarray"),
        ({"calibration": IMAGES.int()}, r"type torch\.int32"),
        ({"labels": LABELS.numpy()}, "labels are of type ndarray"),
        ({"labels": [0, 1, 2, 3]}, "labels are of type list"),
        ({"labels": LABELS.float()}, r"labels are of type torch\.float32"),
        ({"labels": LABELS[:3]}, "one for each of the 4"),
        ({"labels": LABELS[:, None]}, r"shape \(4, 1\)"),
        ({"labels": LABELS + 7}, "from 7 to 10.*classes 0 to 9"),
        ({"labels": LABELS - 1}, "from -1 to 2.*classes 0 to 9"),
        ({"host_layers": 6}, "host_layers is 6.*0 to 5"),
        ({"host_layers": -1}, "host_layers is -1"),
        ({"host_layers": 1.5}, r"host_layers is 1\.5"),
        ({"on_unsupported": "hots"}, "'hots'.*host"),
        ({"qat_epochs": -1}, "qat_epochs is -1"),
        ({"seed": 10**20}, "seed is 100000000000000000000"),
    ],
)
def test_an_argument_that_cannot_be_meant_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        made(**changes)
    assert caught.value.remedy


@pytest.mark.parametrize("value", [1e6, -1e6])
def test_an_outlier_that_collapses_the_codes_is_warned_of(value: float) -> None:
    with pytest.warns(UserWarning, match="leave one 4-bit state for 99.8 %"):
        made(calibration=with_value(value), qat_epochs=0)


@pytest.mark.parametrize(
    "images",
    [IMAGES, (IMAGES > 0.8).float(), torch.zeros_like(IMAGES), torch.zeros_like(IMAGES) + 0.5],
    ids=["grey", "of two values", "black", "of one value"],
)
def test_ordinary_images_are_not_warned_of(images: Tensor) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(calibration=images, qat_epochs=0)


@pytest.fixture(scope="module")
def program() -> Program:
    return compile_program(made(), ANNA)


BATCHES: dict[str, tuple[Callable[[], object], str]] = {
    "empty": (lambda: IMAGES[:0], "batch is empty"),
    "no codes": (lambda: torch.zeros(0, 1, 32, 32, dtype=torch.int8), "batch is empty"),
    "nan": (lambda: with_value(NAN), "NaN or infinity"),
    "infinite": (lambda: with_value(-INFINITE), "NaN or infinity"),
    "array": (lambda: IMAGES.numpy(), "type ndarray"),
    "list": (lambda: IMAGES.tolist(), "type list"),
    "complex": (lambda: IMAGES.to(torch.complex64), "complex64"),
    "elsewhere": (lambda: IMAGES.to("meta"), "on meta"),
    "number": (lambda: torch.tensor(1.0), "takes inputs of 1×32×32"),
}


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_that_cannot_be_run_is_refused(program: Program, name: str) -> None:
    batch, said = BATCHES[name]
    with pytest.raises(RequestError, match=said):
        program.run(batch())  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_floats_are_encoded_as_their_values(program: Program, dtype: torch.dtype) -> None:
    images = IMAGES.to(dtype)
    assert torch.equal(program.encode(images), program.encode(images.float()))


@pytest.mark.parametrize("batch", [-1, 0, 1.5, NAN, INFINITE, "2", None])
def test_a_batch_to_estimate_is_a_count(program: Program, batch: Any) -> None:
    with pytest.raises(StriateError, match="no batch of"):
        program.estimate(batch)


def test_a_last_layer_without_bias_is_trained_too() -> None:
    torch.manual_seed(0)
    model: Any = MODELS["lenet1_32"]()
    model.output = nn.Linear(model.output.in_features, 10, bias=False)
    quantized = quantize(model, ANNA, IMAGES, LABELS, qat_epochs=1)
    assert quantized.host[0].bias is None
    assert not torch.equal(quantized.host[0].weight, model.output.weight)
    scores = compile_program(quantized, ANNA).run(IMAGES)
    assert np.isfinite(scores.numpy()).all()
