"""The recipes reach the held-out accuracy that their docstrings promise."""

from collections.abc import Callable

import pytest

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
