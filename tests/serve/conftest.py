"""What the serving tests share: bundles, pictures, and a server in this process."""

import io
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from striate.core.bundle import Architecture, Bundle, BundleSpec, TensorSpec
from striate.models import build
from striate.serve.limits import Limits
from striate.serve.loading import tagging_server
from striate.serve.predictors import load_tagging
from striate.serve.server import ModelServer

DIGITS: tuple[dict[str, Any], ...] = (
    {"op": "grayscale"},
    {"op": "resize", "height": 28, "width": 28},
    {"op": "pad", "margin": 2, "value": 0},
    {"op": "scale", "factor": 1.275 / 255, "offset": -0.1},
)


def _png(width: int = 28, height: int = 28, seed: int = 0) -> bytes:
    """A grey PNG of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _blank_png(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that decodes to any number of pixels."""
    buffer = io.BytesIO()
    Image.new("1", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def png() -> Callable[..., bytes]:
    """Makes a grey PNG of noise: ``png(width, height, seed)``."""
    return _png


@pytest.fixture(scope="session")
def broken() -> dict[str, bytes]:
    """Payloads that are no readable picture of an acceptable size, by what is wrong."""
    return {
        "no image": b"GIF89a, not wanted",
        "truncated": _png()[:100],
        "over the pixels": _blank_png(8001, 8001),
        "a bomb": _blank_png(30000, 30000),
    }


@pytest.fixture(scope="session")
def write_bundle() -> Callable[..., Bundle]:
    """Writes a digits bundle with random weights: ``write_bundle(path, seed, name)``."""

    def write(path: Path, seed: int = 0, name: str = "lenet5_modern") -> Bundle:
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

    return write


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory, write_bundle: Callable[..., Bundle]) -> Bundle:
    """A digits bundle with random weights."""
    return write_bundle(tmp_path_factory.mktemp("bundles") / "digits")


@pytest.fixture(scope="session")
def server(bundle: Bundle) -> Iterator[ModelServer]:
    """A server of the bundle in this process, with small limits."""
    limits = Limits(image_bytes=200_000, top_k=100)
    running = tagging_server(load_tagging(bundle, "cpu"), ("digits", "7"), limits=limits)
    yield running
    running.stop(grace_s=1)


@pytest.fixture(scope="session")
def unused_port() -> Callable[[], int]:
    """Gives a port that nothing listens on."""

    def choose() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return choose
