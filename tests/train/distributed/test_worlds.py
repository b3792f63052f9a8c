"""Real processes by gloo: the loss curve is the same on 1, 2 and 3 workers and through changes."""

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from striate.core.bundle import Bundle
from striate.train.run.spec import RunOutcome
from striate.train.tracking.metric_log import MetricLogReader, history

pytestmark = pytest.mark.unit

STEPS = 50
FLEET = Path(__file__).parent / "fleet.py"
COMMON = (
    "optimizer.name=sgd",
    "optimizer.lr=0.3",
    "optimizer.momentum=0.9",
    "optimizer.weight_decay=1e-3",
    "optimizer.bias_lr=2",
    "schedule.name=step",
    "schedule.warmup_share=0",
    "schedule.milestones_epochs=[0.7]",
    "clip_norm=5",
    "ema_decay=0.9",
    "report_every=7",
)
FP64 = (*COMMON, "precision=fp64")
FSDP = (*FP64, "scaling.strategy=fsdp", "accumulate=3")


NORM = (*FP64, "model.arguments.norm=true")
POISONED = (
    *FP64,
    "on_nan=skip",
    "data.augment=null",
    "data.pipeline=poisoned",
    "data.pipeline_arguments="
    '{"preprocessing": [{"op": "grayscale"}, {"op": "pad", "margin": 2, "value": 0},'
    ' {"op": "scale", "factor": 0.005, "offset": -0.1}]}',
)
PAIRS = (
    *FP64,
    "optimizer.lr=0.03",
    "accumulate=2",
    "data.augment=null",
    "data.pipeline=pairs",
    'data.pipeline_arguments={"augment": "affine", "preprocessing": [{"op": "grayscale"},'
    ' {"op": "pad", "margin": 2, "value": 0}, {"op": "scale", "factor": 0.005, "offset": -0.1}]}',
    "task.name=pairs",
)


WORDS = ("precision=fp64", "optimizer.lr=0.5", "report_every=7")


def segment(folder: str, workers: int, overrides: tuple[str, ...], until: int = STEPS) -> Any:
    return {"folder": folder, "workers": workers, "overrides": overrides, "until": until}


SEGMENTS = [
    *(segment(f"fp64-{workers}", workers, FP64) for workers in (1, 2, 3)),
    *(segment(f"fp32-{workers}", workers, COMMON) for workers in (1, 2, 3)),
    segment("changing", 1, FP64, until=17),
    segment("changing", 3, FP64, until=34),
    segment("changing", 2, FP64),
    segment("fsdp-2", 2, FSDP),
    segment("fsdp-to-ddp", 3, FSDP, until=20),
    segment("fsdp-to-ddp", 2, FP64, until=35),
    segment("fsdp-to-ddp", 2, FSDP),
    segment("norm-ddp", 2, NORM),
    segment("norm-fsdp", 2, (*NORM, "scaling.strategy=fsdp")),
    *(segment(f"poisoned-{workers}", workers, POISONED) for workers in (1, 2)),
    *(segment(f"pairs-{workers}", workers, PAIRS) for workers in (1, 3)),
    segment("poisoned-fsdp", 3, (*POISONED, "scaling.strategy=fsdp")),
]


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory,
    digits_shards: Path,
    bundled_shards: Callable[[str], Path],
) -> Iterator[Path]:
    """The folder of all runs: three processes go through the plan."""
    folder = tmp_path_factory.mktemp("worlds")
    plan = folder / "plan.json"
    words = {"recipe": "skip-gram-mini", "shards": str(bundled_shards("facts"))}
    segments = [*SEGMENTS, *(segment(f"words-{n}", n, WORDS) | words for n in (1, 3))]
    plan.write_text(json.dumps({"shards": str(digits_shards), "segments": segments}))
    logs = [(folder / f"log-{rank}.txt").open("wb") for rank in range(3)]
    workers = [
        subprocess.Popen([sys.executable, str(FLEET), str(rank), str(plan)], stderr=log)
        for rank, log in enumerate(logs)
    ]
    try:
        ended = [worker.wait(timeout=600) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    said = [(folder / f"log-{rank}.txt").read_text()[-2000:] for rank in range(3)]
    assert ended == [0, 0, 0], said
    yield folder


def curve(runs: Path, name: str) -> list[float]:
    """The loss of each of the steps."""
    losses = dict(history(MetricLogReader(runs / name / "spool.jsonl").read())["train/loss"])
    assert list(losses) == list(range(1, STEPS + 1))
    return list(losses.values())


def furthest(one: list[float], other: list[float]) -> float:
    """The largest relative difference of two curves."""
    assert [math.isnan(a) for a in one] == [math.isnan(b) for b in other]
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if not math.isnan(b)]
    return max(abs(a - b) / abs(b) for a, b in pairs)


@pytest.mark.parametrize("name", ["fp64-2", "fp64-3", "changing", "fsdp-2", "fsdp-to-ddp"])
def test_the_loss_curve_is_that_of_one_undisturbed_worker(runs: Path, name: str) -> None:
    """Also with 1, then 3, then 2 workers; and sharded, with gradients summed up in parts."""
    assert furthest(curve(runs, name), curve(runs, "fp64-1")) < 1e-9


def test_in_float32_the_curves_differ_by_rounding_alone(
    runs: Path, record_property: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    one = curve(runs, "fp32-1")
    apart = {world: furthest(curve(runs, f"fp32-{world}"), one) for world in (2, 3)}
    record_property("float32_difference", apart)
    with capsys.disabled():
        print(f"\nfloat32, {STEPS} steps, against one worker: {apart}")
    assert max(apart.values()) < 1e-3


def test_sharded_workers_hold_their_share_of_weights_and_momenta(runs: Path) -> None:
    (whole,) = held(runs, "fp64-1")
    assert held(runs, "fp64-2") == [whole, whole]
    shares = held(runs, "fsdp-2")
    assert sum(shares) == whole and max(shares) < 0.6 * whole


def held(runs: Path, name: str) -> list[int]:
    """Numbers of weights and momenta on each worker."""
    return [int(file.read_text()) for file in sorted((runs / name).glob("held-*.txt"))]


def test_running_statistics_are_those_of_rank_0_sharded_or_not(runs: Path) -> None:
    assert furthest(curve(runs, "norm-fsdp"), curve(runs, "norm-ddp")) < 1e-9
    ours = Bundle.open(runs / "norm-fsdp" / "bundle").state()
    theirs = Bundle.open(runs / "norm-ddp" / "bundle").state()
    assert not torch.equal(theirs["maps.1.running_mean"], torch.zeros(6))
    assert all(torch.allclose(ours[key], theirs[key], rtol=1e-5, atol=1e-7) for key in ours)


@pytest.mark.parametrize("name", ["fp64-3", "changing", "fsdp-2", "fsdp-to-ddp"])
def test_averaged_weights_and_metrics_are_those_of_one_worker(runs: Path, name: str) -> None:
    left, right = Bundle.open(runs / name / "bundle"), Bundle.open(runs / "fp64-1" / "bundle")
    ours, theirs = left.state(), right.state()
    assert ours.keys() == theirs.keys()
    assert all(torch.allclose(ours[key], theirs[key], rtol=1e-5, atol=1e-7) for key in ours)
    one, other = (
        RunOutcome.model_validate_json((runs / run / "outcome.json").read_bytes())
        for run in (name, "fp64-1")
    )
    assert one.metrics == pytest.approx(other.metrics, rel=1e-6)
    assert one.confusion == other.confusion
    assert [(m.row, m.true, m.predicted) for m in one.mistakes] == [
        (m.row, m.true, m.predicted) for m in other.mistakes
    ]
    assert len(one.mistakes) > 0


@pytest.mark.parametrize("name", ["poisoned-2", "poisoned-fsdp"])
def test_all_workers_skip_the_same_steps_and_each_keeps_its_samples(runs: Path, name: str) -> None:
    alone = curve(runs, "poisoned-1")
    skipped = [step for step, loss in enumerate(alone, start=1) if math.isnan(loss)]
    assert 2 <= len(skipped) <= 4
    assert furthest(curve(runs, name), alone) < 1e-9
    for step in skipped:
        files = sorted((runs / name / "nan").glob(f"step-{step:08d}-rank-*.json"))
        kept = [json.loads(file.read_text()) for file in files]
        assert [one["rank"] for one in kept] == list(range(kept[0]["workers"]))
        (whole,) = (runs / "poisoned-1" / "nan").glob(f"step-{step:08d}-rank-*.json")
        rows = json.loads(whole.read_text())["rows"]
        assert sorted(row for one in kept for row in one["rows"]) == sorted(rows)
        assert {5, 700} & set(rows)


def test_pairs_and_their_dropout_are_those_of_one_worker(runs: Path) -> None:
    """Both members go through the network with their sample's masks, whoever has the sample."""
    assert furthest(curve(runs, "pairs-3"), curve(runs, "pairs-1")) < 1e-9
    one, other = (
        RunOutcome.model_validate_json((runs / run / "outcome.json").read_bytes())
        for run in ("pairs-3", "pairs-1")
    )
    assert one.metrics == pytest.approx(other.metrics, rel=1e-6)
    assert [(m.row, m.true, m.evidence.split(",")[0]) for m in one.mistakes] == [
        (m.row, m.true, m.evidence.split(",")[0]) for m in other.mistakes
    ]
    assert len(one.mistakes) > 0


def test_sparse_gradients_are_summed_over_the_workers(runs: Path) -> None:
    """What is drawn of a text is a function of its place, so every worker draws its own part."""
    assert furthest(curve(runs, "words-3"), curve(runs, "words-1")) < 1e-9
