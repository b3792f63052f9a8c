"""Checkpoints while training goes on: when they are taken, and what a bad storage does to them."""

import errno
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.core.errors import TrainingStopped
from striate.core.retry import Backoff
from striate.train.checkpoint.store import Checkpoint, CheckpointStore, find_superfluous
from striate.train.distributed.consensus import steps_ahead
from striate.train.distributed.world import World
from striate.train.loop import checkpointing
from striate.train.loop import train as loop
from striate.train.loop.train import train
from striate.train.run.attempts import attempts_of
from striate.train.run.folder import Run
from striate.train.run.spec import RunOutcome
from striate.train.run.stop_requests import REQUESTS
from striate.train.tracking.metric_log import MetricLogReader, history

pytestmark = pytest.mark.unit

MakeRun = Callable[..., Run]
SHORT = ("epochs=1", "batch_size=64", "report_every=4")  # 22 steps


def losses_of(run: Run) -> dict[int, float]:
    return dict(history(MetricLogReader(run.folder.metric_log).read())["train/loss"])


def notes_of(run: Run) -> list[str]:
    return [r.text for r in MetricLogReader(run.folder.metric_log).read() if r.kind == "note"]


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[], object]) -> None:
    """Do something right before a step of the loop is done."""
    original, done = loop.train_step, 0

    def stepping(*args: Any) -> Any:
        nonlocal done
        done += 1
        if done == step:
            act()
        return original(*args)

    monkeypatch.setattr(loop, "train_step", stepping)


@pytest.fixture
def refusing(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """A file system under the run's checkpoints that can be made to refuse: `refusing("ro")`."""
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)

    def mount(*options: str) -> subprocess.CompletedProcess[str]:
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True, text=True)

    try:
        if (done := mount("size=4m")).returncode:
            pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    except OSError as error:
        pytest.skip(f"no mount command: {error}")
    yield lambda how: mount("remount", how).check_returncode()
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_storage_that_refuses_for_a_while_loses_nothing(
    make_run: MakeRun, refusing: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read-only from step 8 on, and back when training has gone on without it to its end."""
    whole = make_run("lenet1-anna-digits", *SHORT, folder="whole")
    train(whole, World())
    run = make_run("lenet1-anna-digits", *SHORT, "checkpoint.every_steps=5")
    finish = checkpointing.Checkpointer.finish

    def back_again(self: checkpointing.Checkpointer, step: int) -> None:
        assert any("could not be written" in note for note in notes_of(run))
        refusing("rw")
        finish(self, step)

    monkeypatch.setattr("striate.train.checkpoint.async_writer.BACKOFF", Backoff(0.05, 15.0))
    monkeypatch.setattr(checkpointing.Checkpointer, "finish", back_again)
    monkeypatch.setattr(
        checkpointing.Checkpointer, "_flush", lambda self: None
    )  # no patience at the last step
    at_step(monkeypatch, 8, lambda: refusing("ro"))
    train(run, World())
    said = notes_of(run)
    assert sum("Training goes on and tries again" in note for note in said) == 1
    assert sum("is written: the storage refused for" in note for note in said) == 1
    assert losses_of(run) == losses_of(whole)
    assert CheckpointStore(run.folder.checkpoints).steps()[-1] > 8
    assert RunOutcome.model_validate_json(run.folder.outcome.read_bytes()).repeated_steps == 0


def test_a_restart_waits_for_a_storage_that_is_away(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not begin anew, nor take an older checkpoint."""
    run = make_run("lenet1-anna-digits", *SHORT)
    REQUESTS.begin()
    at_step(monkeypatch, 5, REQUESTS.stop)
    with pytest.raises(TrainingStopped):
        train(run, World())
    load, refusals = CheckpointStore.load_latest, [errno.EIO, errno.ESTALE]

    def away(store: CheckpointStore) -> Any:
        if refusals:
            raise OSError(refusals.pop(), "It is away")
        return load(store)

    monkeypatch.setattr(CheckpointStore, "load_latest", away)
    REQUESTS.begin()
    train(run, World())
    assert attempts_of(run.folder.path)[1].repeated == 0
    assert any("checkpoints cannot be read yet" in note for note in notes_of(run))


def test_training_goes_on_while_a_checkpoint_is_written(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first takes until step 15 is begun; the next due ones are put off, not waited for."""
    save, slow = CheckpointStore.save, threading.Event()
    written: list[int] = []

    def saving(store: CheckpointStore, checkpoint: Checkpoint) -> None:
        if not written:
            assert slow.wait(30)
        written.append(checkpoint.step)
        save(store, checkpoint)

    monkeypatch.setattr(CheckpointStore, "save", saving)
    at_step(monkeypatch, 15, slow.set)
    run = make_run("lenet1-anna-digits", *SHORT, "checkpoint.every_steps=5")
    train(run, World())
    assert written[0] == 5
    assert 10 not in written
    assert written[-1] == run.spec.total_steps
    shares = history(MetricLogReader(run.folder.metric_log).read())[checkpointing.BLOCKED_SHARE]
    assert all(0 <= share < 1 for _, share in shares)


def test_checkpoints_come_by_time_as_well(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    save = CheckpointStore.save

    def saving(store: CheckpointStore, checkpoint: Checkpoint) -> None:
        written.append(checkpoint.step)
        save(store, checkpoint)

    monkeypatch.setattr(CheckpointStore, "save", saving)
    run = make_run(
        "lenet1-anna-digits", *SHORT, "checkpoint.every_steps=1000", "checkpoint.every_s=1e-6"
    )
    train(run, World())
    assert len(written) > 2
    assert written == sorted(set(written))


def test_a_run_that_is_asked_to_stop_saves_and_goes_on_from_there(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_run("lenet1-anna-digits", *SHORT, folder="whole")
    train(whole, World())
    run = make_run("lenet1-anna-digits", *SHORT, "checkpoint.every_steps=1000")
    REQUESTS.begin()
    at_step(monkeypatch, 9, REQUESTS.stop)
    with pytest.raises(TrainingStopped, match=r"stopped after step \d+ of 22") as caught:
        train(run, World())
    assert "--resume" in caught.value.remedy
    stopped = json.loads(run.folder.stopped.read_text())["step"]
    assert stopped >= 9
    REQUESTS.begin()
    train(run, World())
    first, second = attempts_of(run.folder.path)
    assert (first.step, second.step, second.repeated) == (0, stopped, 0)
    assert losses_of(run) == losses_of(whole)
    outcome = RunOutcome.model_validate_json(run.folder.outcome.read_bytes())
    assert (outcome.restarts, outcome.repeated_steps) == (1, 0)
    assert outcome.startup["first step"] >= 0


def test_the_driver_asks_through_the_run_s_folder(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("lenet1-anna-digits", *SHORT)
    at_step(monkeypatch, 3, run.folder.stop_request.touch)
    with pytest.raises(TrainingStopped):
        train(run, World())


def test_the_best_is_kept_beside_the_latest(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the one before it is still being written."""
    save = CheckpointStore.save

    def save_slowly(store: CheckpointStore, checkpoint: Checkpoint) -> None:
        threading.Event().wait(0.2)  # longer than the two or three steps between checkpoints
        save(store, checkpoint)

    monkeypatch.setattr(CheckpointStore, "save", save_slowly)
    run = make_run(
        *("lenet1-anna-digits", "epochs=6", "batch_size=256", "evaluate_every_epochs=1"),
        *(
            "checkpoint.every_steps=3",
            "checkpoint.keep=1",
            "optimizer.lr=0.3",
            "schedule.name=constant",
        ),
    )
    train(run, World())
    series = history(MetricLogReader(run.folder.metric_log).read())["test/top1"]
    best = max(series, key=lambda point: (point[1], -point[0]))
    store = CheckpointStore(run.folder.checkpoints)
    assert store.steps() == sorted({best[0], run.spec.total_steps})
    assert store.score(best[0]) == best[1]


@given(
    steps=st.lists(st.integers(1, 99), unique=True, max_size=8),
    keep=st.integers(1, 4),
    scores=st.dictionaries(st.integers(1, 99), st.one_of(st.none(), st.floats(0, 1))),
)
def test_neither_the_latest_nor_the_best_goes(
    steps: list[int], keep: int, scores: dict[int, float | None]
) -> None:
    gone = find_superfluous(sorted(steps), keep, scores)
    left = set(steps) - set(gone)
    assert left >= set(sorted(steps)[-keep:])
    assert len(left) <= keep + 1
    known = {step: score for step in steps if (score := scores.get(step)) is not None}
    if known:
        assert max(known.values()) == max(known[step] for step in left if step in known)


@given(steps=st.integers(1, 10**6), seconds=st.floats(0, 1e4), every_s=st.floats(0.01, 10))
def test_workers_look_neither_too_often_nor_too_rarely(
    steps: int, seconds: float, every_s: float
) -> None:
    ahead = steps_ahead(steps, seconds, every_s)
    assert 1 <= ahead <= 10_000
    if seconds > 0:
        assert ahead == 1 or (ahead - 2) * seconds / steps <= every_s
