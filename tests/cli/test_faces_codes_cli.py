"""`striate faces codes`: what it registers, and that the alias goes to it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from striate.cli.main import cli
from striate.core import registry
from striate.core.bundle import Bundle
from striate.core.errors import UsageError
from striate.core.model_version import ModelVersion
from striate.data.transforms.binary_codes import codes_of
from striate.train.faces import described

pytestmark = pytest.mark.unit
URI = "models:/people@champion"


@pytest.fixture
def registered(
    face_bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> list[Any]:
    """What was registered, in the place of a registry that holds a network."""
    bundle, made = Bundle.open(face_bundles["network"]), []
    version = ModelVersion(
        name="people", version=1, aliases=("champion",), run_id="r", uri="models:/people/1",
        created_unix_s=0,
    )  # fmt: skip
    size = len(codes_of(bundle).scale)
    vectors = np.abs(np.random.default_rng(0).normal(size=(300, size))).astype(np.float32)
    faces = described.Described(vectors, np.zeros(300, np.int64), ("",) * 300)

    def register(coded: Bundle, name: str, run_id: str, *_: Any, **__: Any) -> ModelVersion:
        made.extend([coded.digest, name, run_id, codes_of(coded).encode(vectors)])
        return version.model_copy(update={"version": 2, "aliases": ()})

    def promote(name: str, number: int, alias: str, uri: str) -> ModelVersion:
        return version.model_copy(update={"version": number, "aliases": (alias,)})

    monkeypatch.setattr(registry, "fetch", lambda uri, _: (bundle, version if uri == URI else None))
    monkeypatch.setattr(registry, "register", register)
    monkeypatch.setattr(registry, "promote", promote)
    monkeypatch.setattr(described, "describe_split", lambda *_: faces)
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    made.append(bundle.digest)
    return made


def test_the_next_version_has_codes_and_the_alias(registered: list[Any]) -> None:
    words = ["faces", "codes", URI, "--shards", "people", "--json"]
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    said = json.loads(done.stdout)
    assert (said["version"], said["aliases"]) == (2, ["champion"])
    before, after, name, run_id, codes = registered
    assert before != after and (name, run_id) == ("people", "r")
    assert codes.shape == (300, 32)


def test_a_folder_is_no_registered_model(registered: list[Any]) -> None:
    done = CliRunner().invoke(cli, ["faces", "codes", "folder", "--shards", "people"])
    assert isinstance(done.exception, UsageError) and "no registered model" in str(done.exception)
