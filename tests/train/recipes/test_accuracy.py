"""The recipes reach the held-out accuracy that their docstrings promise."""

from collections.abc import Callable
from pathlib import Path

import pytest

from striate.data.ingest.ingest import ingest
from striate.train.distributed.world import World
from striate.train.loop.train import train
from striate.train.run.folder import Run
from striate.train.run.spec import RunOutcome

pytestmark = pytest.mark.unit


def test_vgg_of_an_eighth_tells_held_out_faces_from_what_is_none(
    make_bundled_run: Callable[..., Run],
) -> None:
    run = make_bundled_run("faces-mini")
    train(run, World())
    outcome = RunOutcome.model_validate_json(run.folder.outcome.read_bytes())
    assert sum(map(sum, outcome.confusion)) == 40, "a fixed fifth of the patches, all of it"
    assert outcome.metrics["top1"] >= 0.95


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_lenet5_reads_99_of_100_held_out_digits(make_run: Callable[..., Run], seed: int) -> None:
    run = make_run("lenet5-digits", f"seed={seed}")
    train(run, World())
    outcome = RunOutcome.model_validate_json(run.folder.outcome.read_bytes())
    assert sum(map(sum, outcome.confusion)) == 360, "a fixed fifth of the digits, all of it"
    assert outcome.metrics["top1"] >= 0.99


def test_embeddings_tell_pairs_of_one_digit_from_pairs_of_two(
    make_run: Callable[..., Run],
) -> None:
    run = make_run("pairs-mini")
    train(run, World())
    outcome = RunOutcome.model_validate_json(run.folder.outcome.read_bytes())
    assert outcome.metrics["pair_accuracy"] >= 0.96
    assert outcome.metrics["auc"] >= 0.985
    assert outcome.metrics["equal_error"] <= 0.05


def test_a_small_network_labels_the_pixels_of_held_out_scenes(
    make_run_on: Callable[..., Run], tmp_path: Path
) -> None:
    ingest("scenes", tmp_path / "corpus", tmp_path / "shards", workers=1)
    run = make_run_on(tmp_path / "shards", "scenes-mini")
    train(run, World())
    outcome = RunOutcome.model_validate_json(run.folder.outcome.read_bytes())
    assert outcome.metrics["pixel_accuracy"] >= 0.91
    assert outcome.metrics["mean_iou"] >= 0.78
