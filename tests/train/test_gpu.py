"""The same loop on a CUDA device; skipped where there is none."""

import json
from collections.abc import Callable

import pytest
import torch

from striate.train.distributed.world import World
from striate.train.loop.batches import open_stream
from striate.train.loop.train import train
from striate.train.run.folder import Run
from striate.train.run.spec import RunOutcome
from striate.train.tracking.metric_log import MetricLogReader, history

pytestmark = pytest.mark.gpu

MakeRun = Callable[..., Run]
GPU = World(device=torch.device("cuda"))
SHORT = ("epochs=1", "batch_size=64", "checkpoint.every_steps=6", "report_every=4")


def losses_of(run: Run) -> dict[int, float]:
    return dict(history(MetricLogReader(run.folder.metric_log).read())["train/loss"])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_lenet5_learns_on_a_gpu(make_run: MakeRun, precision: str) -> None:
    run = make_run("lenet5-modern-digits", f"precision={precision}", folder=precision)
    train(run, GPU)
    assert RunOutcome.model_validate_json(run.folder.outcome.read_bytes()).metrics["top1"] >= 0.98


def test_a_run_begun_on_a_cpu_ends_on_a_gpu(make_run: MakeRun) -> None:
    run = make_run("lenet5-modern-digits", "epochs=2", "checkpoint.every_steps=4")
    train(run, World())
    more = run.with_spec(recipe=run.spec.recipe.model_copy(update={"epochs": 4.0}))
    train(more, GPU)
    outcome = RunOutcome.model_validate_json(more.folder.outcome.read_bytes())
    assert outcome.steps == more.spec.total_steps > run.spec.total_steps


def test_in_float64_the_curve_is_that_of_a_cpu(make_run: MakeRun) -> None:
    overrides = (*SHORT, "precision=fp64", "ema_decay=0.9", "clip_norm=5", "accumulate=2")
    here = make_run("lenet5-modern-digits", *overrides, folder="cpu")
    there = make_run("lenet5-modern-digits", *overrides, folder="gpu")
    train(here, World())
    train(there, GPU)
    assert losses_of(there) == pytest.approx(losses_of(here), rel=1e-6)


def test_what_makes_a_gpu_fast_changes_nothing_that_matters(make_run: MakeRun) -> None:
    plain = make_run("lenet5-modern-digits", *SHORT, folder="plain")
    fast = ("precision=bf16", "channels_last=true", "data.threads=2", "compile=true")
    quick = make_run("lenet5-modern-digits", *SHORT, *fast, folder="fast")
    train(plain, World())
    train(quick, GPU)
    assert losses_of(quick) == pytest.approx(losses_of(plain), rel=0.1)


def test_batches_arrive_on_the_device_in_order_and_whole(make_run: MakeRun) -> None:
    run = make_run("lenet5-digits", *SHORT, "channels_last=true", "data.threads=2")
    with open_stream(run.spec, World(), 64) as ours, open_stream(run.spec, GPU, 64) as theirs:
        for _ in range(30):
            expected, batch = next(ours), next(theirs)
            assert batch.cursor == expected.cursor and batch.images.is_cuda
            assert torch.equal(batch.images.cpu(), expected.images)
            assert torch.equal(batch.rows.cpu(), expected.rows)
        assert theirs.wait_s >= 0


def test_a_loss_that_is_not_finite_is_skipped_on_a_gpu(make_run: MakeRun) -> None:
    """A rate that throws the weights far away, and a norm that then has no number."""
    overrides = ("optimizer.name=sgd", "optimizer.lr=1e18", "on_nan=skip", "epochs=0.5")
    run = make_run("lenet5-modern-digits", *SHORT, *overrides)
    train(run, GPU)
    skipped = sorted((run.folder.path / "nan").iterdir())
    assert skipped
    assert len(json.loads(skipped[0].read_text())["rows"]) == 64
