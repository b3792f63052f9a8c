"""The same loop on a CUDA device; skipped where there is none."""

from collections.abc import Callable

import pytest
import torch

from striate.train.assignment import Assignment, Outcome
from striate.train.loop import train
from striate.train.place import Place

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_lenet5_learns_on_a_gpu(make_run: Callable[..., Assignment], precision: str) -> None:
    run = make_run("lenet5-modern-digits", f"precision={precision}", folder=precision)
    train(run, Place(device=torch.device("cuda")))
    assert Outcome.model_validate_json(run.outcome.read_bytes()).metrics["top1"] >= 0.98


def test_a_run_begun_on_a_cpu_ends_on_a_gpu(make_run: Callable[..., Assignment]) -> None:
    run = make_run("lenet5-modern-digits", "epochs=2", "checkpoint.every_steps=4")
    train(run, Place())
    more = run.model_copy(update={"recipe": run.recipe.model_copy(update={"epochs": 4.0})})
    train(more, Place(device=torch.device("cuda")))
    outcome = Outcome.model_validate_json(more.outcome.read_bytes())
    assert outcome.steps == more.total_steps > run.total_steps
