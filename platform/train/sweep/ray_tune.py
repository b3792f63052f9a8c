"""The trials of a sweep on Ray Tune: started as there is room, watched, started again, gathered."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray import tune

from striate.core.errors import StriateError
from striate.core.settings import Settings
from striate.core.text import last_line
from striate.core.tracking import connect, explain_unavailable, tracking_uri_of
from striate.train.config import Recipe
from striate.train.run.lease import EXPIRES_S
from striate.train.sweep.grid import OnTrial, Trial, TrialEvent, TrialResult, concurrent_trials
from striate.train.tracking.events import TrainEvent, headline_of

PARENT_TAG, TRIAL_TAG = "mlflow.parentRunId", "striate.trial"
_TELL_EVERY_S = 1.0
# Tune's own tables and files: what trials say is shown and kept by Striate.
_QUIET = {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_AIR_NEW_OUTPUT": "0"}


def run_all(
    trials: Sequence[Trial], settings: Settings, parent: str, tell: OnTrial
) -> list[TrialResult]:
    """Let Ray Tune run the trials of one parent run; this process is connected to the cluster."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    recipe = trials[0].recipe
    recipes = {trial.number: trial.recipe.model_dump_json() for trial in trials}
    own = tune.PlacementGroupFactory([_resources(recipe)])

    def train_trial(config: dict[str, Any]) -> None:
        number = int(config["trial"])
        run_trial(number, Recipe.model_validate_json(recipes[number]), settings, parent)

    tuner = tune.Tuner(
        tune.with_resources(train_trial, own),
        param_space={"trial": tune.grid_search([trial.number for trial in trials])},
        tune_config=tune.TuneConfig(
            max_concurrent_trials=concurrent_trials(ray.available_resources(), recipe),
            trial_name_creator=lambda trial: f"trial-{trial.config['trial']}",
            trial_dirname_creator=lambda trial: f"trial-{trial.config['trial']}",
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(settings.runs_folder / parent),
            failure_config=tune.FailureConfig(max_failures=recipe.scaling.max_failures),
            callbacks=[_Watching(trials, tell)],
            verbose=0,
        ),
    )
    return _gathered(trials, tuner.fit())


def run_trial(number: int, recipe: Recipe, settings: Settings, parent: str) -> None:
    """Train one trial, in its own process, and report to Ray Tune as it goes.

    A trial that was begun before, in a process that died, goes on with its run.
    """
    from striate.train.launch.run import run

    headline, told_s = headline_of(recipe), 0.0

    def report(event: TrainEvent) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= _TELL_EVERY_S:
            told_s = time.monotonic()
            tune.report({"step": event.step, "of": event.total_steps, "score": event.score})

    uri = tracking_uri_of(settings)
    try:
        result = run(
            recipe,
            settings,
            resume=_begun(number, parent, uri),
            wait_s=2 * EXPIRES_S,  # its former process may have died with another node
            on_event=report,
            tags={PARENT_TAG: parent, TRIAL_TAG: str(number)},
        )
    except StriateError as error:
        tune.report({"error": error.message, "run_id": _begun(number, parent, uri) or ""})
        return
    tune.report(
        {
            "step": result.steps,
            "of": result.steps,
            "score": result.metrics[headline],
            "run_id": result.run_id,
            "metrics": result.metrics,
            "seconds": result.seconds,
            "bundle": str(result.bundle_path),
        }
    )


def _begun(number: int, parent: str, uri: str) -> str | None:
    """The run of a trial that has one already."""
    for run in trial_runs(parent, uri):
        if run.data.tags.get(TRIAL_TAG) == str(number):
            return str(run.info.run_id)
    return None


def trial_runs(parent: str, uri: str) -> list[Any]:
    """The runs nested under a parent, as MLflow tells them.

    Raises:
        TrackingUnavailable: MLflow does not answer.
    """
    client = connect(uri)
    with explain_unavailable(uri):
        experiment = client.get_run(parent).info.experiment_id
        chosen = f"tags.`{PARENT_TAG}` = '{parent}'"
        return list(client.search_runs([experiment], chosen, max_results=1000))


def _resources(recipe: Recipe) -> dict[str, float]:
    """What a trial's own process holds: all that it needs, or next to nothing beside its workers.

    A byte of memory, because Tune places no process that holds nothing.
    """
    scaling = recipe.scaling
    if scaling.workers:
        return {"memory": 1}
    return {"CPU": scaling.cpus_per_worker, **({"GPU": 1} if scaling.gpu else {})}


class _Watching(tune.Callback):  # type: ignore[misc]
    """Ray Tune's hooks, turned into events; Tune keeps a copy on disk, which tells nobody."""

    def __init__(self, trials: Sequence[Trial], tell: OnTrial) -> None:
        self._by_number = {trial.number: trial for trial in trials}
        self._tell: OnTrial | None = tell

    def __getstate__(self) -> dict[str, Any]:
        return {"_by_number": {}, "_tell": None}

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self._say(trial, "running")

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any
    ) -> None:
        self._say(trial, "running", result)

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        last = trial.last_result or {}
        self._say(trial, "failed" if last.get("error") else "finished", last)

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self._say(trial, "failed", {"error": "Its process died."})

    def _say(self, trial: Any, status: str, result: Mapping[str, Any] | None = None) -> None:
        if self._tell is not None:
            self._tell(_event(self._by_number, trial, status, result))


def _event(
    by_number: Mapping[int, Trial], trial: Any, status: str, result: Mapping[str, Any] | None = None
) -> TrialEvent:
    known, result = by_number[int(trial.config["trial"])], result or {}
    return TrialEvent(
        number=known.number,
        name=known.name,
        status=status,
        step=int(result.get("step", 0)),
        total_steps=int(result.get("of", 0)),
        headline=headline_of(known.recipe),
        score=result.get("score"),
        note=str(result.get("error", "")),
    )


def _gathered(trials: Sequence[Trial], grid: Any) -> list[TrialResult]:
    """What each trial reported last."""
    found = {int(one.config["trial"]): one for one in grid if one.config}
    results = []
    for trial in trials:
        one = found.get(trial.number)
        last: Mapping[str, Any] = (one.metrics if one is not None else None) or {}
        error = str(last.get("error", ""))
        if not error and "run_id" not in last:
            why = None if one is None else one.error
            error = "It was not run to its end." if why is None else last_line(why)
        results.append(
            TrialResult(
                number=trial.number,
                values=trial.values,
                run_id=str(last.get("run_id", "")),
                score=None if error else float(last["score"]),
                metrics={} if error else last["metrics"],
                seconds=last.get("seconds"),
                bundle=str(last.get("bundle", "")),
                error=error,
            )
        )
    return results
