"""Trials of a sweep on Ray Tune: started as there is room, watched, gathered under one parent."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from ray import tune

from striate.core.bundle import Bundle
from striate.core.cluster import connected
from striate.core.errors import StriateError
from striate.core.registry import register
from striate.core.settings import Settings
from striate.core.tracking import connect, said_when_unavailable, tracking_uri_of
from striate.train.config import Recipe
from striate.train.events import TrainEvent, headline_of
from striate.train.pictures.style import DPI
from striate.train.sweep import (
    OnTrial,
    SweepResult,
    Trial,
    TrialEvent,
    TrialResult,
    at_once,
    draw,
    ordered,
)

PARENT_TAG, TRIAL_TAG, SWEEP_TAG = "mlflow.parentRunId", "striate.trial", "striate.sweep"
_REMEDY = "Run `striate up`."
_TELL_EVERY_S = 1.0
# Tune's own tables and files: what trials say is shown and kept by Striate.
_QUIET = {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_AIR_NEW_OUTPUT": "0"}


def sweep(
    recipe: Recipe,
    trials: Sequence[Trial],
    settings: Settings,
    *,
    register_best: bool = False,
    on_trial: OnTrial | None = None,
) -> SweepResult:
    """Run all trials of a grid, and say which is best.

    Args:
        recipe: the one that is swept.
        trials: of `striate.train.sweep.grid`.
        settings: where data and runs lie, and where Ray and MLflow are.
        register_best: whether the best trial's model is registered under the recipe's name.
        on_trial: told what trials say.

    Raises:
        TrackingUnavailable: MLflow does not answer.
        PlatformError: there is no Ray cluster.
        DataError: the shards are damaged or missing.
    """
    from striate.train.job import shards_of
    from striate.train.tracking import close_run, open_parent

    began, uri = time.monotonic(), tracking_uri_of(settings)
    tell = on_trial or (lambda event: None)
    shards_of(recipe, settings, lambda event: None)  # once, and not by all trials at the same time
    headline = headline_of(recipe)
    tags = {SWEEP_TAG: " ".join(trials[0].values), "striate.headline": headline}
    parent, url = open_parent(uri, recipe, f"sweep of {len(trials)} trials", tags)
    status = "KILLED"
    try:
        with connected(settings.ray_address, _REMEDY):
            results = ordered(_run(trials, settings, parent, tell))
        status = "FINISHED" if any(one.score is not None for one in results) else "FAILED"
        picture = _publish(results, headline, settings.runs_folder / parent, parent, uri)
        version = None
        if register_best and results[0].score is not None and recipe.registered_name:
            best = results[0]
            bundle = Bundle.open(Path(best.bundle))
            version = register(bundle, recipe.registered_name, best.run_id, uri)
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


def _run(
    trials: Sequence[Trial], settings: Settings, parent: str, tell: OnTrial
) -> list[TrialResult]:
    """Let Ray Tune run the trials."""
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
            max_concurrent_trials=at_once(ray.available_resources(), recipe),
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
    from striate.train.job import run

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
    for run in _trial_runs(parent, uri):
        if run.data.tags.get(TRIAL_TAG) == str(number):
            return str(run.info.run_id)
    return None


def _trial_runs(parent: str, uri: str) -> list[Any]:
    client = connect(uri)
    with said_when_unavailable(uri):
        experiment = client.get_run(parent).info.experiment_id
        chosen = f"tags.`{PARENT_TAG}` = '{parent}'"
        return list(client.search_runs([experiment], chosen, max_results=1000))


def _close_trials(parent: str, uri: str) -> None:
    """Say of trials that an interrupted sweep left running that they run no more."""
    client = connect(uri)
    with said_when_unavailable(uri):
        for run in _trial_runs(parent, uri):
            if run.info.status == "RUNNING":
                client.set_terminated(run.info.run_id, "KILLED")


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
            error = "It was not run to its end." if why is None else _last_line(why)
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


def _publish(
    results: Sequence[TrialResult], headline: str, folder: Path, parent: str, uri: str
) -> Path | None:
    """Bring the picture, the table and the best score to the parent run."""
    client = connect(uri)
    with said_when_unavailable(uri):
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


def _last_line(error: object) -> str:
    return " ".join(str(error).strip().splitlines()[-1:])
