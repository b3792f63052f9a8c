"""One training job: prepare, open the run, train on Ray or in this process, publish."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from striate.core.errors import RecipeError, StriateError, TrainingFailed, TrainingStopped
from striate.core.settings import Settings
from striate.core.tracking import tracking_uri_of
from striate.train.config import Recipe
from striate.train.launch.publish import (
    publish,
    upload_while,
)
from striate.train.launch.signals import stop_on_signals
from striate.train.recipes.resolve import override
from striate.train.run import startup_times as startup
from striate.train.run.folder import Run, RunFolder
from striate.train.run.lease import Lease, hold_lease
from striate.train.run.spec import RunOutcome, RunSpec
from striate.train.run.stop_requests import REQUESTS
from striate.train.tracking.events import EventBuilder, OnEvent, TrainEvent, headline_of
from striate.train.tracking.metric_log import MetricLog, MetricRecord
from striate.train.tracking.mlflow_run import (
    close_run,
    open_run,
    reopen_run,
    tags_of,
)
from striate.train.tracking.uploader import Follower


@dataclass(frozen=True)
class TrainResult:
    """What a job came to.

    Attributes:
        run_id: the MLflow run.
        run_url: its page.
        model_uri: ``models:/NAME/VERSION``, or ``runs:/RUN/bundle`` when nothing was registered.
        metrics: of the task, over the whole evaluation split.
        bundle_path: the bundle's folder on this machine.
        steps: optimiser steps of the whole run.
        seconds: from the call to the registered model.
        headline: the metric that says which model is best; larger is better.
        restarts: starts of the workers after the first.
        repeated_steps: steps that restarts did again because the checkpoint was older.
        startup: seconds up to the first step, by part.
    """

    run_id: str
    run_url: str
    model_uri: str
    metrics: dict[str, float]
    bundle_path: Path
    steps: int
    seconds: float
    headline: str = "top1"
    restarts: int = 0
    repeated_steps: int = 0
    startup: dict[str, float] = field(default_factory=dict)


def run(
    recipe: Recipe,
    settings: Settings,
    *,
    resume: str | None = None,
    wait_s: float = 0.0,
    on_event: OnEvent | None = None,
    tags: Mapping[str, str] | None = None,
    promoted: bool = False,
    command_unix_s: float | None = None,
) -> TrainResult:
    """Train a recipe to a tracked and registered model.

    Args:
        recipe: resolved; `recipe.scaling.workers` of 0 trains in this process.
        settings: where data and runs lie, and where Ray and MLflow are.
        resume: a run of this home to continue from its latest checkpoint, in the same MLflow run.
        wait_s: how long to wait for the end of another process that drives the run to resume.
        on_event: called from a thread of its own with what the run says.
        tags: further tags of a new MLflow run.
        promoted: the model becomes champion even where it is no better than the present one.
        command_unix_s: when the command that calls this was begun; now when None.

    Raises:
        TrackingUnavailable: MLflow does not answer: at the start, and nothing was started; or at
            the end, and everything is kept for ``striate runs sync``.
        TrackingRefused: MLflow refuses; likewise.
        PlatformError: there is no Ray cluster.
        UsageError: another process drives the run to resume.
        RecipeError: the recipe is not the one that the run to resume was started with.
        DataError: the shards are damaged or missing.
        TrainingFailed: the run ended without a model; it can be resumed.
        TrainingStopped: it was asked to, by Ctrl-C or SIGTERM; it can be resumed.
    """
    began, called_unix_s = time.monotonic(), time.time()
    tell = on_event or (lambda event: None)
    run = (
        _begin(recipe, settings, tell, tags or {}) if resume is None else Run.load(settings, resume)
    )
    run_id = run.spec.run_id
    with hold_lease(run.folder.path, run_id, wait_s=wait_s, on_lost=REQUESTS.stop) as lease:
        if resume is not None:
            run = _again(recipe, settings, run, tell)
        startup.begin(run.folder.path, command_unix_s or called_unix_s)
        startup.mark(run.folder.path, "imports", called_unix_s)
        startup.mark(run.folder.path, "shards and tracked run")
        return _drive(run, settings, lease, tell, promoted, began)


def _drive(
    run: Run, settings: Settings, lease: Lease, tell: OnEvent, promoted: bool, began: float
) -> TrainResult:
    """Train a run to its end and publish it, as the one process that drives it."""
    for leftover in (run.folder.failure, run.folder.outcome, run.folder.stop_request):
        leftover.unlink(missing_ok=True)
    builder = EventBuilder.of(run.spec.recipe, len(run.spec.labels), run.spec.total_steps)

    def handle(records: list[MetricRecord]) -> None:
        for event in builder.events(records):
            tell(event)

    def say(text: str) -> None:
        tell(builder.note(text))

    follower = Follower(run.folder.metric_log, handle)
    try:
        with upload_while(run), stop_on_signals(run.folder, say):
            _train(run, settings, lease)
    except BaseException as error:
        lease.check()  # how the run ends is for who drives it now to say
        ended = isinstance(error, KeyboardInterrupt | TrainingStopped)
        _mark(run, "KILLED" if ended else "FAILED")
        raise
    finally:
        follower.close()
    lease.check()
    outcome = RunOutcome.model_validate_json(run.folder.outcome.read_bytes())
    version = publish(run, promoted=promoted, tell=say)
    return TrainResult(
        run_id=run.spec.run_id,
        run_url=run.spec.run_url,
        model_uri=version.uri if version else f"runs:/{run.spec.run_id}/bundle",
        metrics=outcome.metrics,
        bundle_path=run.folder.bundle,
        steps=outcome.steps,
        seconds=time.monotonic() - began,
        headline=headline_of(run.spec.recipe),
        restarts=outcome.restarts,
        repeated_steps=outcome.repeated_steps,
        startup=outcome.startup,
    )


def _begin(recipe: Recipe, settings: Settings, tell: OnEvent, more_tags: Mapping[str, str]) -> Run:
    """Check everything, then open the MLflow run and make the run's folder."""
    from striate.data.shards.manifest import Manifest
    from striate.train.loop.batches import samples_per_epoch

    tracking_uri = tracking_uri_of(settings)
    classes = _classes_of(recipe)
    shards = shards_of(recipe, settings, tell)
    manifest = Manifest.load(shards)
    _check_classes(recipe, classes, manifest.labels)
    tags = {**tags_of(recipe, manifest), **more_tags}
    run_id, experiment_id = open_run(
        tracking_uri, recipe, tags, lambda text: tell(TrainEvent(0, 0, note=text))
    )
    spec = RunSpec(
        run_id=run_id,
        tracking_uri=tracking_uri,
        experiment_id=experiment_id,
        recipe=recipe,
        shards=shards,
        manifest_sha256=manifest.sha256,
        labels=manifest.labels,
        train_rows=samples_per_epoch(recipe.data, manifest),
        created_unix_s=time.time(),
    )
    return _write(Run(spec, RunFolder(settings.runs_folder / run_id)))


def _again(recipe: Recipe, settings: Settings, before: Run, tell: OnEvent) -> Run:
    """The run to resume, with what may change in it taken from `recipe`."""
    from striate.data.shards.manifest import Manifest
    from striate.data.storage import Source

    free = {"scaling", "checkpoint", "report_every", "epochs", "evaluate_every_epochs", "on_nan"}
    for name in Recipe.model_fields:
        if name not in free and getattr(recipe, name) != getattr(before.spec.recipe, name):
            raise RecipeError(
                f"The run {before.spec.run_id} was started with another {name}.",
                f"Resume it as it was, or change only {', '.join(sorted(free))}.",
            )
    if Manifest.load(before.spec.shards).sha256 != before.spec.manifest_sha256:
        raise RecipeError(
            f"The shards in {Source.of(before.spec.shards)} are not those that the run began with.",
            "Ingest the same corpus there again.",
        )
    tracking_uri = tracking_uri_of(settings)
    reopen_run(tracking_uri, before.spec.run_id, lambda text: tell(TrainEvent(0, 0, note=text)))
    return _write(before.with_spec(recipe=recipe, tracking_uri=tracking_uri))


def _write(run: Run) -> Run:
    run.folder.write_spec(run.spec)
    return run


def recipe_of(settings: Settings, run_id: str, overrides: tuple[str, ...] = ()) -> Recipe:
    """The stored recipe of a run, with fields overridden.

    Raises:
        UnknownName: this home holds no such run.
        RecipeError: a wrong override.
    """
    return override(Run.load(settings, run_id).spec.recipe, overrides)


def _classes_of(recipe: Recipe) -> int | None:
    """The outputs of the model that the recipe builds; None where they are not the labels.

    Raises:
        UsageError: its arguments do not fit.
    """
    from striate.core.bundle import Architecture
    from striate.models import build
    from striate.train.tasks import ALL_TASKS

    model = build(Architecture(name=recipe.model.name, arguments=recipe.model.arguments))
    per_label = ALL_TASKS[recipe.task.name](recipe.task, 2).per_label
    return int(model.classes) if per_label else None  # type: ignore[arg-type]


def _check_classes(recipe: Recipe, classes: int | None, labels: tuple[str, ...]) -> None:
    if classes is not None and classes != len(labels):
        raise RecipeError(
            f"The model {recipe.model.name} tells {classes} classes apart, and the shards of"
            f" {recipe.data.corpus} have {len(labels)}.",
            f"Set model.arguments.classes={len(labels)}, if the model takes that.",
        )


def shards_of(recipe: Recipe, settings: Settings, tell: OnEvent) -> str:
    """The folder or URI of shards; a corpus that comes along is ingested when it is missing."""
    from striate.data.corpora import ALL_CORPORA
    from striate.data.shards.manifest import MANIFEST_FILE
    from striate.data.storage import Source

    if recipe.data.shards is not None:
        place = Source.of(recipe.data.shards)
        return place.uri if place.local is None else str(place.local)
    folder = settings.data_folder / recipe.data.corpus
    corpus = ALL_CORPORA.get(recipe.data.corpus)
    bundled = corpus is not None and corpus.write is not None
    if bundled and not (folder / MANIFEST_FILE).is_file():
        from striate.data.ingest.ingest import ingest

        tell(TrainEvent(0, 0, note=f"The bundled {recipe.data.corpus} are ingested into {folder}."))
        ingest(recipe.data.corpus, settings.data_folder / "corpora" / recipe.data.corpus, folder)
    return str(folder.absolute())


def _train(run: Run, settings: Settings, lease: Lease) -> None:
    """Run the workers to their end.

    Raises:
        TrainingFailed, or what a worker wrote down as its reason to give up.
    """
    if run.spec.recipe.scaling.workers == 0:
        from striate.train.launch.worker import train_here

        train_here(run)
    else:
        from striate.train.launch.ray_train import train_on_ray

        train_on_ray(run, settings, lease.lost.is_set)
    if not run.folder.outcome.is_file():
        raise TrainingFailed(
            f"The run {run.spec.run_id} ended without a model.",
            f"Resume it: `striate train --resume {run.spec.run_id}`.",
        )


def _mark(run: Run, status: str) -> None:
    """Say in MLflow how the run ended, if it answers."""
    try:
        publish(run, within_s=5.0)
        close_run(run.spec.tracking_uri, run.spec.run_id, status)
    except StriateError as error:
        now = time.time_ns() // 1_000_000
        note = MetricRecord(kind="note", text=f"Not closed in MLflow: {error}", time_ms=now)
        MetricLog(run.folder.metric_log).append([note])
