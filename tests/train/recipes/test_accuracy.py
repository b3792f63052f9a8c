"""The recipes reach the held-out accuracy that their docstrings promise."""

from collections.abc import Callable
from pathlib import Path

import pytest

from striate.core.bundle import Bundle
from striate.data.ingest.ingest import ingest
from striate.train.distributed.world import World
from striate.train.faces.described import describe_split
from striate.train.faces.verification import pairs_of, verify_descriptors
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


def test_the_network_of_2007_tells_faces_of_unknown_people_and_their_poses(
    make_run_on: Callable[..., Run], tmp_path: Path
) -> None:
    ingest("poses", tmp_path / "corpus", tmp_path / "shards", workers=1, size=2000)
    run = make_run_on(tmp_path / "shards", "face-pose-mini")
    train(run, World())
    outcome = RunOutcome.model_validate_json(run.folder.outcome.read_bytes())
    assert outcome.metrics["auc"] >= 0.95
    assert outcome.metrics["face_accuracy"] >= 0.88
    assert outcome.metrics["yaw_within_15"] >= 0.5
    assert outcome.metrics["roll_within_15"] >= 0.7


def test_deepface_knows_people_again_and_is_tuned_on_pairs_of_them(
    make_run_on: Callable[..., Run], tmp_path: Path
) -> None:
    """Forty people: thirty are learnt, and ten others are told from one another in five folds."""
    shards = tmp_path / "shards"
    ingest("identities", tmp_path / "corpus", shards, workers=1, size=40)
    run = make_run_on(shards, "deepface-identities-mini", "model.arguments.classes=40")
    train(run, World())
    outcome = RunOutcome.model_validate_json(run.folder.outcome.read_bytes())
    assert sum(map(sum, outcome.confusion)) == 30, "a picture of each one who is learnt"
    assert outcome.metrics["top1"] >= 0.6
    bundle = Bundle.open(run.folder.bundle)
    plain = verify_descriptors(describe_split(bundle, shards, "test"), pairs_of(shards))
    assert plain.auc >= 0.7
    weights = f"model.weights={bundle.path}"
    tuned = make_run_on(shards, "deepface-siamese-mini", weights, folder="tuned")
    train(tuned, World())
    outcome = RunOutcome.model_validate_json(tuned.folder.outcome.read_bytes())
    assert outcome.metrics["auc"] >= 0.85
    described = describe_split(Bundle.open(tuned.folder.bundle), shards, "test")
    assert verify_descriptors(described, pairs_of(shards), "manhattan").auc > plain.auc
