"""Runs as MLflow knows them: listed, shown, compared."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from striate.core.tracking import (
    RECIPE_TAG,
    ambiguous_run,
    connect,
    every_page,
    explain_unavailable,
    find_latest_runs,
    run_page,
    unknown_run,
)
from striate.train.run.lease import is_interrupted
from striate.train.tracking.pauses import PAUSES_TAG, Pauses, parse_pauses, running_ms

TAG = "striate."
_ID = re.compile(r"[0-9a-f]{32}")


class RunSummary(BaseModel):
    """One tracked run.

    Attributes:
        run_id: MLflow's.
        name: for people, as MLflow shows it.
        recipe: the recipe's name.
        status: ``RUNNING``, ``FINISHED``, ``FAILED`` or ``KILLED``; ``INTERRUPTED`` when nobody
            drives it, though MLflow still takes it for running.
        started_unix_s: when it began.
        seconds: until its end, less its pauses, or None while it runs.
        headline: the metric that says which model is best; larger is better.
        metrics: the latest value of each, less system metrics.
        parameters: dotted recipe fields.
        tags: what else is known of data, code and task, by names without ``striate.``.
        parent: the sweep that it is a trial of, or None.
        pauses: when it stood still, until it was resumed.
        url: its page.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    name: str = ""
    recipe: str
    status: str
    started_unix_s: float
    seconds: float | None
    headline: str
    metrics: dict[str, float]
    parameters: dict[str, str]
    tags: dict[str, str]
    parent: str | None
    pauses: Pauses = ()
    url: str

    @property
    def score(self) -> float | None:
        """The headline metric at the latest evaluation."""
        return self.metrics.get(f"test/{self.headline}")


def list_runs(
    tracking_uri: str,
    recipe: str | None = None,
    limit: int = 50,
    *,
    runs_folder: Path | None = None,
) -> list[RunSummary]:
    """The latest runs, newest first; those of one recipe when it is named.

    Args:
        tracking_uri: of the server that holds them.
        recipe: a recipe's name.
        limit: at most so many.
        runs_folder: where runs lie here; their leases tell which of them are interrupted.

    Raises:
        TrackingUnavailable: MLflow does not answer.
    """
    client = connect(tracking_uri)
    chosen = f"tags.`{RECIPE_TAG}` = '{recipe}'" if recipe else f"tags.`{RECIPE_TAG}` != ''"
    with explain_unavailable(tracking_uri):
        experiments = [e.experiment_id for e in every_page(client.search_experiments)]
        found = client.search_runs(
            experiments, chosen, max_results=limit, order_by=["attributes.start_time DESC"]
        )
        return [with_lease(_summary(run, tracking_uri), runs_folder) for run in found]


def find_run(tracking_uri: str, run_id: str, *, runs_folder: Path | None = None) -> RunSummary:
    """A run by its id, or by the beginning of it when that is unique.

    Args:
        tracking_uri: of the server that holds it.
        run_id: its id, or the beginning of it.
        runs_folder: as in `list_runs`.

    Raises:
        UnknownName: no run, or more than one, begins so.
        TrackingUnavailable: MLflow does not answer.
    """
    if _ID.fullmatch(run_id):
        return with_lease(_by_id(tracking_uri, run_id), runs_folder)
    listed = list_runs(tracking_uri, limit=1000, runs_folder=runs_folder)
    matching = [run for run in listed if run.run_id.startswith(run_id)]
    if not matching:
        raise unknown_run(run_id, _named(listed))
    if len(matching) > 1:
        raise ambiguous_run(run_id, _named(matching))
    return matching[0]


def with_lease(run: RunSummary, runs_folder: Path | None) -> RunSummary:
    """The same run, interrupted if MLflow takes it for running and its lease says otherwise."""
    if run.status != "RUNNING" or runs_folder is None:
        return run
    gone = is_interrupted(runs_folder / run.run_id)
    return run.model_copy(update={"status": "INTERRUPTED"}) if gone else run


def _by_id(tracking_uri: str, run_id: str) -> RunSummary:
    from mlflow.exceptions import MlflowException

    client = connect(tracking_uri)
    with explain_unavailable(tracking_uri):
        try:
            return _summary(client.get_run(run_id), tracking_uri)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise unknown_run(run_id, find_latest_runs(client)) from None


def _named(runs: Sequence[RunSummary]) -> list[tuple[str, str]]:
    return [(run.run_id, run.name) for run in runs]


def _summary(run: Any, tracking_uri: str) -> RunSummary:
    info, data = run.info, run.data
    pauses = parse_pauses(data.tags.get(PAUSES_TAG, ""))
    return RunSummary(
        run_id=info.run_id,
        name=info.run_name or "",
        recipe=data.tags.get(RECIPE_TAG, ""),
        status=info.status,
        started_unix_s=info.start_time / 1000,
        seconds=_seconds(info, pauses),
        headline=data.tags.get(f"{TAG}headline", "top1"),
        metrics={k: v for k, v in data.metrics.items() if not k.startswith("system/")},
        parameters=dict(data.params),
        tags={
            k.removeprefix(TAG): v
            for k, v in data.tags.items()
            if k.startswith(TAG) and k != PAUSES_TAG
        },
        parent=data.tags.get("mlflow.parentRunId"),
        pauses=pauses,
        url=run_page(tracking_uri, info.experiment_id, info.run_id),
    )


def _seconds(info: Any, pauses: Pauses) -> float | None:
    if info.status == "RUNNING" or not info.end_time:
        return None  # a run that was resumed keeps the time of its former end
    return running_ms(pauses, info.start_time, info.end_time) / 1000
