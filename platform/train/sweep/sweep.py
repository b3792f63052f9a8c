"""A sweep as a whole: a parent run in MLflow, its trials, a picture, and the best model."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from striate.core.cluster import connection
from striate.core.files import explain_full_disk
from striate.core.settings import Settings
from striate.core.tracking import connect, explain_unavailable, tracking_uri_of
from striate.train.config import Recipe
from striate.train.plots.style import DPI
from striate.train.run.folder import Run
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
    on_parent: Callable[[str, str], None] | None = None,
    on_trial: OnTrial | None = None,
) -> SweepResult:
    """Run all trials of a grid, and say which is best.

    Args:
        recipe: the one that is swept.
        trials: of `striate.train.sweep.grid.grid`.
        settings: where data and runs lie, and where Ray and MLflow are.
        register_best: whether the best trial's model is registered under the recipe's name.
        promoted: it becomes champion even where it is no better than the present one.
        on_parent: told the parent run's id and its page, before any trial begins.
        on_trial: told what trials say.

    Raises:
        TrackingUnavailable: MLflow does not answer.
        PlatformError: there is no Ray cluster.
        DataError: the shards are damaged or missing.
        DiskFull: the disk has no room for the sweep's lease or picture.
    """
    from striate.train.launch.publish import register_run
    from striate.train.launch.run import shards_of
    from striate.train.tracking.mlflow_run import close_run, open_parent, status_after

    began, uri = time.monotonic(), tracking_uri_of(settings)
    tell = on_trial or (lambda event: None)
    shards_of(recipe, settings, lambda event: None)  # once, and not by all trials at the same time
    headline = headline_of(recipe)
    tags = {SWEEP_TAG: " ".join(trials[0].values), "striate.headline": headline}
    parent, url = open_parent(uri, recipe, f"sweep of {len(trials)} trials", tags)
    folder, said = settings.runs_folder / parent, list[str]()
    picture = version = None
    # The lease tells whether the sweep goes on: it is held until MLflow knows how it ended.
    with ExitStack() as held:
        status = "FAILED"
        try:
            held.enter_context(hold_lease(folder, parent))
            if on_parent is not None:
                on_parent(parent, url)
            with connection(settings.ray_address, _REMEDY):
                results = rank_trials(run_all(trials, settings, parent, tell))
            best = results[0]
            picture = _publish(results, headline, folder, parent, uri)
            if register_best and best.score is not None and recipe.registered_name:
                version = register_run(
                    Run.load(settings, best.run_id), recipe.registered_name,
                    promoted=promoted, tell=said.append,
                )  # fmt: skip
            status = "FAILED" if best.score is None else "FINISHED"
        except BaseException as error:
            status = status_after(error)
            raise
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
        champion=" ".join(said),
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
        with explain_full_disk(folder):
            picture.parent.mkdir(parents=True, exist_ok=True)
            draw(results, headline).savefig(picture, dpi=DPI)
        client.log_artifact(parent, str(picture), "pictures")
    return picture
