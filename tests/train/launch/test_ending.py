"""A run that does not come to its end says so in MLflow, and how it goes on, whatever ended it."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from striate.core.errors import (
    DiskFull,
    PlatformError,
    RecipeError,
    StriateError,
    TrackingRefused,
    UnknownName,
)
from striate.core.settings import Settings
from striate.core.tracking import connect
from striate.train.config import ModelConfig, Recipe, TaskConfig
from striate.train.launch import ending
from striate.train.launch import run as launched
from striate.train.launch.publish import close_interrupted
from striate.train.recipes.resolve import resolve
from striate.train.run.folder import Run
from striate.train.run.spec import RunSpec
from striate.train.tracking.compare import history_of
from striate.train.tracking.metric_log import MetricLog, MetricRecord
from striate.train.tracking.mlflow_run import open_run, reopen_run
from striate.train.tracking.runs import find_run
from striate.train.tracking.uploader import send

pytestmark = pytest.mark.unit

SMALL = "lenet1-anna-digits"
MakeRun = Callable[..., Run]


@pytest.fixture
def settings(store: str, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", tracking_uri=store)


@pytest.fixture
def recipe(digits_shards: Path) -> Recipe:
    short = ("epochs=1", "scaling.workers=0", "registered_name=none", "checkpoint.patience_s=0")
    return resolve(SMALL, [*short, f'data.shards="{digits_shards}"'])


def runs_in(store: str) -> dict[str, str]:
    """Run → status, of all that the store holds."""
    client = connect(store)
    experiments = [one.experiment_id for one in client.search_experiments()]
    return {run.info.run_id: run.info.status for run in client.search_runs(experiments)}


def end_of_new(store: str, before: dict[str, str]) -> str:
    """The status of the one run that was opened since."""
    (run_id,) = runs_in(store).keys() - before.keys()
    return runs_in(store)[run_id]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("data", {"pipeline": "imagenet-train", "pipeline_arguments": {"sise": 3}}),
        ("data", {"train_split": "trian"}),
        ("data", {"pipeline": "text"}),  # the shards hold images
        ("model", {"arguments": {"clases": 3}}),
        ("task", {"name": "clasification"}),
    ],
)
def test_what_can_be_refused_is_refused_before_there_is_a_run(
    settings: Settings, store: str, recipe: Recipe, field: str, value: dict[str, object]
) -> None:
    """As a caller in Python has it who did not ask `resolve`."""
    before = runs_in(store)
    wrong = recipe.model_copy(update={field: getattr(recipe, field).model_copy(update=value)})
    with pytest.raises(StriateError):
        launched.run(wrong, settings)
    assert runs_in(store) == before
    assert not settings.runs_folder.exists()


def test_arguments_of_a_pipeline_are_looked_at_when_the_recipe_is_resolved() -> None:
    with pytest.raises(RecipeError, match="sise"):
        resolve("alexnet-imagenet", ['data.pipeline_arguments={"sise": 3}'])


def test_a_run_whose_task_is_not_installed_here_is_refused_by_name(
    settings: Settings, make_run: MakeRun
) -> None:
    """It was begun where an extension has it; MLflow does not learn of the try."""
    begun = make_run(SMALL, folder="home/runs/run")
    elsewhere = begun.spec.recipe.model_copy(update={"task": TaskConfig(name="boxes")})
    begun.folder.write_spec(begun.spec.model_copy(update={"recipe": elsewhere}))
    with pytest.raises(UnknownName, match="task named 'boxes'"):
        launched.run(elsewhere, settings, resume="run")


def test_a_run_whose_parameters_mlflow_refuses_is_ended(store: str, recipe: Recipe) -> None:
    before = runs_in(store)
    longer = ModelConfig(name="lenet1", arguments={"x" * 300: 1})
    with pytest.raises(TrackingRefused):
        open_run(store, recipe.model_copy(update={"model": longer}), {})
    assert end_of_new(store, before) == "FAILED"


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), "KILLED"), (SystemExit(143), "KILLED"), (RuntimeError(), "FAILED")],
)
def test_what_ends_a_run_before_its_first_step_ends_it_in_mlflow(
    settings: Settings, store: str, recipe: Recipe, error: BaseException, status: str
) -> None:
    def raise_it(spec: RunSpec) -> None:
        raise error

    before = runs_in(store)
    with pytest.raises(type(error)):
        launched.run(recipe, settings, on_run=raise_it)
    assert end_of_new(store, before) == status


def test_a_disk_that_is_full_at_the_start_is_named(
    settings: Settings, store: str, recipe: Recipe, small_disk: Path
) -> None:
    before = runs_in(store)
    fill(small_disk)
    settings.home.mkdir()
    settings.runs_folder.symlink_to(small_disk)
    with pytest.raises(DiskFull, match=r"The disk that holds .* is full") as caught:
        launched.run(recipe, settings)
    assert "run the command again" in caught.value.remedy, "there is nothing to resume yet"
    assert end_of_new(store, before) == "FAILED"


def test_a_disk_that_is_full_when_the_model_is_published_names_how_to_resume(
    settings: Settings, store: str, recipe: Recipe, small_disk: Path
) -> None:
    """Checkpoints and model are written, the pictures find no room."""
    fill(small_disk)

    def draw_there(spec: RunSpec) -> None:
        (settings.runs_folder / spec.run_id / "pictures").symlink_to(small_disk)

    with pytest.raises(DiskFull, match=r"The disk that holds .* is full") as caught:
        launched.run(recipe, settings, on_run=draw_there)
    (folder,) = settings.runs_folder.iterdir()
    assert f"striate train --resume {folder.name}" in caught.value.remedy
    assert runs_in(store)[folder.name] == "FAILED"
    (folder / "pictures").unlink()
    result = launched.run(recipe, settings, resume=folder.name)
    assert (result.run_id, runs_in(store)[folder.name]) == (folder.name, "FINISHED")


def fill(disk: Path) -> None:
    """Leave no room on it."""
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
        while filler.write(bytes(1 << 10)):
            pass


def test_a_storage_that_refuses_is_one_sentence(make_run: MakeRun) -> None:
    """Of an error that only an engine's own code can meet."""
    run = make_run(SMALL)
    run.folder.write_spec(run.spec)
    said: list[str] = []
    with (
        pytest.raises(PlatformError, match="The run run cannot go on") as caught,
        ending.end_told(run, lambda: None, lambda event: said.append(event.note)),
    ):
        raise OSError(5, "Input/output error")
    assert "--resume run" in caught.value.remedy
    assert len(said) == 1 and "MLflow does not have all of the run" in said[0]
    assert said[0] in [record.text for record in records_of(run)], "the note is kept as well"


def records_of(run: Run) -> list[MetricRecord]:
    lines = run.folder.metric_log.read_bytes().splitlines()
    return [record for record in map(MetricRecord.parse, lines) if record is not None]


@pytest.mark.parametrize(("asked", "status"), [(False, "FAILED"), (True, "KILLED")])
def test_a_run_that_nobody_drives_is_ended_when_it_is_synced(
    store: str, recipe: Recipe, make_run: MakeRun, asked: bool, status: str
) -> None:
    """It ended at the last that it said, and not when it is synced."""
    run_id, _ = open_run(store, recipe, {})
    run = make_run(SMALL, folder=run_id)
    run = run.with_spec(run_id=run_id, tracking_uri=store)
    heard_ms = time.time_ns() // 1_000_000 - 3_600_000
    with_loss = MetricRecord(key="train/loss", step=1, value=1.0, time_ms=heard_ms)
    MetricLog(run.folder.metric_log).append([with_loss])
    if asked:
        run.folder.stopped.write_text('{"step": 1}')
    close_interrupted(run)
    assert runs_in(store)[run_id] == status
    assert connect(store).get_run(run_id).info.end_time == heard_ms
    connect(store).set_terminated(run_id, "FINISHED")
    close_interrupted(run)
    assert runs_in(store)[run_id] == "FINISHED", "a run that has an end keeps it"


def test_the_pause_before_a_resume_is_in_no_runs_time(store: str, recipe: Recipe) -> None:
    """Stopped an hour ago, resumed now: neither its seconds nor its curve have that hour."""
    run_id, _ = open_run(store, recipe, {"striate.recipe": recipe.name})
    now_ms = time.time_ns() // 1_000_000
    began_ms = connect(store).get_run(run_id).info.start_time
    stopped_ms = began_ms + 1000

    def score(step: int, at_ms: int) -> MetricRecord:
        return MetricRecord(key="test/top1", step=step, value=0.5, time_ms=at_ms)

    send(run_id, store, [score(1, stopped_ms)])
    hour_later_ms = now_ms + 3_600_000
    reopen_at(store, run_id, stopped_ms, hour_later_ms)
    assert find_run(store, run_id).seconds is None, "it is running again"
    send(run_id, store, [score(2, hour_later_ms + 2000)])
    connect(store).set_terminated(run_id, "FINISHED", hour_later_ms + 5000)
    summary = find_run(store, run_id)
    assert summary.pauses == ((stopped_ms, hour_later_ms),)
    assert summary.seconds == pytest.approx(6.0)
    minutes = [60 * minute for minute, _ in history_of(summary, store).minutes]
    assert minutes == pytest.approx([1.0, 3.0])


def reopen_at(store: str, run_id: str, since_ms: int, at_ms: int) -> None:
    """Resume twice, the first time in vain, as it were at that time."""
    with pytest.MonkeyPatch.context() as patch:
        for at in (at_ms - 60_000, at_ms):
            patch.setattr(time, "time_ns", lambda at=at: at * 1_000_000)
            reopen_run(store, run_id, paused_since_ms=since_ms)
