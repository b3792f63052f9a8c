"""Samples that are not a number: the run stops, or goes on as if the step had not been."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from striate.core.errors import TrainingFailed
from striate.data.pipelines.base import Places, Stored
from striate.data.pipelines.raw import raw_images
from striate.data.pipelines.registry import PIPELINES
from striate.data.stream.batch import Batch
from striate.train.checkpoint.store import CheckpointStore
from striate.train.distributed.world import World
from striate.train.loop import nonfinite
from striate.train.loop import train as loop
from striate.train.loop.optimizers import build_optimizer
from striate.train.loop.train import StepResult, train, train_step
from striate.train.run.folder import Run
from striate.train.tasks.classification import Classification
from striate.train.tracking.metric_log import MetricLogReader, history

pytestmark = pytest.mark.unit

MakeRun = Callable[..., Run]
SHORT = ("epochs=1", "batch_size=64", "checkpoint.every_steps=6", "report_every=4")
BAD_ROW = 700


class Poisoned:
    """The digits' own pipeline, with some samples that are not a number."""

    units_per_row = 1
    rows: tuple[int, ...] = (BAD_ROW,)

    def __init__(self, arguments: Mapping[str, Any], training: bool) -> None:
        self._training, self._raw = training, raw_images(arguments, training)

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        tensors = self._raw(stored, places)
        for index, sample in enumerate(stored):
            if self._training and sample.row in self.rows:
                tensors["images"][index] = torch.nan
        return tensors


@pytest.fixture
def poisoned(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> MakeRun:
    """Makes a run on the poisoned digits."""
    monkeypatch.setitem(PIPELINES, "poisoned", Poisoned)
    arguments = {
        "preprocessing": [
            {"op": "grayscale"},
            {"op": "pad", "margin": 2, "value": 0},
            {"op": "scale", "factor": 0.005, "offset": -0.1},
        ]
    }

    def make(*overrides: str, folder: str = "run") -> Run:
        data = ("data.augment=null", "data.pipeline=poisoned")
        said = f"data.pipeline_arguments={json.dumps(arguments)}"
        return make_run("lenet5-modern-digits", *SHORT, *data, said, *overrides, folder=folder)

    return make


def series_of(run: Run, name: str) -> dict[int, float]:
    return dict(history(MetricLogReader(run.folder.metric_log).read())[name])


def notes_of(run: Run) -> list[str]:
    return [r.text for r in MetricLogReader(run.folder.metric_log).read() if r.kind == "note"]


def bad_step(run: Run) -> int:
    (step,) = [step for step, loss in series_of(run, "train/loss").items() if math.isnan(loss)]
    return step


def test_a_skipped_step_is_counted_and_changes_neither_order_nor_weights(
    poisoned: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[int, list[int]] = {}
    original = loop.train_step

    def watching(*args: Any) -> StepResult:
        seen[args[3].cursor] = args[3].rows.tolist()
        return original(*args)

    monkeypatch.setattr(loop, "train_step", watching)
    run = poisoned("on_nan=skip")
    train(run, World())
    bad = bad_step(run)
    assert list(series_of(run, "train/loss")) == list(range(1, run.spec.total_steps + 1))
    assert series_of(run, "train/skipped_steps") == {bad: 1.0}
    document = json.loads((run.folder.path / "nan" / f"step-{bad:08d}-rank-0.json").read_text())
    assert document["rows"] == seen[bad * 64] and BAD_ROW in document["rows"]
    assert len(document["keys"]) == 64 and document["first_position"] == (bad - 1) * 64
    (note,) = [note for note in notes_of(run) if "skipped" in note]
    assert f"Step {bad} was skipped" in note and str(run.folder.path / "nan") in note

    # The undisturbed order, without the poison: the same batches at the same steps.
    skipped, before = dict(seen), run.spec.total_steps
    monkeypatch.setattr(Poisoned, "rows", ())
    clean = poisoned(folder="clean")
    train(clean, World())
    assert seen == skipped and clean.spec.total_steps == before
    losses, others = series_of(run, "train/loss"), series_of(clean, "train/loss")
    assert all(losses[step] == others[step] for step in range(1, bad))


def test_a_restart_remembers_what_was_skipped(poisoned: MakeRun) -> None:
    """Every sample is met once in each of two epochs, before and after the restart."""
    run = poisoned("on_nan=skip", "schedule.name=constant")
    train(run, World())
    more = run.with_spec(recipe=run.spec.recipe.model_copy(update={"epochs": 2.0}))
    train(more, World())
    assert list(series_of(more, "train/skipped_steps").values()) == [1.0, 2.0]


def test_a_run_that_stops_names_the_step_and_keeps_the_samples(poisoned: MakeRun) -> None:
    run = poisoned()
    with pytest.raises(TrainingFailed, match="not finite at step") as caught:
        train(run, World())
    bad = min(step for step, loss in series_of(run, "train/loss").items() if math.isnan(loss))
    file = run.folder.path / "nan" / f"step-{bad:08d}-rank-0.json"
    assert f"step {bad}" in caught.value.message and str(file) in caught.value.message
    assert BAD_ROW in json.loads(file.read_text())["rows"]
    before = run.folder.path / "nan" / f"step-{bad - 1:08d}-rank-0.json"
    assert before.is_file() == (bad > 1)
    assert "on_nan=skip" in caught.value.remedy
    good = CheckpointStore(run.folder.checkpoints).steps()
    assert all(step < bad for step in good)


def test_a_stopped_run_goes_on_with_skipping(poisoned: MakeRun) -> None:
    run = poisoned()
    with pytest.raises(TrainingFailed):
        train(run, World())
    again = run.with_spec(recipe=run.spec.recipe.model_copy(update={"on_nan": "skip"}))
    train(again, World())
    assert again.folder.outcome.is_file()


def test_too_many_skips_in_a_row_end_the_run(
    poisoned: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Poisoned, "rows", tuple(range(1437)))
    run = poisoned("on_nan=skip")
    with pytest.raises(TrainingFailed, match=f"{nonfinite.MOST_SKIPS} steps in a row") as caught:
        train(run, World())
    assert "look at the samples" in caught.value.remedy
    assert len(list((run.folder.path / "nan").iterdir())) == nonfinite.MOST_SKIPS


class Normed(nn.Module):
    """A network with running statistics; `explosive` has a gradient without a limit at zero."""

    def __init__(self, explosive: bool) -> None:
        super().__init__()
        self.norm, self.head = nn.BatchNorm2d(1), nn.Linear(16, 10)
        self.edge = nn.Parameter(torch.zeros(10, 2))
        self.explosive = explosive

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.norm(images).flatten(1))
        return logits + self.edge.sum(1).abs().sqrt() if self.explosive else logits


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize("what", ["sample", "gradient"])
def test_a_skipped_step_leaves_every_tensor_as_it_was(
    name: str, what: str, make_run: MakeRun
) -> None:
    """Weights, momenta, counts of steps, running statistics; and the next step is a good one."""
    recipe = make_run(
        "lenet5-modern-digits", f"optimizer.name={name}", "on_nan=skip", "batch_size=8"
    ).spec.recipe
    network = Normed(explosive=False)
    optimizer = build_optimizer(network, recipe.optimizer)
    task = Classification(recipe.task, 10)

    def step(images: Tensor, at: int) -> StepResult:
        tensors = {"images": images, "labels": torch.arange(8), "rows": torch.arange(8)}
        return train_step(network, optimizer, task, Batch(tensors, 8 * at, 0, 8), recipe, World())

    def tensors() -> list[Tensor]:
        momenta = [v for s in optimizer.state.values() for v in s.values()]
        return [t.detach().clone() for t in [*network.state_dict().values(), *momenta]]

    good = torch.randn(8, 1, 4, 4)
    assert step(good, 1).moved
    before, bad = tensors(), good.clone()
    if what == "sample":
        bad[3] = torch.nan
    else:
        network.explosive = True
    result = step(bad, 2)
    assert not result.moved and bool(torch.isfinite(result.loss)) == (what == "gradient")
    assert all(torch.equal(one, other) for one, other in zip(before, tensors(), strict=True))
    network.explosive = False
    assert step(good, 3).moved
    assert any(not torch.equal(one, other) for one, other in zip(before, tensors(), strict=True))
