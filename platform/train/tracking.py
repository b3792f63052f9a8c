"""One MLflow run per job, opened and closed by the driver, whatever happens to its workers."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from striate.core.bundle import Bundle
from striate.core.errors import TrackingUnavailable, UnknownName
from striate.core.registry import ModelVersion, register
from striate.core.tracking import connect, said_when_unavailable
from striate.data.shards.manifest import Manifest
from striate.train.assignment import RECIPE_FILE, Assignment
from striate.train.config import Recipe
from striate.train.events import headline_of, unit_of
from striate.train.painter import paint, painting
from striate.train.revision import code_tags
from striate.train.ship import Shipper, ship_all

if TYPE_CHECKING:
    from mlflow import MlflowClient


def tags_of(recipe: Recipe, manifest: Manifest) -> dict[str, str]:
    """What a run's tags say of its data, its code and its task, for whoever compares runs."""
    data = recipe.data
    return {
        "striate.recipe": recipe.name,
        "striate.headline": headline_of(recipe),
        "striate.unit": unit_of(recipe),
        "striate.corpus": manifest.corpus,
        "striate.shards": manifest.sha256,
        "striate.train_rows": str(manifest.rows(data.train_split)),
        "striate.test_rows": str(manifest.rows(data.test_split)),
        **code_tags(),
    }


def open_run(tracking_uri: str, recipe: Recipe, tags: Mapping[str, str]) -> tuple[str, str]:
    """Make a run in the experiment named after the recipe.

    Returns:
        The run's id and its experiment's.

    Raises:
        TrackingUnavailable: MLflow does not answer.
    """
    client = connect(tracking_uri)
    with said_when_unavailable(tracking_uri):
        experiment = _experiment(client, recipe.name)
        run = client.create_run(experiment, tags=dict(tags), run_name=_run_name(recipe))
        parameters = flat(recipe.model_dump(mode="json"))
        from mlflow.entities import Param

        client.log_batch(run.info.run_id, params=[Param(k, v) for k, v in parameters.items()])
        return str(run.info.run_id), str(experiment)


def open_parent(
    tracking_uri: str, recipe: Recipe, name: str, tags: Mapping[str, str]
) -> tuple[str, str]:
    """Make a run that other runs of the recipe are nested under.

    Returns:
        The run's id and its page.

    Raises:
        TrackingUnavailable: MLflow does not answer.
    """
    client = connect(tracking_uri)
    with said_when_unavailable(tracking_uri):
        experiment = _experiment(client, recipe.name)
        known = {"striate.recipe": recipe.name, **code_tags(), **tags}
        run = client.create_run(experiment, tags=known, run_name=f"{recipe.name} {name}")
    run_id = str(run.info.run_id)
    return run_id, f"{tracking_uri.rstrip('/')}/#/experiments/{experiment}/runs/{run_id}"


def reopen_run(tracking_uri: str, run_id: str) -> None:
    """Mark a run as running again.

    Raises:
        UnknownName: the server has no such run.
        TrackingUnavailable: MLflow does not answer.
    """
    from mlflow.exceptions import MlflowException

    client = connect(tracking_uri)
    with said_when_unavailable(tracking_uri):
        try:
            client.update_run(run_id, status="RUNNING")
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise UnknownName(
                f"MLflow at {tracking_uri} has no run {run_id!r}.", "See `striate runs ls`."
            ) from None


def close_run(tracking_uri: str, run_id: str, status: str) -> None:
    """Set a run's final status: ``FINISHED``, ``FAILED`` or ``KILLED``.

    Raises:
        TrackingUnavailable: MLflow does not answer.
    """
    client = connect(tracking_uri)
    with said_when_unavailable(tracking_uri):
        client.set_terminated(run_id, status)


def publish(run: Assignment, within_s: float = 30.0) -> ModelVersion | None:
    """Bring all that a run left in its folder to MLflow: metrics, pictures, recipe, bundle.

    Doing it again changes nothing, so a run whose tracking server was away is published later by
    ``striate runs sync``.

    Returns:
        The registered version; None when the recipe registers nothing or the run has no bundle.

    Raises:
        TrackingUnavailable: MLflow does not answer within `within_s` seconds; all is kept.
    """
    began = time.monotonic()
    while True:
        try:
            return _publish(run)
        except TrackingUnavailable:
            if time.monotonic() - began > within_s:
                raise kept(run) from None
            time.sleep(min(1.0, within_s / 10))


def _publish(run: Assignment) -> ModelVersion | None:
    ship_all(run.run_id, run.tracking_uri, run.spools())
    client = connect(run.tracking_uri)
    with said_when_unavailable(run.tracking_uri):
        client.log_artifact(run.run_id, str(run.folder / RECIPE_FILE))
        paint(run)
        if run.outcome.is_file():
            client.log_artifact(run.run_id, str(run.outcome))
    if not run.outcome.is_file():
        return None
    version = None
    name = run.recipe.registered_name
    if name is not None:
        version = register(Bundle.open(run.bundle), name, run.run_id, run.tracking_uri)
    close_run(run.tracking_uri, run.run_id, "FINISHED")
    return version


def kept(run: Assignment) -> TrackingUnavailable:
    """The one line for a run that MLflow could not take in."""
    return TrackingUnavailable(
        f"MLflow at {run.tracking_uri} does not answer; the run's metrics and model are kept in"
        f" {run.folder}.",
        f"When it answers, run `striate runs sync {run.run_id}`.",
    )


@contextmanager
def shipping(run: Assignment) -> Iterator[None]:
    """Ship metrics while the block runs, the run's own and those of each node, and pictures."""
    shipper = Shipper(run.run_id, run.tracking_uri, run.spools)
    try:
        with painting(run):
            yield
    finally:
        shipper.close()


def flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Parameters as MLflow keeps them: dotted names, short texts."""
    values: dict[str, str] = {}
    for key, value in document.items():
        if isinstance(value, Mapping):
            values |= flat(value, f"{prefix}{key}.")
        else:
            values[f"{prefix}{key}"] = str(value)[:6000]
    return values


def _run_name(recipe: Recipe) -> str:
    return f"{recipe.name} seed {recipe.seed} {time.strftime('%Y-%m-%d %H:%M:%S')}"


def _experiment(client: "MlflowClient", name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name))
    except MlflowException:
        found = client.get_experiment_by_name(name)  # another driver was faster
        if found is None:
            raise
        return str(found.experiment_id)
