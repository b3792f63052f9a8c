"""From what a user asks to deploy to pinned arguments."""

from pathlib import Path
from typing import Any

import pytest

from striate.core.bundle import Bundle
from striate.core.errors import BundleError, UnknownName, UsageError
from striate.core.settings import Settings
from striate.serve.apps.app_kinds import APPS
from striate.serve.deployment.resolve import (
    ResolvedModels,
    application_of,
    kind_of,
    resolve_models,
)
from striate.serve.edge.app_table import DeployedApp

pytestmark = pytest.mark.unit


def ask(app: str, *models: str, home: Path, device: str = "cpu", **options: Any) -> ResolvedModels:
    return resolve_models(APPS[app], models, Settings(home=home), device, None, options)


def test_a_folder_is_pinned_by_its_path_and_named_after_its_network(
    tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bundle.path.parent)
    made = ask("photos", bundle.path.name, home=tmp_path, target_in_flight=4)
    assert made.model_uri == made.arguments["model"] == str(bundle.path)
    assert (made.model, made.version) == ("lenet5_modern", bundle.digest)
    assert made.arguments["target_in_flight"] == 4


def test_models_go_to_their_roles(tmp_path: Path, bundle: Bundle, write_bundle: Any) -> None:
    path = str(bundle.path)
    flagged = {"3": 0.5}
    models = (f"tagger={path}", f"content={path}")
    made = ask("analyze", *models, home=tmp_path, thresholds=flagged)
    assert made.arguments["thresholds"] == flagged
    assert made.arguments["tagger"] == made.arguments["content"] == path
    assert "faces" not in made.arguments
    other = str(write_bundle(tmp_path / "other", name="lenet1_32").path)
    many = ask("models", path, other, home=tmp_path)
    assert many.arguments["models"] == [path, other]
    assert many.model == "lenet5_modern, lenet1_32"
    assert ask("echo", home=tmp_path).model == ""


@pytest.mark.parametrize(
    ("app", "models", "sentence"),
    [
        ("photos", (), "needs a model"),
        ("photos", ("{}", "{}"), "takes one model"),
        ("analyze", ("{}",), "what the model"),
        ("analyze", ("content={}",), "needs a tagger"),
        ("analyze", ("tagger={}", "tagger={}"), "takes one tagger"),
        ("models", (), "needs models"),
        ("echo", ("{}",), "what the model"),
    ],
)
def test_models_that_an_application_does_not_take_are_refused(
    tmp_path: Path, bundle: Bundle, app: str, models: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        ask(app, *(model.format(bundle.path) for model in models), home=tmp_path)


def test_what_cannot_be_served_is_refused_before_anything_starts(
    tmp_path: Path, bundle: Bundle
) -> None:
    with pytest.raises(UnknownName):
        ask("photos", "no-such-folder", home=tmp_path)
    with pytest.raises(UsageError, match="colour"):
        ask("photos", str(bundle.path), home=tmp_path, colour="grey")
    with pytest.raises(UsageError, match="chips"):
        ask("models", str(bundle.path), home=tmp_path, device="anna-talk")
    spec = bundle.spec.model_copy(update={"labels": ()})
    unlabelled = Bundle.write(tmp_path / "unlabelled", spec, bundle.state())
    with pytest.raises(BundleError, match="labels"):
        ask("photos", str(unlabelled.path), home=tmp_path)


def test_a_version_can_be_built_again_from_what_the_table_holds(
    tmp_path: Path, bundle: Bundle
) -> None:
    made = ask("photos", str(bundle.path), home=tmp_path)
    stored = DeployedApp(
        name="a", app="photos", serve_name="a.1", model_uri=made.model_uri, model=made.model,
        version=made.version, replicas="0:3", arguments=made.arguments, deployed_unix_s=0,
    )  # fmt: skip
    read = DeployedApp.model_validate_json(stored.model_dump_json())
    application = application_of(read, APPS["photos"], "key")
    assert application._bound_deployment.name == "photos"
    assert "key" not in stored.model_dump_json()


def test_a_version_of_a_kind_that_only_its_deployer_knows_says_what_to_install() -> None:
    stored = DeployedApp(
        name="flowers", app="sorter", serve_name="a.1", model_uri="m", model="m", version="1",
        deployed_unix_s=0,
    )  # fmt: skip
    with pytest.raises(UnknownName, match="flowers is of the kind sorter") as caught:
        kind_of(stored)
    assert "--module" in caught.value.remedy
    assert kind_of(stored.model_copy(update={"app": "photos"})) is APPS["photos"]
