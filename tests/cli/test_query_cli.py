"""`striate query` against a server in this process."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from striate.cli.main import cli
from striate.serve.apps.factory import tagger
from striate.serve.predictors.echo import EchoPredictor
from striate.serve.server.server import ModelServer
from striate.serve.services.tagging import PhotoTagging

pytestmark = pytest.mark.unit
Query = Callable[..., Result]


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    running = ModelServer([PhotoTagging(tagger(EchoPredictor(), ("echo", "1")))])
    yield running
    running.stop(1)


@pytest.fixture
def query(server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Query:
    """Runs ``striate query …`` in a folder with photos; one of them is empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"anything")
    (tmp_path / "empty.png").touch()

    def run(*words: str) -> Result:
        return CliRunner().invoke(cli, ["query", *words, "--address", server.address])

    return run


def test_many_photos_on_one_call(query: Query) -> None:
    done = query("tag", "a.png", "b.png", "--stream")
    assert done.exit_code == 0, done.output
    assert sorted(done.output.splitlines()) == ["a.png: echo 1.000", "b.png: echo 1.000"]
    rows = json.loads(query("tag", "a.png", "--stream", "--json").output)
    assert rows[0]["labels"][0]["name"] == "echo"


def test_a_bad_photo_of_many_is_said_and_the_others_are_tagged(query: Query) -> None:
    done = query("tag", "a.png", "empty.png", "b.png", "--stream")
    assert done.exception is not None
    assert "empty.png: The request holds no image." in done.output
    assert "b.png: echo 1.000" in done.output


def test_analysis_that_nobody_offers_is_an_error(query: Query) -> None:
    done = query("analyze", "a.png", "--region", "US")
    assert "does not serve this method" in str(done.exception)


def test_files_for_tls_are_checked(query: Query, tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("x")
    assert "go together" in str(query("tag", "a.png", "--cert", "cert.pem").exception)
