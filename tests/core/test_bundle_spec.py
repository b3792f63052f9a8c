"""What a bundle says of its model: named tensors, sizes by name, masks; and format 1."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from striate.core.bundle import Architecture, Bundle, BundleSpec, DimensionSpec, TensorSpec
from striate.core.errors import BundleError
from striate.models import build_from

pytestmark = pytest.mark.unit

FORMAT_1 = Path(__file__).parent / "bundle_format_1"


def tensor(*shape: int | str, **more: Any) -> TensorSpec:
    return TensorSpec(dtype="float32", shape=shape, layout="X" * len(shape), units="one", **more)


def spec(**changes: Any) -> BundleSpec:
    """Frames of speech of any length with their mask, and a score for every frame."""
    fields: dict[str, Any] = {
        "architecture": Architecture(name="reader", package="own-models", version="1.2"),
        "task": "frames",
        "inputs": {"frames": tensor("time", 40), "mask": tensor("time", mask=True)},
        "outputs": {"scores": tensor("time", 183), "summary": tensor(16)},
        "dimensions": {"time": DimensionSpec(least=4, multiple_of=4)},
    }
    return BundleSpec(**{**fields, **changes})


def test_named_tensors_come_back_in_their_order(tmp_path: Path) -> None:
    written = Bundle.write(tmp_path / "b", spec(), {"w": torch.zeros(1)})
    again = Bundle.open(written.path).spec
    assert again == spec()
    assert list(again.inputs) == ["frames", "mask"]
    assert again.inputs["frames"].shape == ("time", 40)
    assert (again.architecture.package, again.architecture.version) == ("own-models", "1.2")
    assert list(again.data) == ["frames"]
    assert list(again.masks) == ["mask"]


def test_the_one_input_of_several_cannot_be_meant() -> None:
    with pytest.raises(BundleError, match="the inputs frames, mask, where one"):
        _ = spec().input
    with pytest.raises(BundleError, match="the outputs scores, summary"):
        _ = spec().output


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"inputs": {}}, "at least 1"),
        ({"outputs": {}}, "at least 1"),
        ({"inputs": {"": tensor(3)}}, "match"),
        ({"inputs": {"two words": tensor(3)}}, "match"),
        ({"inputs": {"x": {**tensor().model_dump(), "shape": [0]}}}, "greater than 0"),
        ({"inputs": {"x": {**tensor().model_dump(), "shape": ["-1"]}}}, "match"),
        ({"inputs": {"m": tensor("time", mask=True)}}, "all inputs are masks"),
        ({"inputs": {"x": tensor(3), "m": tensor("time", mask=True)}, "dimensions": {}}, "mask m"),
        (
            {"inputs": {"x": tensor("time"), "m": tensor("time", 2, mask=True)}},
            "not of the inputs' dimensions",
        ),
        ({"outputs": {"scores": tensor("time", mask=True)}}, "only inputs are"),
        ({"outputs": {"scores": tensor("half_time")}}, "padding cannot be cut from scores"),
        ({"dimensions": {"height": DimensionSpec()}}, "no input has the dimension height"),
        ({"kind": "Not A Kind"}, "match"),
    ],
)
def test_a_spec_that_means_nothing_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        spec(**changes)


def test_an_output_may_have_a_size_of_its_own_where_nothing_is_padded() -> None:
    boxes = spec(inputs={"image": tensor(3, "time")}, outputs={"boxes": tensor("count", 4)})
    assert boxes.output.dimensions == ("count",)


@given(
    least=st.integers(1, 300),
    most=st.none() | st.integers(1, 300),
    multiple=st.integers(1, 64),
)
def test_the_example_of_a_dimension_is_allowed_or_there_is_none(
    least: int, most: int | None, multiple: int
) -> None:
    allowed = [
        size
        for size in range(multiple, 400 + multiple, multiple)
        if least <= size <= (most or 10_000)
    ]
    if not allowed:
        with pytest.raises(ValidationError, match="no size is between"):
            DimensionSpec(least=least, most=most, multiple_of=multiple)
        return
    dimension = DimensionSpec(least=least, most=most, multiple_of=multiple)
    assert dimension.allows(dimension.example)
    assert [size for size in range(1, 400) if dimension.allows(size)] == [
        size for size in allowed if size < 400
    ]


def test_a_shape_fits_where_its_fixed_sizes_do() -> None:
    image = tensor(3, "height", "width")
    assert image.fits((3, 5, 7))
    assert not image.fits((1, 5, 7))
    assert not image.fits((3, 5))
    assert image.sizes({"height": 5, "width": 7}) == (3, 5, 7)


def test_a_bundle_of_format_1_is_read_as_ever() -> None:
    bundle = Bundle.open(FORMAT_1)
    assert list(bundle.spec.inputs) == ["input"]
    assert list(bundle.spec.outputs) == ["output"]
    assert (bundle.spec.input.shape, bundle.spec.input.layout) == ((1, 28, 28), "CHW")
    assert (bundle.spec.output.shape, bundle.spec.output.units) == ((10,), "logit")
    assert (bundle.spec.kind, bundle.spec.architecture.package) == ("network", "striate")
    assert bundle.spec.provenance.metrics == {"top1_accuracy": 0.1}
    assert bundle.asset("labels.txt").split() == list("0123456789")
    with torch.no_grad():
        scores = build_from(bundle)(torch.linspace(-0.1, 1.175, 784).reshape(1, 1, 28, 28))
    assert scores[0].tolist() == pytest.approx(_SCORES, abs=1e-5)


# What the code that wrote the bundle computed.
_SCORES = [0.026371, -0.022760, -0.017796, -0.027206, -0.099369]
_SCORES += [-0.036477, -0.018105, 0.025107, -0.078695, 0.041504]


def test_a_bundle_of_format_1_becomes_one_of_format_2_when_it_is_written(tmp_path: Path) -> None:
    old = Bundle.open(FORMAT_1)
    assets = {"labels.txt": old.asset_path("labels.txt")}
    new = Bundle.open(Bundle.write(tmp_path / "new", old.spec, old.state(), assets).path)
    assert new.spec == old.spec
    assert new.digest == old.digest
    assert '"format_version": 2' in (new.path / "bundle.json").read_text()
