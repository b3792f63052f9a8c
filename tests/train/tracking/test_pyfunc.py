"""A bundle as MLflow loads it, of images and of what is no image."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from striate.core.bundle import Architecture, Bundle, BundleSpec, TensorSpec
from striate.core.errors import RequestError
from striate.models import build
from striate.train.tracking.pyfunc import _load_pyfunc

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
        input=TensorSpec(dtype="float32", shape=shape, layout="CHW", units="intensity"),
        output=TensorSpec(dtype="float32", shape=(classes,), layout="C", units="logit"),
        preprocessing=steps,
        labels=tuple(map(str, range(classes))),
    )
    Bundle.write(folder / name, spec, network.state_dict())
    return network, folder / name


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
