"""A deployment by an alias stays with its version, and says when the alias moved."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from striate.core.settings import Settings
from striate.core.tracking import connect
from striate.serve.deployment.followed_aliases import apps_behind, current_versions
from striate.serve.edge.app_table import DeployedApp

pytestmark = pytest.mark.unit

ALIAS = "models:/digits@champion"


def deployed(name: str, served: int | None = None) -> DeployedApp:
    return DeployedApp(
        name=name, app="photos", serve_name=name, model_uri="models:/digits/1", model="digits",
        version="1", deployed_unix_s=0.0, aliases={} if served is None else {ALIAS: served},
    )  # fmt: skip


def test_an_alias_that_moved_is_said() -> None:
    apps = [deployed("behind", served=1), deployed("level", served=3), deployed("pinned")]
    (moved,) = apps_behind(apps, {ALIAS: 3})
    assert str(moved) == (
        f"behind serves version 1 of {ALIAS}, which is version 3 now; deploy it again to follow."
    )
    assert apps_behind(apps, {}) == []


def test_a_registry_that_is_away_hides_no_application(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, tracking_uri="http://127.0.0.1:1")
    assert current_versions({ALIAS}, settings) == {}


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Settings]:
    """A registry with one model, whose second version is champion."""
    import mlflow

    settings = Settings(home=tmp_path, tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    client = connect(str(settings.tracking_uri))
    client.create_registered_model("digits")
    for version in (1, 2):
        client.create_model_version("digits", f"file://{tmp_path}/{version}")
    client.set_registered_model_alias("digits", "champion", "2")
    yield settings
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


def test_a_model_that_is_gone_hides_no_alias_of_others(registry: Settings) -> None:
    gone = ("models:/gone@champion", "models:/digits@nobody")
    for order in ((gone[0], ALIAS, gone[1]), (ALIAS, *gone)):
        assert current_versions(order, registry) == {ALIAS: 2}
