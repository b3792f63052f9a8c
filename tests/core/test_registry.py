"""The registry on a real MLflow store: versions, aliases, what is missing, what is silent."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from striate.core import registry
from striate.core.bundle import Architecture, Bundle, BundleSpec, Provenance, TensorSpec
from striate.core.errors import BundleError, TrackingUnavailable, UnknownName
from striate.core.model_version import EvaluatedOn
from striate.core.settings import Settings
from striate.core.tracking import RECIPE_TAG, connect, tracking_uri_of

pytestmark = pytest.mark.unit
LOADER = "package_of_the_caller.loader"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A tracking store of this module's own: SQLite, without a server."""
    import mlflow

    folder = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{folder}/mlflow.db"
    client = connect(uri)
    client.create_experiment("tests", artifact_location=str(folder / "artifacts"))
    yield uri
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


@pytest.fixture
def settings(store: str, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", tracking_uri=store)


TEST_SPLIT = EvaluatedOn(data="manifest test", metric="top1")
LENET = Architecture(name="lenet1")


def new_run(store: str) -> str:
    client = connect(store)
    experiment = client.get_experiment_by_name("tests")
    assert experiment is not None
    return str(client.create_run(experiment.experiment_id).info.run_id)


def bundle_at(folder: Path, value: float, architecture: Architecture = LENET) -> Bundle:
    plain = TensorSpec(dtype="float32", shape=(2,), layout="C", units="logit")
    spec = BundleSpec(
        architecture=architecture,
        task="classification",
        inputs={"input": plain},
        outputs={"output": plain},
        provenance=Provenance(metrics={"top1": value}),
    )
    return Bundle.write(folder, spec, {"w": torch.full((3,), value)})


@pytest.fixture
def registered(store: str, tmp_path: Path) -> tuple[str, str]:
    """A model with two versions, of which the better second is champion; and the second's run."""
    name = f"model-{time.monotonic_ns()}"
    run_id = ""
    for value in (0.25, 0.75):
        run_id = new_run(store)
        bundle = bundle_at(tmp_path / f"b{value}", value)
        registry.register(bundle, name, run_id, store, LOADER, evaluated_on=TEST_SPLIT)
    return name, run_id


def value_of(bundle: Bundle) -> float:
    return float(bundle.state()["w"][0])


def test_a_bundle_is_a_model_of_its_own_run_and_experiment(
    registered: tuple[str, str], store: str
) -> None:
    name, run_id = registered
    client = connect(store)
    run = client.get_run(run_id)
    (output,) = run.outputs.model_outputs
    assert client.get_logged_model(output.model_id).experiment_id == run.info.experiment_id
    assert client.get_model_version(name, "2").run_id == run_id


def test_versions_carry_their_alias_run_and_figures(
    store: str, registered: tuple[str, str]
) -> None:
    name, run_id = registered
    second, first = registry.list_versions(store, name)
    assert (second.version, second.aliases, second.run_id) == (2, ("champion",), run_id)
    assert second.uri == f"models:/{name}/2"
    assert second.metrics == {"top1": 0.75}
    assert (first.version, first.aliases) == (1, ())
    assert time.time() - second.created_unix_s < 600


def test_every_way_to_name_a_bundle_fetches_it(
    settings: Settings, registered: tuple[str, str], tmp_path: Path
) -> None:
    name, run_id = registered
    for uri, value, version in (
        (f"models:/{name}@champion", 0.75, 2),
        (f"models:/{name}/1", 0.25, 1),
        (f"runs:/{run_id}/bundle", 0.75, None),
        (str(tmp_path / "b0.25"), 0.25, None),
    ):
        bundle, found = registry.fetch(uri, settings)
        assert value_of(bundle) == value
        assert (found.version if found else None) == version


def test_the_settings_server_is_asked_whatever_the_process_has(
    settings: Settings, registered: tuple[str, str], tmp_path: Path
) -> None:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/another.db")
    bundle, _ = registry.fetch(f"models:/{registered[0]}@champion", settings)
    assert value_of(bundle) == 0.75


def test_registering_again_makes_no_second_version(
    store: str, registered: tuple[str, str], tmp_path: Path
) -> None:
    name, run_id = registered
    again = registry.register(Bundle.open(tmp_path / "b0.75"), name, run_id, store, LOADER)
    assert again.version == 2
    assert len(registry.list_versions(store, name)) == 2


def test_an_alias_moves(store: str, settings: Settings, registered: tuple[str, str]) -> None:
    name, _ = registered
    assert registry.promote(name, 1, "champion", store).aliases == ("champion",)
    bundle, version = registry.fetch(f"models:/{name}@champion", settings)
    assert value_of(bundle) == 0.25
    assert version is not None and version.version == 1


def test_a_bundle_damaged_on_this_disk_is_fetched_again(
    settings: Settings, registered: tuple[str, str]
) -> None:
    name, _ = registered
    bundle, _ = registry.fetch(f"models:/{name}/2", settings)
    (bundle.path / "model.safetensors").write_bytes(b"damaged")
    again, _ = registry.fetch(f"models:/{name}/2", settings)
    assert again.path == bundle.path
    assert value_of(again) == 0.75


def test_what_is_not_there_is_named(settings: Settings, registered: tuple[str, str]) -> None:
    name, _ = registered
    store = tracking_uri_of(settings)
    for uri, thing in (
        (f"models:/{name}x/1", f"{name}x"),
        (f"models:/{name}/9", "'9'"),
        (f"models:/{name}@best", "'best'"),
        (f"models:/{name}", "no model URI"),
        ("runs:/0123/bundle", "'0123'"),
        ("absent/folder", "absent/folder"),
    ):
        with pytest.raises(UnknownName) as caught:
            registry.fetch(uri, settings)
        assert thing in caught.value.message
        assert caught.value.remedy
    with pytest.raises(UnknownName):
        registry.promote(name, 7, "champion", store)
    with pytest.raises(UnknownName):
        registry.list_versions(store, "no-such-model")


def test_a_run_without_a_bundle_is_refused(store: str, settings: Settings) -> None:
    with pytest.raises(BundleError, match="logged no bundle"):
        registry.fetch(f"runs:/{new_run(store)}/bundle", settings)


def test_nothing_in_the_registry_is_pickled(
    store: str, settings: Settings, registered: tuple[str, str], tmp_path: Path
) -> None:
    import mlflow

    name, _ = registered
    folder = mlflow.artifacts.download_artifacts(
        f"models:/{name}/2", dst_path=str(tmp_path / "raw"), tracking_uri=store
    )
    names = {path.name for path in Path(folder).rglob("*") if path.is_file()}
    assert {"MLmodel", "bundle.json", "model.safetensors"} <= names
    assert not [name for name in names if name.endswith((".pkl", ".pt", ".pth"))]
    assert f"loader_module: {LOADER}" in (Path(folder) / "MLmodel").read_text()
    assert json.loads(next(Path(folder).rglob("bundle.json")).read_text())["task"]


def test_a_model_needs_the_package_that_its_network_came_from(store: str, tmp_path: Path) -> None:
    import mlflow

    mine = Architecture(name="my_net", package="own-models", version="1.2")
    bundle = bundle_at(tmp_path / "mine", 0.5, mine)
    version = registry.register(bundle, "mine", new_run(store), store, LOADER)
    folder = mlflow.artifacts.download_artifacts(version.uri, tracking_uri=store)
    needed = (Path(folder) / "requirements.txt").read_text().split()
    assert needed[-2:] == ["striate", "own-models==1.2"]  # after MLflow itself


def test_a_server_that_does_not_answer_is_said_soon(tmp_path: Path) -> None:
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # bound, never listening: connections are refused
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings = Settings(home=tmp_path, tracking_uri=uri)
        for call in (
            lambda: registry.fetch("models:/lenet5@champion", settings),
            lambda: registry.list_versions(uri),
        ):
            with pytest.raises(TrackingUnavailable, match="does not answer") as caught:
                call()
            assert "striate up" in caught.value.remedy


def test_no_server_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(TrackingUnavailable, match="No MLflow"):
        registry.fetch("models:/lenet5@champion", Settings(home=tmp_path))


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[str]:
    """A store of its own whose list of models is longer than one of MLflow's answers (100)."""
    import mlflow

    uri = f"sqlite:///{tmp_path}/crowded.db"
    client = connect(uri)
    client.create_experiment("tests", artifact_location=str(tmp_path / "artifacts"))
    for number in range(101):
        client.create_registered_model(f"m{number:03}")
    yield uri
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


def test_a_model_past_the_first_page_of_the_list_is_found(crowded: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", tracking_uri=crowded)
    bundle = bundle_at(tmp_path / "b", 0.5)
    made = registry.register(bundle, "z", new_run(crowded), crowded, LOADER)
    assert (made.name, made.version, made.aliases) == ("z", 1, ("champion",))
    assert registry.list_versions(crowded, "z") == [made]
    assert registry.list_versions(crowded) == [made]
    _, found = registry.fetch("models:/z@champion", settings)
    assert found == made
    assert registry.promote("z", 1, "best", crowded).aliases == ("best", "champion")
    with pytest.raises(UnknownName, match="zz") as caught:
        registry.list_versions(crowded, "zz")
    assert "Did you mean z?" in caught.value.remedy


def test_a_run_that_is_not_there_is_told_with_the_latest_ones(
    store: str, settings: Settings
) -> None:
    client = connect(store)
    experiment = client.create_experiment("named", artifact_location="unused")
    tags = {RECIPE_TAG: "digits"}
    for number in range(4):
        client.create_run(experiment, 1 + number, tags, run_name=f"digits {number}")
    client.create_run(experiment, 9, run_name="of somebody else")
    with pytest.raises(UnknownName, match=r"no run '0123'") as caught:
        registry.fetch("runs:/0123/bundle", settings)
    assert re.fullmatch(
        r"The latest are [0-9a-f]{8} \(digits 3\), [0-9a-f]{8} \(digits 2\),"
        r" [0-9a-f]{8} \(digits 1\)\.", caught.value.remedy,
    )  # fmt: skip
