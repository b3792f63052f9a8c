"""Runs without a tracking server, and a tracking server that a test may stop."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from striate.core.tracking import connect
from striate.data.ingest.ingest import ingest
from striate.data.shards.manifest import Manifest
from striate.train.config import Recipe
from striate.train.loop.batches import samples_per_epoch
from striate.train.recipes.resolve import resolve
from striate.train.run.folder import Run, RunFolder
from striate.train.run.spec import RunSpec
from striate.train.run.stop_requests import REQUESTS

MakeRun = Callable[..., Run]
SMALL_RECIPE = "lenet1-anna-digits"


@pytest.fixture(autouse=True)
def _nothing_asked() -> None:
    """No request to end that a test left with this process reaches the next one's run."""
    REQUESTS.begin()
    REQUESTS.end()


@pytest.fixture(scope="session", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Vocabularies that runs make are kept in no home of a user."""
    with pytest.MonkeyPatch.context() as patch:
        if "STRIATE_HOME" not in os.environ:
            patch.setenv("STRIATE_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums in one order, so that runs can be compared bit for bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make_run(tmp_path: Path, digits_shards: Path) -> MakeRun:
    """Makes a run of a recipe in a folder of its own: `make_run("name", "field=value", …)`."""

    def make(name: str, *overrides: str, folder: str = "run") -> Run:
        recipe = resolve(name, [*overrides, "scaling.workers=0"])
        return run_of(recipe, digits_shards, tmp_path / folder)

    return make


@pytest.fixture
def make_run_on(tmp_path: Path) -> MakeRun:
    """Makes a run of a recipe on shards: `make_run_on(shards, "name", "field=value", …)`."""

    def make(shards: Path, name: str, *overrides: str, folder: str = "run") -> Run:
        recipe = resolve(name, [f"data.shards={shards}", *overrides, "scaling.workers=0"])
        return run_of(recipe, shards, tmp_path / folder)

    return make


@pytest.fixture(scope="session")
def bundled_shards(made_once: Callable[..., Path], digits_shards: Path) -> Callable[[str], Path]:
    """Shards of a bundled corpus, small and made once: `bundled_shards("photos")`."""

    def shards_of(corpus: str) -> Path:
        def make(folder: Path) -> None:
            source, target = folder / "corpus", folder / "shards"
            ingest(corpus, source, target, workers=1, size=_SIZES[corpus])

        return digits_shards if corpus == "digits" else made_once(corpus, make) / "shards"

    return shards_of


_SIZES = {
    "countries": 20,
    "faces": 200,
    "facts": 500,
    "identities": 8,
    "photos": 360,
    "phrases": 300,
    "poses": 200,
    "reviews": 200,
    "scenes": 40,
    "speech": 20,
    "speech-states": 20,
    "sports": 20,
    "stories": 10,
}


@pytest.fixture
def make_bundled_run(
    tmp_path: Path, bundled_shards: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> MakeRun:
    """Makes a run of a recipe on its bundled corpus: `make_bundled_run("name", "field=value", …)`.

    The corpus is small, but for those that come in one size. Vocabularies are kept in a home of the
    test's own.
    """
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))

    def make(name: str, *overrides: str) -> Run:
        recipe = resolve(name, [*overrides, "scaling.workers=0"])
        return run_of(recipe, bundled_shards(recipe.data.corpus), tmp_path / "run")

    return make


@pytest.fixture
def make_short_run(
    make_bundled_run: MakeRun, bundled_shards: Callable[[str], Path]
) -> Callable[..., Run]:
    """Makes a run of so many steps, of a recipe on its bundled corpus: ``make(name, steps)``."""

    def make(name: str, steps: int, *overrides: str, batch: int = _SHORT_BATCH) -> Run:
        recipe = resolve(name)
        shards = bundled_shards(recipe.data.corpus)
        manifest = Manifest.load(shards)
        rows = samples_per_epoch(recipe.data, manifest)
        if recipe.data.corpus == "digits":
            batch = recipe.batch_size
        short = [f"batch_size={batch}", f"epochs={steps * batch / rows}", "report_every=3"]
        few_people = (recipe.data.corpus, recipe.task.name) == ("identities", "classification")
        if recipe.task.name == "frames" or few_people:  # a small corpus lacks some phones
            short.append(f"model.arguments.classes={len(manifest.labels)}")
        return make_bundled_run(name, *short, *overrides)

    return make


_SHORT_BATCH = 16


def run_of(recipe: Recipe, shards: Path, folder: Path) -> Run:
    """A run that no tracking server knows."""
    manifest = Manifest.load(shards)
    spec = RunSpec(
        run_id=folder.name,
        tracking_uri="http://127.0.0.1:1",
        experiment_id="0",
        recipe=recipe,
        shards=str(shards),
        manifest_sha256=manifest.sha256,
        labels=manifest.labels,
        train_rows=samples_per_epoch(recipe.data, manifest),
        created_unix_s=0.0,
    )
    return Run(spec, RunFolder(folder))


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real tracking store without a server: SQLite, with an experiment of a small recipe."""
    import mlflow

    folder = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{folder}/mlflow.db"
    connect(uri).create_experiment(SMALL_RECIPE, artifact_location=str(folder / "artifacts"))
    yield uri
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


class TrackingServer:
    """An MLflow server on SQLite that can be stopped and started again on its port."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.uri = f"http://127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        log = (self.folder / "server.log").open("ab")
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        self._process = subprocess.Popen(
            command, stdout=log, stderr=log, env=environment, start_new_session=True
        )
        deadline = time.monotonic() + 90
        while not self.answers():
            assert time.monotonic() < deadline, "the tracking server does not come up"
            time.sleep(0.2)

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2):
                return True
        except OSError:
            return False

    def stop(self) -> None:
        """Kill it, with the processes that it started."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def tracking_server(tmp_path: Path, pick_port: Callable[[], int]) -> Iterator[TrackingServer]:
    """A tracking server of this test's own."""
    server = TrackingServer(tmp_path, pick_port())
    server.start()
    yield server
    server.stop()
