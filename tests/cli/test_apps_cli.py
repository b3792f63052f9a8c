"""`striate deploy`, `apps`, `query` and `undeploy` as a user types them."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from striate.core.bundle import Architecture, Bundle, BundleSpec, TensorSpec
from striate.models import build

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A digits bundle with random weights."""
    architecture = Architecture(name="lenet5_modern")
    torch.manual_seed(0)
    spec = BundleSpec(
        architecture=architecture,
        task="classification",
        inputs={
            "input": TensorSpec(dtype="float32", shape=(1, 32, 32), layout="CHW", units="intensity")
        },
        outputs={"output": TensorSpec(dtype="float32", shape=(10,), layout="C", units="logit")},
        preprocessing=(
            {"op": "grayscale"},
            {"op": "resize", "height": 32, "width": 32},
            {"op": "scale", "factor": 1 / 255, "offset": 0.0},
        ),
        labels=tuple("0123456789"),
    )
    path = tmp_path_factory.mktemp("bundles") / "digits"
    return Bundle.write(path, spec, build(architecture).state_dict())


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small grey PNG."""
    buffer = io.BytesIO()
    Image.new("L", (28, 28), 200).save(buffer, "PNG")
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    path.write_bytes(buffer.getvalue())
    return path


def test_deploy_list_query_and_undeploy(platform: Any, bundle: Bundle, photo: Path) -> None:
    name = "from-the-shell"
    done = platform.run("deploy", "photos", "--model", str(bundle.path), "--name", name, "--json")
    deployed = json.loads(done.stdout)
    assert deployed["name"] == name
    assert deployed["address"] == platform.settings.grpc_address
    try:
        listed = json.loads(platform.run("apps", "ls", "--json").stdout)
        (row,) = [row for row in listed if row["name"] == name]
        assert (row["status"], row["version"]) == ("RUNNING", bundle.digest)
        assert (row["running"], row["wanted"], row["canary"], row["before"]) == (1, 1, None, [])
        assert name in platform.run("apps", "ls").stdout

        asked = ("query", "tag", str(photo), "--app", name, "--top-k", "2")
        (answer,) = json.loads(platform.run(*asked, "--json").stdout)
        assert len(answer["labels"]) == 2
        assert answer["model"] == {"name": "lenet5_modern", "version": bundle.digest}
        assert "score" in platform.run(*asked).stdout

        trial = ("--canary", "50%", "--bake", "1", "--max-error-rate", "5%")
        platform.run("deploy", "photos", "--model", str(bundle.path), "--name", name, *trial)
        listed = json.loads(platform.run("apps", "ls", "--json").stdout)
        (row,) = [row for row in listed if row["name"] == name]
        assert (row["canary"], row["before"]) == (None, [bundle.digest])
        back = json.loads(platform.run("rollback", name, "--json").stdout)
        assert (back["name"], back["version"]) == (name, bundle.digest)
        again = platform.run("rollback", name, check=False)
        assert again.returncode == 2
        assert "no version before" in again.stderr

        refused = platform.run("query", "tag", str(bundle.path / "bundle.json"), check=False)
        assert refused.returncode == 9
        assert refused.stderr.count("\n") == 1
        assert "none of PNG, JPEG, WebP, AVIF, GIF" in refused.stderr
    finally:
        platform.run("undeploy", name)
    unknown = platform.run("query", "tag", str(photo), "--app", name, check=False)
    assert unknown.returncode != 0
    assert unknown.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("deploy", "fotos", "--model", "x"), 2, "photos"),
        (("deploy", "photos", "--model", "no-such-folder"), 2, "no-such-folder"),
        (("deploy", "photos", "--model", "models:/no-such-model@champion"), 2, "no-such-model"),
        (("undeploy", "nobody"), 2, "nobody"),
        (("rollback", "nobody"), 2, "nobody"),
        (("deploy", "photos"), 2, "needs a model"),
        (("deploy", "photos", "--model", "x", "--canary", "10"), 2, "share"),
    ],
)
def test_wrong_names_are_one_line(
    platform: Any, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    done = platform.run(*arguments, check=False)
    assert done.returncode == code, done.stderr
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
