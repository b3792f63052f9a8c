"""A bundle as MLflow loads it, of images and of what is no image."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from striate.core.bundle import Architecture, Bundle, BundleSpec, TensorSpec
from striate.core.errors import RequestError
from striate.models import MODELS, build
from striate.train.tracking import pyfunc
from striate.train.tracking.mlflow_run import LOADER_MODULE
from striate.train.tracking.pyfunc import BundleModel, _load_pyfunc

pytestmark = pytest.mark.unit


def _bundle(
    folder: Path, name: str, shape: tuple[int, ...], steps: tuple[dict[str, Any], ...], **more: Any
) -> tuple[torch.nn.Module, Path]:
    torch.manual_seed(0)
    architecture = Architecture(name=name, arguments=more)
    network = build(architecture).eval()
    classes = int(network.classes)  # type: ignore[arg-type]
    spec = BundleSpec(
        architecture=architecture,
        task="classification" if steps else "frames",
        inputs={"input": TensorSpec(dtype="float32", shape=shape, layout="CHW", units="intensity")},
        outputs={
            "output": TensorSpec(dtype="float32", shape=(classes,), layout="C", units="logit")
        },
        preprocessing=steps,
        labels=tuple(map(str, range(classes))),
    )
    Bundle.write(folder / name, spec, network.state_dict())
    return network, folder / name


def test_the_name_that_is_stored_with_a_model_is_this_module_s() -> None:
    assert pyfunc.__name__ == LOADER_MODULE


def test_stored_images_are_prepared_as_the_bundle_says(tmp_path: Path) -> None:
    steps = ({"op": "scale", "factor": 1 / 255, "offset": 0.0},)
    network, path = _bundle(tmp_path, "lenet1_32", (1, 32, 32), steps)
    images = np.random.default_rng(0).integers(0, 256, (3, 1, 32, 32), dtype=np.uint8)
    with torch.no_grad():
        expected = network(torch.from_numpy(images) / 255).numpy()
    assert _load_pyfunc(str(path)).predict(images) == pytest.approx(expected, abs=1e-5)


def test_what_is_no_image_goes_to_the_network_as_it_is(tmp_path: Path) -> None:
    small = {"classes": 7, "field": 28, "width": 1 / 16}
    network, path = _bundle(tmp_path, "speech_convnet", (1, 28, 28), (), **small)
    frames = np.random.default_rng(0).normal(size=(2, 1, 28, 28)).astype(np.float32)
    model = _load_pyfunc(str(path))
    with torch.no_grad():
        expected = network(torch.from_numpy(frames)).numpy()
    assert model.predict(frames) == pytest.approx(expected, abs=1e-5)
    with pytest.raises(RequestError, match=r"\(1, 28, 28\), not \(1, 20, 28\)"):
        model.predict(frames[:, :, :20])


class Weighed(torch.nn.Module):
    """Sums of the frames that count and of their squares, of two inputs and a mask."""

    def forward(self, left: Tensor, right: Tensor, mask: Tensor) -> dict[str, Tensor]:
        both = (left + right) * mask
        return {"squares": both.square().sum(1), "sums": both.sum(1), "unnamed": both}


def _vector(*shape: int | str, dtype: str = "float32", mask: bool = False) -> TensorSpec:
    return TensorSpec(dtype=dtype, shape=shape, layout="T" * len(shape), units="one", mask=mask)


@pytest.fixture
def weighed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BundleModel:
    monkeypatch.setitem(MODELS, "weighed", Weighed)
    spec = BundleSpec(
        architecture=Architecture(name="weighed"),
        task="sums",
        inputs={
            "left": _vector("time"),
            "right": _vector("time"),
            "mask": _vector("time", dtype="bool", mask=True),
        },
        outputs={"sums": _vector(), "squares": _vector()},
    )
    return _load_pyfunc(str(Bundle.write(tmp_path / "weighed", spec, {}).path))


def test_several_tensors_come_and_go_by_name(weighed: BundleModel) -> None:
    left, right = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((2, 3))
    answer = weighed.predict({"right": right, "left": left})
    assert isinstance(answer, dict)
    assert list(answer) == ["sums", "squares"]
    assert answer["sums"].tolist() == [6.0, 15.0]
    masked = weighed.predict({"left": left, "right": right, "mask": [[1, 1, 0], [0, 0, 1]]})
    assert isinstance(masked, dict)
    assert masked["squares"].tolist() == [5.0, 36.0]


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"left": np.ones((1, 3))}, "takes left, right, mask, not left"),
        ({"left": np.ones((1, 3)), "rihgt": np.ones((1, 3))}, "not left, rihgt"),
        ({"left": np.ones((1, 3)), "right": np.ones((1, 4))}, "time is 3 and, in right, 4"),
        ({"left": np.ones((1, 3)), "right": np.ones((1, 3, 1))}, r"right of the shape \('time',\)"),
        (np.ones((1, 3)), "not left"),
    ],
)
def test_other_tensors_than_the_models_are_named(
    weighed: BundleModel, inputs: Any, said: str
) -> None:
    with pytest.raises(RequestError, match=said):
        weighed.predict(inputs)
