"""What the serving tests share: a bundle, pictures, and a server in this process."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from striate.core.bundle import Architecture, Bundle, BundleSpec, TensorSpec
from striate.models import build
from striate.serve.limits import Limits
from striate.serve.predictors.tagging import TaggingPredictor
from striate.serve.server import TaggingServer

DIGITS: tuple[dict[str, Any], ...] = (
    {"op": "grayscale"},
    {"op": "resize", "height": 28, "width": 28},
    {"op": "pad", "margin": 2, "value": 0},
    {"op": "scale", "factor": 1.275 / 255, "offset": -0.1},
)


def png(width: int = 28, height: int = 28, seed: int = 0) -> bytes:
    """A grey PNG of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write_bundle(path: Path, name: str = "lenet5_modern", seed: int = 0) -> Bundle:
    """A digits bundle with random weights."""
    architecture = Architecture(name=name)
    torch.manual_seed(seed)
    spec = BundleSpec(
        architecture=architecture,
        task="classification",
        input=TensorSpec(dtype="float32", shape=(1, 32, 32), layout="CHW", units="intensity"),
        output=TensorSpec(dtype="float32", shape=(10,), layout="C", units="logit"),
        preprocessing=DIGITS,
        labels=tuple("0123456789"),
    )
    return Bundle.write(path, spec, build(architecture).state_dict())


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A digits bundle with random weights."""
    return write_bundle(tmp_path_factory.mktemp("bundles") / "digits")


@pytest.fixture(scope="session")
def server(bundle: Bundle) -> Iterator[TaggingServer]:
    """A server of the bundle in this process, with small limits."""
    limits = Limits(image_bytes=200_000, top_k=100)
    running = TaggingServer(TaggingPredictor.load(bundle, "cpu"), ("digits", "7"), limits=limits)
    yield running
    running.stop(grace_s=1)
