"""The .proto files as callers take them: one folder, by itself, to any compiler or loader."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from striate.core.bundle import Bundle
from striate.serve.apps.factory import inference_of, load
from striate.serve.protos.generate import FOLDER, proto_files
from striate.serve.server.server import ModelServer
from striate.serve.services.analysis import Photos
from striate.serve.services.tagging import PhotoTagging

PACKAGES = ("@grpc/grpc-js", "@grpc/proto-loader")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder with the .proto files, and nothing else."""
    for file in proto_files():
        target = tmp_path / "protos" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(FOLDER / file, target)
    return tmp_path / "protos"


@pytest.mark.unit
@pytest.mark.parametrize("file", proto_files(), ids=str)
def test_each_loads_by_plain_protoc_from_one_folder(
    file: Path, published: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{published}"]
    output = f"--descriptor_set_out={tmp_path / 'set'}"
    made = subprocess.run([*command, output, str(file)], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr


@pytest.mark.unit
@pytest.mark.parametrize("file", proto_files(), ids=str)
def test_each_lies_where_its_package_says(file: Path) -> None:
    """What ``buf lint`` asks of a module's layout (PACKAGE_DIRECTORY_MATCH)."""
    (package,) = re.findall(r"^package ([\w.]+);", (FOLDER / file).read_text(), re.MULTILINE)
    assert ".".join(file.parent.parts) == package


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which Node finds gRPC."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node and npm are not installed")
    folder = tmp_path_factory.mktemp("node")
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", *PACKAGES]
    try:
        made = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip("npm reaches no registry in two minutes")
    if made.returncode:
        pytest.skip(f"npm cannot install {', '.join(PACKAGES)}: {made.stderr.strip()[-200:]}")
    return folder


@pytest.mark.e2e
def test_node_calls_every_method_with_nothing_but_these_files(
    node: Path, published: Path, bundle: Bundle, png: Callable[..., bytes], tmp_path: Path
) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(png())
    model = load(bundle, ("digits", "7"))
    photos = Photos(model.tagger(), model.describer())
    server = ModelServer([inference_of([model]), PhotoTagging(model.tagger()), photos])
    script = Path(__file__).with_name("calls.mjs")
    command = ["node", str(script), server.address, str(published), str(photo)]
    said = subprocess.run(command, cwd=node, capture_output=True, text=True, timeout=60)
    server.stop(1)
    assert said.returncode == 0, said.stderr
    found: dict[str, Any] = json.loads(said.stdout)
    methods = {m for service in server.services for m in service.methods()}
    assert methods <= set(found)
    best = found["Tag"]["labels"][0]
    assert len(found["Tag"]["labels"]) == 2 and found["Tag"]["model"]["name"] == "digits"
    assert found["TagStream"][0]["id"] == "mine"
    assert found["TagStream"][0]["tags"]["labels"][0]["name"] == best["name"]
    assert found["Analyze"]["tags"]["labels"][0]["name"] == best["name"]
    assert found["ServerLive"]["live"] and found["ServerReady"]["ready"]
    assert (found["ModelReady"]["ready"], found["Unknown"]["ready"]) == (True, False)
    assert found["ServerMetadata"]["name"] == "striate"
    assert [tensor["name"] for tensor in found["ModelMetadata"]["inputs"]] == ["input", "image"]
    labels = found["ModelInfer"]["outputs"][1]["contents"]["bytesContents"][0]
    assert bytes(labels["data"]).decode() == best["name"]
