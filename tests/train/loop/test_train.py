"""The loop in this process: golden curves, exact resume, and what goes wrong in the middle."""

import errno
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from striate.core.bundle import Bundle
from striate.core.errors import TrainingFailed
from striate.data.stream import stream
from striate.data.stream.spec import StreamSpec
from striate.models import build_from
from striate.train.checkpoint.async_writer import Saver
from striate.train.checkpoint.store import TENSORS_FILE, Checkpoint, CheckpointStore
from striate.train.distributed.world import World
from striate.train.loop import batches as feed
from striate.train.loop import train as loop
from striate.train.loop.attempt import write_process_id
from striate.train.loop.state import TrainState
from striate.train.loop.train import train
from striate.train.run.folder import Run
from striate.train.run.spec import RunOutcome
from striate.train.tasks.classification import Classification
from striate.train.tracking.metric_log import MetricLogReader, history
from striate.train.tracking.reporter import Reporter

pytestmark = pytest.mark.unit

SHORT = ("epochs=1", "batch_size=64", "checkpoint.every_steps=6", "report_every=4")


MakeRun = Callable[..., Run]


def losses_of(run: Run) -> dict[int, float]:
    """The loss of every step that the run reported."""
    return dict(history(MetricLogReader(run.folder.metric_log).read())["train/loss"])


def notes_of(run: Run) -> list[str]:
    """What the run said to its user."""
    return [r.text for r in MetricLogReader(run.folder.metric_log).read() if r.kind == "note"]


class Killed(BaseException):
    """Stands for a process that ends in the middle of a step."""


def train_until(run: Run, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train a run that dies when it is about to do `step` + 1."""
    original, done = loop.train_step, 0

    def dying(*args: Any) -> loop.StepResult:
        nonlocal done
        if done == step:
            raise Killed
        done += 1
        return original(*args)

    def at_once(saver: Saver, checkpoint: Checkpoint) -> None:
        submit(saver, checkpoint)
        assert saver.flush(30)

    submit = Saver.submit
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(loop, "train_step", dying)
        patch.setattr(Saver, "submit", at_once)  # so that no checkpoint is put off
        train(run, World())


@pytest.mark.parametrize("killed_at", [3, 6, 13])
@pytest.mark.parametrize(
    "extra",
    [
        (),
        ("ema_decay=0.9", "accumulate=2", "optimizer.name=sgd"),
        (
            "channels_last=true",
            "precision=bf16",
            "model.name=lenet5_modern",
            "task.loss=cross_entropy",
        ),
    ],
)
def test_a_resumed_run_is_the_undisturbed_one_bit_for_bit(
    killed_at: int, extra: Sequence[str], make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first checkpoint, right at one, and between two."""
    whole = make_run("lenet5-digits", *SHORT, "optimizer.lr=1e-3", *extra, folder="whole")
    train(whole, World())
    broken = make_run("lenet5-digits", *SHORT, "optimizer.lr=1e-3", *extra, folder="broken")
    train_until(broken, killed_at, monkeypatch)
    train(broken, World())
    assert losses_of(broken) == losses_of(whole)
    assert list(losses_of(broken)) == list(range(1, whole.spec.total_steps + 1))
    left, right = (
        Bundle.open(whole.folder.bundle).state(),
        Bundle.open(broken.folder.bundle).state(),
    )
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_a_resumed_run_sees_the_batches_of_the_undisturbed_one(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[int, list[int]] = {}
    original = loop.train_step

    def watching(network: Any, optimizer: Any, task: Any, batch: stream.Batch, *rest: Any) -> Any:
        rows = batch.rows.tolist()
        assert seen.setdefault(batch.cursor, rows) == rows
        return original(network, optimizer, task, batch, *rest)

    monkeypatch.setattr(loop, "train_step", watching)
    train(make_run("lenet1-anna-digits", *SHORT, folder="whole"), World())
    broken = make_run("lenet1-anna-digits", *SHORT, folder="broken")
    train_until(broken, 9, monkeypatch)
    train(broken, World())
    assert len(seen) == broken.spec.total_steps


def test_a_damaged_checkpoint_costs_steps_and_nothing_else(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_run("lenet1-anna-digits", *SHORT, folder="whole")
    train(whole, World())
    broken = make_run("lenet1-anna-digits", *SHORT, folder="broken")
    train_until(broken, 14, monkeypatch)
    tensors = CheckpointStore(broken.folder.checkpoints).path(12) / TENSORS_FILE
    tensors.write_bytes(tensors.read_bytes()[:-3] + b"\x00\x01\x02")
    train(broken, World())
    assert losses_of(broken) == losses_of(whole)
    assert any("step-00000012 is damaged" in note and "step 6" in note for note in notes_of(broken))


def test_a_full_disk_does_not_end_training(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = CheckpointStore.save

    def full_at_first(store: CheckpointStore, checkpoint: Any) -> None:
        if checkpoint.step == 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(store, checkpoint)

    monkeypatch.setattr(CheckpointStore, "save", full_at_first)
    run = make_run("lenet1-anna-digits", *SHORT)
    train(run, World())
    assert any("checkpoint of step 6 could not be written" in note for note in notes_of(run))
    assert CheckpointStore(run.folder.checkpoints).steps()[-1] == run.spec.total_steps
    assert run.folder.outcome.is_file()


def test_a_loss_that_is_not_finite_ends_the_run_by_name(make_run: MakeRun) -> None:
    run = make_run("lenet5-modern-digits", *SHORT, "optimizer.name=sgd", "optimizer.lr=1e18")
    with pytest.raises(TrainingFailed, match=r"not finite at step \d+") as caught:
        train(run, World())
    assert "optimizer.lr" in caught.value.remedy


def test_the_bundle_is_the_evaluated_network(make_run: MakeRun) -> None:
    """Its own logits give the accuracy that it states."""
    run = make_run("lenet5-digits", *SHORT, "ema_decay=0.8")
    train(run, World())
    bundle = Bundle.open(run.folder.bundle)
    network, right, rows = build_from(bundle), 0, 0
    for batch in stream.evaluation_batches(
        run.spec.shards, StreamSpec("test", 50, preprocessing=bundle.spec.preprocessing)
    ):
        with torch.no_grad():
            right += int((network(batch.images).argmax(1) == batch.labels).sum())
        rows += len(batch.labels)
    outcome = RunOutcome.model_validate_json(run.folder.outcome.read_bytes())
    assert outcome.metrics["top1"] == right / rows
    assert bundle.spec.provenance.metrics == outcome.metrics
    assert bundle.spec.provenance.data_manifest_sha256 == run.spec.manifest_sha256
    assert sum(map(sum, outcome.confusion)) == rows
    assert sum(outcome.confusion[i][i] for i in range(10)) == right


def test_precision_layout_clipping_and_parts_change_nothing_that_matters(
    make_run: MakeRun,
) -> None:
    """Accumulation is the same sum in parts; bf16 and channels-last stay close."""
    plain = make_run("lenet5-modern-digits", *SHORT, folder="plain")
    parts = make_run("lenet5-modern-digits", *SHORT, "accumulate=4", folder="parts")
    low = ("precision=bf16", "channels_last=true", "clip_norm=1e9")
    close = make_run("lenet5-modern-digits", *SHORT, *low, folder="bf16")
    for run in (plain, parts, close):
        train(run, World())
    assert losses_of(parts) == pytest.approx(losses_of(plain), rel=1e-3)
    assert losses_of(close) == pytest.approx(losses_of(plain), rel=0.1)


def test_evaluations_come_at_epochs_and_at_the_end(make_run: MakeRun) -> None:
    run = make_run("lenet1-anna-digits", "epochs=3.5", "batch_size=128", "evaluate_every_epochs=1")
    train(run, World())
    steps = [
        step for step, _ in history(MetricLogReader(run.folder.metric_log).read())["test/top1"]
    ]
    assert steps == [12, 23, 34, run.spec.total_steps]


def test_a_worker_says_which_process_it_is(make_run: MakeRun) -> None:
    run = make_run("lenet1-anna-digits", *SHORT)
    reporter = Reporter(World(), run.folder.metric_log, 1)
    write_process_id(run.folder, World(), reporter)
    assert json.loads((run.folder.workers / "rank-0.json").read_text())["rank"] == 0


def test_uneven_shares_average_to_the_mean_gradient(make_run: MakeRun) -> None:
    """DDP averages what the workers' steps ask for: 22, 22 and 21 of 65 samples."""
    overrides = ("optimizer.name=sgd", "optimizer.momentum=0", "optimizer.weight_decay=0")
    run = make_run("lenet1-anna-digits", "batch_size=65", *overrides)
    task = Classification(run.spec.recipe.task, len(run.spec.labels))

    def moved(world: World) -> torch.Tensor:
        state = TrainState.fresh(run.spec.recipe, world)
        before = torch.cat([p.detach().flatten().clone() for p in state.model.parameters()])
        with feed.open_stream(run.spec, world, 0) as batches:
            loop.train_step(
                state.model, state.optimizer, task, next(batches), run.spec.recipe, world
            )
        return torch.cat([p.detach().flatten() for p in state.model.parameters()]) - before

    shares = torch.stack([moved(World(rank, 3)) for rank in range(3)])
    state = TrainState.fresh(run.spec.recipe, World())
    with feed.open_stream(run.spec, World(), 0) as batches:
        batch = next(batches)
    loss = torch.nn.functional.cross_entropy(state.model(batch.images), batch.labels)
    loss.backward()  # type: ignore[no-untyped-call]
    gradient = torch.cat([p.grad.flatten() for p in state.model.parameters() if p.grad is not None])
    asked = -run.spec.recipe.optimizer.lr * gradient
    assert torch.allclose(shares.mean(0), asked, rtol=1e-3, atol=1e-7)
    assert torch.allclose(moved(World()), asked, rtol=1e-3, atol=1e-7)
