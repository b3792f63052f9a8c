"""Whole jobs on real engines: two workers, a killed worker, a tracking server that goes away."""

import json
import os
import re
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.core import ray_private
from striate.core.errors import RecipeError, TrackingUnavailable, TrainingFailed, UnknownName
from striate.core.registry import fetch, list_versions
from striate.core.settings import Settings
from striate.core.tracking import connect
from striate.train.config import Recipe
from striate.train.launch import run as job
from striate.train.launch.publish import publish
from striate.train.launch.run import TrainResult
from striate.train.recipes.resolve import resolve
from striate.train.run.folder import Run
from striate.train.tracking.events import TrainEvent
from striate.train.tracking.system_metrics import node_name

pytestmark = pytest.mark.cluster

TWO_WORKERS = (
    *("epochs=12", "batch_size=65", "scaling.workers=2", "report_every=5"),
    *("checkpoint.every_steps=40", "evaluate_every_epochs=4"),
)

PROCESSORS = f"system/{node_name()}/cpu_utilization_percentage"


def two_worker_recipe(shards: Path, *more: str) -> Recipe:
    """65 samples a batch: the two shares differ by one."""
    return resolve("lenet1-anna-digits", [*TWO_WORKERS, f'data.shards="{shards}"', *more])


def history_of(settings: Settings, run_id: str, key: str) -> dict[int, float]:
    """A metric as MLflow holds it; a step that is there twice fails."""
    assert settings.tracking_uri is not None
    points = connect(settings.tracking_uri).get_metric_history(run_id, key)
    steps = [point.step for point in points]
    assert len(steps) == len(set(steps)), f"{key} has doubled steps"
    return dict(sorted((point.step, point.value) for point in points))


def status_of(settings: Settings, run_id: str) -> str:
    assert settings.tracking_uri is not None
    return str(connect(settings.tracking_uri).get_run(run_id).info.status)


@pytest.fixture(scope="module")
def undisturbed(ray_cluster: Any, digits_shards: Path) -> tuple[TrainResult, list[TrainEvent]]:
    """A run on two Ray Train workers, and what it said."""
    events: list[TrainEvent] = []
    recipe = two_worker_recipe(digits_shards)
    return job.run(recipe, ray_cluster.settings, on_event=events.append, promoted=True), events


def test_two_workers_train_a_tracked_and_registered_model(
    undisturbed: tuple[TrainResult, list[TrainEvent]], ray_cluster: Any
) -> None:
    result, events = undisturbed
    settings = ray_cluster.settings
    losses = history_of(settings, result.run_id, "train/loss")
    assert list(losses) == list(range(1, result.steps + 1))
    assert events[-1].step == events[-1].total_steps == result.steps
    assert events[-1].samples_per_s and events[-1].wait_share is not None

    client = connect(settings.tracking_uri)
    run = client.get_run(result.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["optimizer.lr"] == "0.02"
    assert history_of(settings, result.run_id, PROCESSORS)  # sampled by one of the two workers
    assert {"striate.code", "striate.version", "striate.shards"} <= set(run.data.tags)
    assert run.data.metrics["test/top1"] == pytest.approx(result.metrics["top1"])
    pictures = {a.path for a in client.list_artifacts(result.run_id, "pictures")}
    drawn = ("learning_curves", "confusion_matrix", "first_layer_filters", "worst_mistakes")
    assert pictures == {
        "pictures/first_layer_filters.gif", *(f"pictures/{name}.png" for name in drawn)
    }  # fmt: skip
    assert {a.path for a in client.list_artifacts(result.run_id)} >= {"recipe.json"}

    bundle, version = fetch("models:/lenet1-anna-digits@champion", settings)
    assert version is not None
    assert (version.uri, version.run_id) == (result.model_uri, result.run_id)
    assert version.metrics == result.metrics
    assert bundle.spec.provenance.run_id == result.run_id
    assert result.metrics["top1"] > 0.9


def test_two_workers_do_what_one_does(
    undisturbed: tuple[TrainResult, list[TrainEvent]],
    ray_cluster: Any,
    digits_shards: Path,
    tmp_path: Path,
) -> None:
    """The same global batches and mean gradients, though the shares are uneven."""
    result, _ = undisturbed
    alone = two_worker_recipe(digits_shards, "scaling.workers=0", "registered_name=none")
    home = Settings(home=tmp_path, tracking_uri=ray_cluster.settings.tracking_uri)
    single = job.run(alone, home)
    assert single.model_uri == f"runs:/{single.run_id}/bundle"
    one = history_of(home, single.run_id, "train/loss")
    two = history_of(home, result.run_id, "train/loss")
    first = range(1, 21)  # rounding grows with the steps
    assert [two[s] for s in first] == pytest.approx([one[s] for s in first], rel=1e-3)
    assert single.metrics["top1"] == pytest.approx(result.metrics["top1"], abs=0.03)


def test_mlflow_loads_the_model_by_itself(
    undisturbed: tuple[TrainResult, list[TrainEvent]], ray_cluster: Any, digits_shards: Path
) -> None:
    import mlflow

    from striate.data.stream.reader import SplitReader

    result, _ = undisturbed
    mlflow.set_tracking_uri(ray_cluster.settings.tracking_uri)
    model = mlflow.pyfunc.load_model(result.model_uri)
    pixels, labels = SplitReader(digits_shards, "test").take(np.arange(360))
    assert (model.predict(pixels).argmax(1) == labels).mean() == result.metrics["top1"]


def test_a_run_whose_workers_have_no_room_says_who_holds_it(
    ray_cluster: Any, digits_shards: Path
) -> None:
    import ray

    class Holder:
        def ready(self) -> None: ...

    settings: Settings = ray_cluster.settings
    cpus = sum(int(node.get("CPU", 0)) for node in ray_private.free_by_node().values())
    holder_of = ray.remote(Holder).options(num_cpus=1)
    holders = [holder_of.remote() for _ in range(cpus)]
    ray.get([holder.ready.remote() for holder in holders])
    notes: list[str] = []

    def let_go(event: TrainEvent) -> None:
        if event.note:
            notes.append(event.note)
        if "waits for room" in event.note:
            for holder in holders:
                ray.kill(holder)

    recipe = two_worker_recipe(digits_shards, "epochs=1", "registered_name=none")
    result = job.run(recipe, settings, on_event=let_go)
    (waited,) = [note for note in notes if "waits for room" in note]
    assert re.search(rf"it asks for 2 CPUs .*process {os.getpid()} on .*pytest", waited), waited
    assert result.steps


def test_a_killed_worker_costs_no_step_and_doubles_none(
    undisturbed: tuple[TrainResult, list[TrainEvent]], ray_cluster: Any, digits_shards: Path
) -> None:
    settings: Settings = ray_cluster.settings
    killed: list[int] = []
    behind: set[int] = set()
    before = {path.name for path in settings.runs_folder.iterdir()}

    def kill_once(event: TrainEvent) -> None:
        if killed or event.step < 100:
            return
        (name,) = {path.name for path in settings.runs_folder.iterdir()} - before
        worker = settings.runs_folder / name / "workers" / "rank-1.json"
        killed.append(json.loads(worker.read_text())["pid"])
        threads = Path(f"/proc/{killed[0]}/task").iterdir()
        behind.update(os.getpriority(os.PRIO_PROCESS, int(thread.name)) for thread in threads)
        os.kill(killed[0], signal.SIGKILL)

    notes: list[str] = []

    def watch(event: TrainEvent) -> None:
        notes.append(event.note)
        kill_once(event)

    result = job.run(two_worker_recipe(digits_shards), settings, on_event=watch)
    assert killed
    assert max(behind) == 10, "training steps back behind replicas on the same cores"
    assert any(note.startswith("Restored from the checkpoint") for note in notes)
    whole, _ = undisturbed
    assert result.run_id != whole.run_id
    for key in ("train/loss", "test/top1", "test/loss", "train/learning_rate"):
        assert history_of(settings, result.run_id, key) == history_of(settings, whole.run_id, key)
    assert history_of(settings, result.run_id, PROCESSORS)  # no second is doubled by the restart
    assert result.metrics == whole.metrics
    assert status_of(settings, result.run_id) == "FINISHED"


def test_a_run_is_resumed_in_the_same_mlflow_run(
    undisturbed: tuple[TrainResult, list[TrainEvent]],
    ray_cluster: Any,
    digits_shards: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It fails at half its way, as a driver that dies would; then goes on, in this process."""
    from striate.train.loop import train

    settings: Settings = ray_cluster.settings
    recipe = two_worker_recipe(digits_shards, "scaling.workers=0", "epochs=3")
    original, calls = train.train_step, []

    def failing(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 50:
            raise TrainingFailed("The test ends it.")
        return original(*args)

    before = {path.name for path in settings.runs_folder.iterdir()}
    with monkeypatch.context() as patch, pytest.raises(TrainingFailed):
        patch.setattr(train, "train_step", failing)
        job.run(recipe, settings)
    (run_id,) = {path.name for path in settings.runs_folder.iterdir()} - before
    assert status_of(settings, run_id) == "FAILED"

    with pytest.raises(RecipeError, match="another optimizer"):
        changed = job.recipe_of(settings, run_id, ("optimizer.lr=0.5",))
        job.run(changed, settings, resume=run_id)
    with pytest.raises(UnknownName):
        job.recipe_of(settings, "no-such-run")
    result = job.run(job.recipe_of(settings, run_id[:12]), settings, resume=run_id[:12])
    assert result.run_id == run_id
    assert len(calls) == 50
    losses = history_of(settings, run_id, "train/loss")
    assert list(losses) == list(range(1, result.steps + 1))
    assert status_of(settings, run_id) == "FINISHED"


def test_nothing_starts_when_mlflow_is_away(tmp_path: Path, digits_shards: Path) -> None:
    settings = Settings(home=tmp_path, tracking_uri="http://127.0.0.1:1")
    recipe = two_worker_recipe(digits_shards, "scaling.workers=0")
    with pytest.raises(TrackingUnavailable, match="does not answer"):
        job.run(recipe, settings)
    assert not settings.runs_folder.exists()


def test_mlflow_that_dies_in_mid_run_loses_nothing(
    tracking_server: Any, tmp_path: Path, digits_shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run trains to its end without it; what it left is brought over when it is back."""
    settings = Settings(home=tmp_path / "home", tracking_uri=tracking_server.uri)
    recipe = two_worker_recipe(digits_shards, "scaling.workers=0", "epochs=4")
    patient = publish
    monkeypatch.setattr(job, "publish", lambda run, *_, **__: patient(run, 1.0))

    def stop_server(event: TrainEvent) -> None:
        if event.step >= 10:
            tracking_server.stop()

    with pytest.raises(TrackingUnavailable, match="are kept in") as caught:
        job.run(recipe, settings, on_event=stop_server)
    assert "striate runs sync" in caught.value.remedy

    tracking_server.start()
    (folder,) = settings.runs_folder.iterdir()
    run = Run.load(settings, folder.name)
    version = patient(run)
    again = patient(run)
    assert version is not None and again == version
    assert list(history_of(settings, run.spec.run_id, "train/loss")) == list(
        range(1, run.spec.total_steps + 1)
    )
    assert status_of(settings, run.spec.run_id) == "FINISHED"
    assert len(list_versions(tracking_server.uri, "lenet1-anna-digits")) == 1


def test_mlflow_that_comes_back_has_missed_nothing(
    tracking_server: Any, tmp_path: Path, digits_shards: Path
) -> None:
    """It is gone from step 10 on, and back before the run is published: nothing is to be done."""
    settings = Settings(home=tmp_path / "home", tracking_uri=tracking_server.uri)
    recipe = two_worker_recipe(digits_shards, "scaling.workers=0", "epochs=4")
    back: list[threading.Thread] = []

    def away_for_a_while(event: TrainEvent) -> None:
        if event.step >= 10 and not back:
            tracking_server.stop()
            back.append(threading.Thread(target=tracking_server.start))
            back[0].start()

    result = job.run(recipe, settings, on_event=away_for_a_while)
    back[0].join()
    assert list(history_of(settings, result.run_id, "train/loss")) == list(
        range(1, result.steps + 1)
    )
    assert status_of(settings, result.run_id) == "FINISHED"
