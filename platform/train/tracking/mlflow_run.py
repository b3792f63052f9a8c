"""One MLflow run per job, opened and closed by the driver, whatever happens to its workers."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from striate.core.errors import StriateError, TrainingStopped, UnknownName
from striate.core.tracking import connect, explain_unavailable, patiently, run_page
from striate.data.shards.manifest import Manifest
from striate.train.config import Recipe
from striate.train.tracking.code_version import code_tags
from striate.train.tracking.events import headline_of, unit_of
from striate.train.tracking.pauses import PAUSES_TAG, add_pause

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
    """Make a run in the experiment named after the recipe; one that cannot be filled in is ended.

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
    try:
        patiently(tracking_uri, lambda: client.log_batch(run_id, params=parameters), tell)
    except BaseException as error:
        with suppress(StriateError):
            close_run(tracking_uri, run_id, status_after(error))
        raise
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
    return run_id, run_page(tracking_uri, experiment, run_id)


def reopen_run(
    tracking_uri: str,
    run_id: str,
    tell: Callable[[str], None] = lambda _: None,
    *,
    paused_since_ms: int | None = None,
) -> None:
    """Mark a run as running again.

    Args:
        tracking_uri: of the server.
        run_id: the run.
        tell: takes one sentence if the server has a fault that is waited for.
        paused_since_ms: when it was last heard of; until now it stood still. None: not at all.

    Raises:
        UnknownName: the server has no such run.
        TrackingUnavailable: MLflow does not answer, or has a fault for too long.
        TrackingRefused: MLflow refuses, say because the run was deleted.
    """
    from mlflow.exceptions import MlflowException

    client, now_ms = connect(tracking_uri), time.time_ns() // 1_000_000

    def reopen() -> None:
        try:
            if paused_since_ms is not None:
                tags = client.get_run(run_id).data.tags
                pauses = add_pause(tags.get(PAUSES_TAG, ""), paused_since_ms, now_ms)
                client.set_tag(run_id, PAUSES_TAG, pauses)
            client.update_run(run_id, status="RUNNING")
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise UnknownName(
                f"MLflow at {tracking_uri} has no run {run_id!r}.", "See `striate runs ls`."
            ) from None

    patiently(tracking_uri, reopen, tell)


def close_run(tracking_uri: str, run_id: str, status: str, ended_ms: int | None = None) -> None:
    """Set a run's final status: ``FINISHED``, ``FAILED`` or ``KILLED``.

    Args:
        tracking_uri: of the server.
        run_id: the run.
        status: the final one.
        ended_ms: when it ended; now when None.

    Raises:
        TrackingUnavailable: MLflow does not answer.
    """
    client = connect(tracking_uri)
    with explain_unavailable(tracking_uri):
        client.set_terminated(run_id, status, ended_ms)


def status_of(tracking_uri: str, run_id: str) -> str:
    """What MLflow takes a run's status for.

    Raises:
        TrackingUnavailable: MLflow does not answer.
        TrackingRefused: it has no such run.
    """
    client = connect(tracking_uri)
    with explain_unavailable(tracking_uri):
        return str(client.get_run(run_id).info.status)


def status_after(error: BaseException) -> str:
    """The final status of a run that an error ended: ``KILLED`` where somebody asked for it."""
    asked = isinstance(error, KeyboardInterrupt | SystemExit | TrainingStopped)
    return "KILLED" if asked else "FAILED"


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
