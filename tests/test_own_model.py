"""The package of examples/own_model goes the whole way, from its sources to an answer."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from striate.core.errors import BundleError
from striate.core.registry import fetch
from striate.models import build_from
from striate.serve.client.client import Client
from striate.serve.edge import control
from striate.serve.edge.app_table import edge_folder

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
STRIATE = str(Path(sys.executable).with_name("striate"))
CLASSES = ("across", "down", "dots")

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, built as a wheel and installed into a folder of its own."""
    folder = tmp_path_factory.mktemp("own")
    shutil.copytree(ROOT / "examples" / "own_model", folder / "source")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", "dist", "./source"]
    subprocess.run(wheel, cwd=folder, check=True)
    (built,) = (folder / "dist").glob("own_model-*.whl")
    target = ["install", "--no-deps", "--target", str(folder / "site"), str(built)]
    subprocess.run([*pip, *target], check=True)
    return folder / "site"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `patterns`: 40 small pictures of each of three kinds."""
    folder = tmp_path_factory.mktemp("work")
    draw = np.random.default_rng(0)
    for name in CLASSES:
        (folder / "patterns" / name).mkdir(parents=True)
        for number in range(40):
            picture = _picture(name, draw)
            Image.fromarray(picture).save(folder / "patterns" / name / f"{number}.png")
    return folder


def _picture(kind: str, draw: np.random.Generator) -> Any:
    """(40, 40, 3) uint8: stripes across, stripes down, or dots, in two colours."""
    rows, columns = np.mgrid[:40, :40] + draw.integers(0, 6, (2, 1, 1))
    ink = {
        "across": rows % 6 < 3,
        "down": columns % 6 < 3,
        "dots": (rows % 6 < 3) & (columns % 6 < 3),
    }
    light, dark = draw.integers(140, 256, 3), draw.integers(0, 90, 3)
    return np.where(ink[kind][..., None], light, dark).astype(np.uint8)


@pytest.fixture(scope="module")
def environment(installed: Path, ray_cluster: Any) -> dict[str, str]:
    """Variables of a shell where the package is installed; the platform was started without it."""
    path = os.pathsep.join(filter(None, (str(installed), os.environ.get("PYTHONPATH"))))
    return {**ray_cluster.environment, "PYTHONPATH": path}


def _run(words: list[str], environment: dict[str, str], work: Path) -> Any:
    done = subprocess.run(
        [STRIATE, *words, "--json"], env=environment, capture_output=True, text=True, cwd=work
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def said(environment: dict[str, str], work: Path, ray_cluster: Any) -> Iterator[dict[str, Any]]:
    """What the commands of the page's walk print, by their verbs; taken down at the end."""
    walk = PAGE.split("## The whole way")[1].split("```")[1]
    lines = [shlex.split(line, comments=True)[1:] for line in walk.splitlines()
             if line.startswith("striate")]  # fmt: skip
    assert [words[0] for words in lines] == ["data", "train", "deploy", "sort"]
    yield {words[0]: _run(words, environment, work) for words in lines}
    ray_cluster.run("undeploy", "sorter")  # by a shell that does not have the package


def test_it_is_trained_on_a_folder_of_images_and_registered(said: dict[str, Any]) -> None:
    assert said["data"]["corpus"] == "images"
    assert said["train"]["metrics"]["top1"] > 0.9
    assert said["train"]["model_uri"] == "models:/own-images/1"


def test_its_own_service_answers_through_the_edge(said: dict[str, Any]) -> None:
    assert said["deploy"]["model"] == "own-images"
    (answer,) = said["sort"]
    assert answer["folder"] == "dots" and answer["sure"] is (answer["score"] >= 0.6)


def test_it_goes_on_answering_when_a_process_without_it_configures_the_edge(
    said: dict[str, Any], environment: dict[str, str], work: Path, ray_cluster: Any
) -> None:
    control.reload(edge_folder(ray_cluster.settings.home))
    photos = [f"patterns/{name}/1.png" for name in CLASSES]
    answers = _run(["sort", *photos], environment, work)
    assert [answer["folder"] for answer in answers] == list(CLASSES)


def test_its_bundle_names_the_package_and_is_refused_where_that_is_missing(
    said: dict[str, Any], ray_cluster: Any
) -> None:
    bundle, _ = fetch("models:/own-images@champion", ray_cluster.settings)
    architecture = bundle.spec.architecture
    assert (architecture.package, architecture.version) == ("own-model", "0.1.0")
    with pytest.raises(BundleError, match=r"own-model 0\.1\.0, which is not here") as caught:
        build_from(bundle)
    assert "pip install own-model==0.1.0" in caught.value.remedy
    refused = ray_cluster.run(
        "deploy", "photos", "--model", "models:/own-images@champion", check=False
    )
    assert refused.returncode == BundleError.exit_code
    assert "Traceback" not in refused.stderr
    assert re.search(r"^striate: The model own_net .* own-model 0\.1\.0", refused.stderr, re.M)


def test_the_model_answers_the_open_inference_protocol_too(
    said: dict[str, Any], ray_cluster: Any
) -> None:
    from striate.serve.protos.inference import inference_pb2 as pb

    with Client(ray_cluster.settings.grpc_address, app="sorter", deadline_s=60) as client:
        request = pb.ModelMetadataRequest(name="own-images")
        found = client.call("inference.GRPCInferenceService", "ModelMetadata", request)
    assert list(found.inputs[0].shape)[1:] == [3, 32, 32]


def test_a_submitted_job_takes_it_along(
    said: dict[str, Any], environment: dict[str, str], work: Path, ray_cluster: Any
) -> None:
    """Its workers train on Ray, where nobody installed the package."""
    dashboard = ray_cluster.settings.ray_dashboard
    words = ["train", "own-images", "data.shards=shards/patterns", "epochs=2", "--workers", "1"]
    trained = _run([*words, "--submit", dashboard], environment, work)
    assert trained["model_uri"] == "models:/own-images/2"
    shown = _run(["runs", "show", trained["run_id"]], environment, work)
    assert re.search(r"own-model 0\.1\.0 [0-9a-f]{12}", json.dumps(shown))
