"""One training job: prepare, open the run, train on Ray or in this process, publish."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from striate.core.errors import RecipeError, TrainingFailed
from striate.core.settings import Settings
from striate.core.tracking import tracking_uri_of
from striate.train.config import Recipe
from striate.train.launch.ending import end_told
from striate.train.launch.publish import publish, upload_while
from striate.train.launch.signals import stop_on_signals
from striate.train.recipes.resolve import override
from striate.train.run import startup_times as startup
from striate.train.run.folder import Run, RunFolder
from striate.train.run.lease import Lease, hold_lease
from striate.train.run.spec import RunOutcome, RunSpec
from striate.train.run.stop_requests import REQUESTS
from striate.train.tracking.events import EventBuilder, OnEvent, TrainEvent, headline_of
from striate.train.tracking.metric_log import MetricRecord, last_time_ms
from striate.train.tracking.mlflow_run import open_run, reopen_run, tags_of
from striate.train.tracking.uploader import follow

OnRun = Callable[[RunSpec], None]
"""Takes what a run is, once it is there and before it says anything."""


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
    on_run: OnRun | None = None,
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
        on_run: called with what the run is, once it is there.
        on_event: called from a thread of its own with what the run says.
        tags: further tags of a new MLflow run.
        promoted: the model becomes champion even where it is no better than the present one.
        command_unix_s: when the command that calls this was begun; now when None.

    Raises:
        TrackingUnavailable: MLflow does not answer: at the start, and nothing was started; or at
            the end, and everything is kept for ``striate runs sync``.
        TrackingRefused: MLflow refuses; likewise.
        PlatformError: there is no Ray cluster, or the run's storage refuses.
        DiskFull: a disk has no room; the run can be resumed when it has.
        UsageError: another process drives the run to resume.
        RecipeError: the recipe is not the one that the run to resume was started with.
        DataError: the shards are damaged or missing.
        TrainingFailed: the run ended without a model; it can be resumed.
        TrainingStopped: it was asked to, by Ctrl-C or SIGTERM; it can be resumed.
    """
    began, called_unix_s = time.monotonic(), time.time()
    tell = on_event or (lambda event: None)
    with ExitStack() as held:
        lease: Lease | None = None

        def hold(run: Run) -> Lease:
            mine = hold_lease(
                run.folder.path, run.spec.run_id, wait_s=wait_s, on_lost=REQUESTS.stop
            )
            return held.enter_context(mine)

        if resume is None:
            run = _begin(recipe, settings, tell, tags or {})
        else:
            former = Run.load(settings, resume)
            lease = hold(former)
            run = _again(recipe, settings, former, tell)
        with end_told(run, lambda: lease, tell):
            run.folder.write_spec(run.spec)
            lease = lease or hold(run)
            if on_run is not None:
                on_run(run.spec)
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

    with (
        follow(run.folder.metric_log, handle),
        upload_while(run),
        stop_on_signals(run.folder, say),
    ):
        _train(run, settings, lease)
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
    """Check all that can be refused, and then open the MLflow run."""
    from striate.data.shards.manifest import Manifest
    from striate.train.loop.batches import bind_pipelines, samples_per_epoch

    tracking_uri = tracking_uri_of(settings)
    classes = _check_builds(recipe)
    shards = shards_of(recipe, settings, tell)
    manifest = Manifest.load(shards)
    _check_classes(recipe, classes, manifest.labels)
    _check_vocabulary(recipe, bind_pipelines(recipe.data, shards))
    train_rows = samples_per_epoch(recipe.data, manifest)
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
        train_rows=train_rows,
        created_unix_s=time.time(),
    )
    return Run(spec, RunFolder(settings.runs_folder / run_id))


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
    _check_builds(recipe)
    heard_ms = last_time_ms(before.folder.metric_log)
    reopen_run(
        tracking_uri,
        before.spec.run_id,
        lambda text: tell(TrainEvent(0, 0, note=text)),
        paused_since_ms=round(1000 * before.spec.created_unix_s) if heard_ms is None else heard_ms,
    )
    return before.with_spec(recipe=recipe, tracking_uri=tracking_uri)


def recipe_of(settings: Settings, run_id: str, overrides: tuple[str, ...] = ()) -> Recipe:
    """The stored recipe of a run, with fields overridden.

    Raises:
        UnknownName: this home holds no such run.
        RecipeError: a wrong override.
    """
    return override(Run.load(settings, run_id).spec.recipe, overrides)


def _check_builds(recipe: Recipe) -> int | None:
    """Build what the workers will, so that what cannot be built is refused before anything starts.

    Returns:
        The outputs of the model; None where they are not the labels.

    Raises:
        UsageError: a name is not known, or arguments do not fit.
    """
    from striate.core.bundle import Architecture
    from striate.models import build
    from striate.train.launch.check_sequences import check_sequences
    from striate.train.loop.batches import pipeline_for_evaluation, pipeline_for_training
    from striate.train.tasks import build_task

    model = build(Architecture(name=recipe.model.name, arguments=recipe.model.arguments))
    for pipeline in (pipeline_for_training(recipe.data), pipeline_for_evaluation(recipe.data)):
        check_sequences(recipe, model, pipeline)
    per_label = build_task(recipe.task, 2).per_label
    return int(model.classes) if per_label else None  # type: ignore[arg-type]


def _check_classes(recipe: Recipe, classes: int | None, labels: tuple[str, ...]) -> None:
    if classes is not None and classes != len(labels):
        raise RecipeError(
            f"The model {recipe.model.name} tells {classes} classes apart, and the shards of"
            f" {recipe.data.corpus} have {len(labels)}.",
            f"Set model.arguments.classes={len(labels)}, if the model takes that.",
        )


def _check_vocabulary(recipe: Recipe, words: int) -> None:
    """Hold a model of words against the words that there are."""
    import torch

    from striate.core.bundle import Architecture
    from striate.models import build

    with torch.device("meta"):
        model = build(Architecture(name=recipe.model.name, arguments=recipe.model.arguments))
    most = getattr(model, "vocabulary", words)
    if words > most:
        raise RecipeError(
            f"The model {recipe.model.name} knows {most:,} words, and the vocabulary of the shards"
            f" has {words:,}.",
            f"Set model.arguments.vocabulary={words}, or a smaller tokenizer.size of the pipeline.",
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
