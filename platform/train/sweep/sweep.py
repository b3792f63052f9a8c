"""A sweep as a whole: a parent run in MLflow, its trials, a picture, and the best model."""

import time
from collections.abc import Sequence
from pathlib import Path

from striate.core.bundle import Bundle
from striate.core.cluster import connection
from striate.core.registry import register
from striate.core.settings import Settings
from striate.core.tracking import connect, explain_unavailable, tracking_uri_of
from striate.train.config import Recipe
from striate.train.plots.style import DPI
from striate.train.run.folder import RunFolder
from striate.train.run.lease import hold_lease
from striate.train.sweep.grid import OnTrial, SweepResult, Trial, TrialResult, draw, rank_trials
from striate.train.sweep.ray_tune import run_all, trial_runs
from striate.train.tracking.events import headline_of

SWEEP_TAG = "striate.sweep"
_REMEDY = "Run `striate up`."


def sweep(
    recipe: Recipe,
    trials: Sequence[Trial],
    settings: Settings,
    *,
    register_best: bool = False,
    promoted: bool = False,
    on_trial: OnTrial | None = None,
) -> SweepResult:
    """Run all trials of a grid, and say which is best.

    Args:
        recipe: the one that is swept.
        trials: of `striate.train.sweep.grid.grid`.
        settings: where data and runs lie, and where Ray and MLflow are.
        register_best: whether the best trial's model is registered under the recipe's name.
        promoted: it becomes champion even where it is no better than the present one.
        on_trial: told what trials say.

    Raises:
        TrackingUnavailable: MLflow does not answer.
        PlatformError: there is no Ray cluster.
        DataError: the shards are damaged or missing.
    """
    from striate.train.launch.publish import evaluated_on
    from striate.train.launch.run import shards_of
    from striate.train.tracking.mlflow_run import LOADER_MODULE, close_run, open_parent

    began, uri = time.monotonic(), tracking_uri_of(settings)
    tell = on_trial or (lambda event: None)
    shards_of(recipe, settings, lambda event: None)  # once, and not by all trials at the same time
    headline = headline_of(recipe)
    tags = {SWEEP_TAG: " ".join(trials[0].values), "striate.headline": headline}
    parent, url = open_parent(uri, recipe, f"sweep of {len(trials)} trials", tags)
    status = "KILLED"
    try:
        with (
            hold_lease(settings.runs_folder / parent, parent),  # tells whether it still goes on
            connection(settings.ray_address, _REMEDY),
        ):
            results = rank_trials(run_all(trials, settings, parent, tell))
        status = "FINISHED" if any(one.score is not None for one in results) else "FAILED"
        picture = _publish(results, headline, settings.runs_folder / parent, parent, uri)
        version = None
        if register_best and results[0].score is not None and recipe.registered_name:
            best = results[0]
            bundle = Bundle.open(Path(best.bundle))
            spec = RunFolder(settings.runs_folder / best.run_id).read_spec()
            version = register(
                bundle, recipe.registered_name, best.run_id, uri, LOADER_MODULE,
                evaluated_on=evaluated_on(spec), promoted=promoted,
            )  # fmt: skip
    finally:
        _close_trials(parent, uri)
        close_run(uri, parent, status)
    return SweepResult(
        run_id=parent,
        run_url=url,
        headline=headline,
        trials=results,
        picture=str(picture) if picture else "",
        model_uri=version.uri if version else None,
        seconds=time.monotonic() - began,
    )


def _close_trials(parent: str, uri: str) -> None:
    """Say of trials that an interrupted sweep left running that they run no more."""
    client = connect(uri)
    with explain_unavailable(uri):
        for run in trial_runs(parent, uri):
            if run.info.status == "RUNNING":
                client.set_terminated(run.info.run_id, "KILLED")


def _publish(
    results: Sequence[TrialResult], headline: str, folder: Path, parent: str, uri: str
) -> Path | None:
    """Bring the picture, the table and the best score to the parent run."""
    client = connect(uri)
    with explain_unavailable(uri):
        client.log_dict(parent, [one.model_dump(mode="json") for one in results], "trials.json")
        if results[0].score is None:
            return None
        client.log_metric(parent, f"test/{headline}", results[0].score)
        client.set_tag(parent, "striate.best", results[0].run_id)
        picture = folder / "pictures" / "parallel_coordinates.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        draw(results, headline).savefig(picture, dpi=DPI)
        client.log_artifact(parent, str(picture), "pictures")
    return picture
