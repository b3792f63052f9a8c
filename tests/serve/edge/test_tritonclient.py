"""NVIDIA's `tritonclient`, unchanged, against a model behind the edge with TLS and tokens.

The client wants an older protobuf than Striate, and its protos have the names of ours: it is
installed once into a folder of its own, and runs in a process of its own.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from striate.core.bundle import Bundle
from striate.models import build_from
from striate.serve.apps.factory import inference_of, load
from striate.serve.edge import tokens
from striate.serve.edge.certificates import ensure_certificates
from striate.serve.edge.files import edge_key
from striate.serve.edge.options import EdgeTls
from striate.serve.server.server import ModelServer

pytestmark = pytest.mark.e2e
PACKAGES = (
    "tritonclient==2.73.0",
    "python-rapidjson==1.25",
    "protobuf==6.33.6",
    "ml_dtypes==0.5.4",
)
SCRIPT = Path(__file__).with_name("triton_script.py")
SERVICE = "inference.GRPCInferenceService"


@pytest.fixture(scope="session")
def triton() -> Path:
    """The folder that the client is installed in; kept for the next session."""
    versions = "-".join(package.partition("==")[2] for package in PACKAGES)
    kept = Path(tempfile.gettempdir()) / f"striate-tests-triton-{os.getuid()}-{versions}"
    if not kept.is_dir():
        made = Path(tempfile.mkdtemp(prefix="striate-triton-"))
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(made)]
        subprocess.run([*pip, *PACKAGES], check=True, timeout=180)
        try:
            made.rename(kept)
        except OSError:  # another session was faster
            shutil.rmtree(made)
    return kept


@pytest.fixture(scope="module")
def called(
    triton: Path,
    bundle: Bundle,
    start_edge: Any,
    app: Any,
    png: Callable[..., bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[dict[str, Any], Path]]:
    """What the client found, and the folder of its files."""
    folder = tmp_path_factory.mktemp("triton")
    np.save(folder / "input.npy", images())
    (folder / "photo.png").write_bytes(png(seed=5))
    certificate, authority = ensure_certificates(folder / "tls", ["127.0.0.1"])
    secret, _ = tokens.create(folder / "tokens.map", "triton", ["infer"])
    running = start_edge(tls=EdgeTls(certificate=certificate), token_file=folder / "tokens.map")
    model = load(bundle, ("digits", "7"))
    server = ModelServer([inference_of([model])], edge_key=edge_key(running.folder))
    running.deploy(app("digits", server.address, services=(SERVICE,), models=("digits",)))
    command = [sys.executable, str(SCRIPT), running.address, str(authority), secret, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(triton)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    yield json.loads(done.stdout), folder
    server.stop(1)


def images() -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(0).standard_normal((4, 1, 32, 32)).astype(np.float32)


def test_server_and_model_tell_of_themselves(called: tuple[dict[str, Any], Path]) -> None:
    found, _ = called
    states = {name: found[name] for name in ("live", "ready", "model", "version", "unknown")}
    assert states.pop("unknown") is False
    assert all(states.values()), states
    assert found["server"]["name"] == "striate"
    assert found["metadata"]["inputs"][0] == {
        "name": "input",
        "datatype": "FP32",
        "shape": ["-1", "1", "32", "32"],
    }


def test_numbers_are_the_networks_own(called: tuple[dict[str, Any], Path], bundle: Bundle) -> None:
    found, folder = called
    expected = build_from(bundle)(torch.from_numpy(images())).detach().numpy()
    np.testing.assert_allclose(np.load(folder / "output.npy"), expected, rtol=1e-4, atol=1e-5)
    best = expected.argmax(1)
    assert found["labels"] == [bundle.spec.labels[place] for place in best]
    assert [row[0].split(":")[1:] for row in found["classes"]] == [[str(p), str(p)] for p in best]
    assert all(len(row) == 3 for row in found["classes"])
    assert found["id"] == "mine"


def test_photos_compression_and_many_calls_at_once(called: tuple[dict[str, Any], Path]) -> None:
    found, _ = called
    assert len(found["photo"]) == 1
    assert found["later"] == 20


def test_errors_have_their_statuses(called: tuple[dict[str, Any], Path]) -> None:
    assert called[0]["errors"] == {
        "shape": "StatusCode.INVALID_ARGUMENT",
        "model": "StatusCode.NOT_FOUND",
        "version": "StatusCode.NOT_FOUND",
        "metadata": "StatusCode.NOT_FOUND",
        "token": "StatusCode.UNAUTHENTICATED",
    }
