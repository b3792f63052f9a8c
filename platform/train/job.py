"""One training job: prepare, open the run, train on Ray or in this process, publish."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from striate.core.errors import RecipeError, StriateError, TrainingFailed
from striate.core.settings import Settings
from striate.core.tracking import tracking_uri_of
from striate.train.assignment import Assignment, Outcome
from striate.train.config import Recipe
from striate.train.events import Digest, TrainEvent, headline_of
from striate.train.recipe import overridden
from striate.train.ship import Follower
from striate.train.spool import Record, SpoolWriter
from striate.train.tracking import close_run, open_run, publish, reopen_run, shipping

OnEvent = Callable[[TrainEvent], None]


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
    """

    run_id: str
    run_url: str
    model_uri: str
    metrics: dict[str, float]
    bundle_path: Path
    steps: int
    seconds: float
    headline: str = "top1"


def run(
    recipe: Recipe,
    settings: Settings,
    *,
    resume: str | None = None,
    on_event: OnEvent | None = None,
) -> TrainResult:
    """Train a recipe to a tracked and registered model.

    Args:
        recipe: resolved; `recipe.scaling.workers` of 0 trains in this process.
        settings: where data and runs lie, and where Ray and MLflow are.
        resume: a run of this home to continue from its latest checkpoint, in the same MLflow run.
        on_event: called from a thread of its own with what the run says.

    Raises:
        TrackingUnavailable: MLflow does not answer: at the start, and nothing was started; or at
            the end, and everything is kept for ``striate runs sync``.
        PlatformError: there is no Ray cluster.
        RecipeError: the recipe is not the one that the run to resume was started with.
        DataError: the shards are damaged or missing.
        TrainingFailed: the run ended without a model; it can be resumed.
    """
    began = time.monotonic()
    tell = on_event or (lambda event: None)
    assignment = (
        _begin(recipe, settings, tell) if resume is None else _again(recipe, settings, resume)
    )
    assignment.failure.unlink(missing_ok=True)
    assignment.outcome.unlink(missing_ok=True)
    digest = Digest.of(assignment.recipe, len(assignment.labels), assignment.total_steps)

    def handle(records: list[Record]) -> None:
        for event in digest.events(records):
            tell(event)

    follower = Follower(assignment.spool, handle)
    try:
        with shipping(assignment):
            _train(assignment, settings)
    except BaseException as error:
        _mark(assignment, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    finally:
        follower.close()
    outcome = Outcome.model_validate_json(assignment.outcome.read_bytes())
    version = publish(assignment)
    return TrainResult(
        run_id=assignment.run_id,
        run_url=assignment.run_url,
        model_uri=version.uri if version else f"runs:/{assignment.run_id}/bundle",
        metrics=outcome.metrics,
        bundle_path=assignment.bundle,
        steps=outcome.steps,
        seconds=time.monotonic() - began,
        headline=headline_of(assignment.recipe),
    )


def _begin(recipe: Recipe, settings: Settings, tell: OnEvent) -> Assignment:
    """Check everything, then open the MLflow run and make the run's folder."""
    from striate.data.manifest import Manifest
    from striate.train.feed import samples_per_epoch

    tracking_uri = tracking_uri_of(settings)
    _check_model(recipe)
    shards = _shards(recipe, settings, tell)
    manifest = Manifest.load(shards)
    manifest.rows(recipe.data.test_split)
    tags = {"striate.recipe": recipe.name, "striate.shards": manifest.sha256}
    run_id, experiment_id = open_run(tracking_uri, recipe, tags)
    assignment = Assignment(
        run_id=run_id,
        tracking_uri=tracking_uri,
        experiment_id=experiment_id,
        recipe=recipe,
        shards=shards,
        manifest_sha256=manifest.sha256,
        labels=manifest.labels,
        train_rows=samples_per_epoch(recipe.data, manifest),
        folder=settings.runs_folder / run_id,
        created_unix_s=time.time(),
    )
    assignment.write()
    return assignment


def _again(recipe: Recipe, settings: Settings, run_id: str) -> Assignment:
    """The run to resume, with what may change in it taken from `recipe`."""
    from striate.data.manifest import Manifest
    from striate.data.storage import Source

    before = Assignment.load(settings, run_id)
    free = {"scaling", "checkpoint", "report_every", "epochs", "evaluate_every_epochs"}
    for field in Recipe.model_fields:
        if field not in free and getattr(recipe, field) != getattr(before.recipe, field):
            raise RecipeError(
                f"The run {before.run_id} was started with another {field}.",
                f"Resume it as it was, or change only {', '.join(sorted(free))}.",
            )
    if Manifest.load(before.shards).sha256 != before.manifest_sha256:
        raise RecipeError(
            f"The shards in {Source.of(before.shards)} are not those that the run began with.",
            "Ingest the same corpus there again.",
        )
    tracking_uri = tracking_uri_of(settings)
    reopen_run(tracking_uri, before.run_id)
    assignment = before.model_copy(update={"recipe": recipe, "tracking_uri": tracking_uri})
    assignment.write()
    return assignment


def recipe_of(settings: Settings, run_id: str, overrides: tuple[str, ...] = ()) -> Recipe:
    """The stored recipe of a run, with fields overridden.

    Raises:
        UnknownName: this home holds no such run.
        RecipeError: a wrong override.
    """
    return overridden(Assignment.load(settings, run_id).recipe, overrides)


def _check_model(recipe: Recipe) -> None:
    from striate.core.bundle import Architecture
    from striate.models import build

    build(Architecture(name=recipe.model.name, arguments=recipe.model.arguments))


def _shards(recipe: Recipe, settings: Settings, tell: OnEvent) -> str:
    """The folder or URI of shards; a corpus that comes along is ingested when it is missing."""
    from striate.data.corpora import CORPORA
    from striate.data.manifest import MANIFEST_FILE
    from striate.data.storage import Source

    if recipe.data.shards is not None:
        place = Source.of(recipe.data.shards)
        return place.uri if place.local is None else str(place.local)
    folder = settings.data_folder / recipe.data.corpus
    corpus = CORPORA.get(recipe.data.corpus)
    bundled = corpus is not None and corpus.write is not None
    if bundled and not (folder / MANIFEST_FILE).is_file():
        from striate.data.ingest import ingest

        tell(TrainEvent(0, 0, note=f"The bundled {recipe.data.corpus} are ingested into {folder}."))
        ingest(recipe.data.corpus, settings.data_folder / "corpora" / recipe.data.corpus, folder)
    return str(folder.absolute())


def _train(assignment: Assignment, settings: Settings) -> None:
    """Run the workers to their end.

    Raises:
        TrainingFailed, or what a worker wrote down as its reason to give up.
    """
    from striate.train.workers import here, on_ray

    start = here if assignment.recipe.scaling.workers == 0 else on_ray
    start(assignment, settings)
    if not assignment.outcome.is_file():
        raise TrainingFailed(
            f"The run {assignment.run_id} ended without a model.",
            f"Resume it: `striate train --resume {assignment.run_id}`.",
        )


def _mark(assignment: Assignment, status: str) -> None:
    """Say in MLflow how the run ended, if it answers."""
    try:
        publish(assignment, within_s=5.0)
        close_run(assignment.tracking_uri, assignment.run_id, status)
    except StriateError as error:
        now = time.time_ns() // 1_000_000
        note = Record(kind="note", text=f"Not closed in MLflow: {error}", time_ms=now)
        SpoolWriter(assignment.spool).append([note])
