"""Runs as MLflow knows them: listed, shown, compared."""

import re
from typing import Any

from pydantic import BaseModel, ConfigDict

from striate.core.errors import UnknownName
from striate.core.tracking import connect, explain_unavailable

TAG = "striate."
RECIPE_TAG = f"{TAG}recipe"
_ID = re.compile(r"[0-9a-f]{32}")


class RunSummary(BaseModel):
    """One tracked run.

    Attributes:
        run_id: MLflow's.
        recipe: the recipe's name.
        status: ``RUNNING``, ``FINISHED``, ``FAILED`` or ``KILLED``.
        started_unix_s: when it began.
        seconds: until its end, or None while it runs.
        headline: the metric that says which model is best; larger is better.
        metrics: the latest value of each, less system metrics.
        parameters: dotted recipe fields.
        tags: what else is known of data, code and task, by names without ``striate.``.
        parent: the sweep that it is a trial of, or None.
        url: its page.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    recipe: str
    status: str
    started_unix_s: float
    seconds: float | None
    headline: str
    metrics: dict[str, float]
    parameters: dict[str, str]
    tags: dict[str, str]
    parent: str | None
    url: str

    @property
    def score(self) -> float | None:
        """The headline metric at the latest evaluation."""
        return self.metrics.get(f"test/{self.headline}")


def list_runs(tracking_uri: str, recipe: str | None = None, limit: int = 50) -> list[RunSummary]:
    """The latest runs, newest first; those of one recipe when it is named.

    Raises:
        TrackingUnavailable: MLflow does not answer.
    """
    client = connect(tracking_uri)
    chosen = f"tags.`{RECIPE_TAG}` = '{recipe}'" if recipe else f"tags.`{RECIPE_TAG}` != ''"
    with explain_unavailable(tracking_uri):
        experiments = [e.experiment_id for e in client.search_experiments()]
        found = client.search_runs(
            experiments, chosen, max_results=limit, order_by=["attributes.start_time DESC"]
        )
        return [_summary(run, tracking_uri) for run in found]


def find_run(tracking_uri: str, run_id: str) -> RunSummary:
    """A run by its id, or by the beginning of it when that is unique.

    Raises:
        UnknownName: no run, or more than one, begins so.
        TrackingUnavailable: MLflow does not answer.
    """
    if _ID.fullmatch(run_id):
        return _by_id(tracking_uri, run_id)
    runs = {run.run_id: run for run in list_runs(tracking_uri, limit=1000)}
    matching = [run for name, run in runs.items() if name.startswith(run_id)]
    if len(matching) != 1:
        raise UnknownName.of("run", run_id, runs)
    return matching[0]


def _by_id(tracking_uri: str, run_id: str) -> RunSummary:
    from mlflow.exceptions import MlflowException

    client = connect(tracking_uri)
    with explain_unavailable(tracking_uri):
        try:
            return _summary(client.get_run(run_id), tracking_uri)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise UnknownName(f"There is no run {run_id!r}.", "See `striate runs ls`.") from None


def _summary(run: Any, tracking_uri: str) -> RunSummary:
    info, data = run.info, run.data
    base = f"{tracking_uri.rstrip('/')}/#/experiments/{info.experiment_id}"
    return RunSummary(
        run_id=info.run_id,
        recipe=data.tags.get(RECIPE_TAG, ""),
        status=info.status,
        started_unix_s=info.start_time / 1000,
        seconds=(info.end_time - info.start_time) / 1000 if info.end_time else None,
        headline=data.tags.get(f"{TAG}headline", "top1"),
        metrics={k: v for k, v in data.metrics.items() if not k.startswith("system/")},
        parameters=dict(data.params),
        tags={k.removeprefix(TAG): v for k, v in data.tags.items() if k.startswith(TAG)},
        parent=data.tags.get("mlflow.parentRunId"),
        url=f"{base}/runs/{info.run_id}",
    )
