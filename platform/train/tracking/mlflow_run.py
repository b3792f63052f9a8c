"""One MLflow run per job, opened and closed by the driver, whatever happens to its workers."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from striate.core.errors import UnknownName
from striate.core.tracking import connect, explain_unavailable, patiently
from striate.data.shards.manifest import Manifest
from striate.train.config import Recipe
from striate.train.tracking.code_version import code_tags
from striate.train.tracking.events import headline_of, unit_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Opens a registered bundle for `mlflow.pyfunc`. By name, as importing it imports the networks.
LOADER_MODULE = "striate.train.tracking.pyfunc"


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


def open_run(
    tracking_uri: str,
    recipe: Recipe,
    tags: Mapping[str, str],
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[str, str]:
    """Make a run in the experiment named after the recipe.

    Args:
        tracking_uri: of the server.
        recipe: what is trained.
        tags: of the run.
        tell: takes one sentence if the server has a fault that is waited for.

    Returns:
        The run's id and its experiment's.

    Raises:
        TrackingUnavailable: MLflow does not answer, or has a fault for too long.
        TrackingRefused: MLflow refuses.
    """
    from mlflow.entities import Param

    client = connect(tracking_uri)
    name = _run_name(recipe)
    parameters = [Param(k, v) for k, v in flatten(recipe.model_dump(mode="json")).items()]
    experiment = patiently(tracking_uri, lambda: _experiment(client, recipe.name), tell)
    run = patiently(
        tracking_uri, lambda: client.create_run(experiment, tags=dict(tags), run_name=name), tell
    )
    run_id = str(run.info.run_id)
    patiently(tracking_uri, lambda: client.log_batch(run_id, params=parameters), tell)
    return run_id, experiment


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
    known = {"striate.recipe": recipe.name, **code_tags(), **tags}
    title = f"{recipe.name} {name}"
    experiment = patiently(tracking_uri, lambda: _experiment(client, recipe.name))
    run = patiently(tracking_uri, lambda: client.create_run(experiment, tags=known, run_name=title))
    run_id = str(run.info.run_id)
    return run_id, f"{tracking_uri.rstrip('/')}/#/experiments/{experiment}/runs/{run_id}"


def reopen_run(
    tracking_uri: str, run_id: str, tell: Callable[[str], None] = lambda _: None
) -> None:
    """Mark a run as running again.

    Raises:
        UnknownName: the server has no such run.
        TrackingUnavailable: MLflow does not answer, or has a fault for too long.
        TrackingRefused: MLflow refuses, say because the run was deleted.
    """
    from mlflow.exceptions import MlflowException

    client = connect(tracking_uri)

    def reopen() -> None:
        try:
            client.update_run(run_id, status="RUNNING")
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise UnknownName(
                f"MLflow at {tracking_uri} has no run {run_id!r}.", "See `striate runs ls`."
            ) from None

    patiently(tracking_uri, reopen, tell)


def close_run(tracking_uri: str, run_id: str, status: str) -> None:
    """Set a run's final status: ``FINISHED``, ``FAILED`` or ``KILLED``.

    Raises:
        TrackingUnavailable: MLflow does not answer.
    """
    client = connect(tracking_uri)
    with explain_unavailable(tracking_uri):
        client.set_terminated(run_id, status)


def flatten(document: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Parameters as MLflow keeps them: dotted names, short texts."""
    values: dict[str, str] = {}
    for key, value in document.items():
        if isinstance(value, Mapping):
            values |= flatten(value, f"{prefix}{key}.")
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
