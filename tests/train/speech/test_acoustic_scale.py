"""The weight of frames' scores is the one that makes the fewest errors on what is kept for it."""

from collections.abc import Callable

import pytest

from striate.core.bundle import Bundle
from striate.models.speech.word_errors import WordErrors
from striate.train.distributed.world import World
from striate.train.loop.train import train
from striate.train.run.folder import Run
from striate.train.speech.acoustic_scale import best_scale, errors_by_scale
from striate.train.speech.word_error_rate import read_split, total_errors

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("errors", "best"),
    [
        ({0.1: 3, 0.2: 1, 0.5: 2}, 0.2),
        ({0.5: 1, 0.1: 1, 0.2: 1, 1.0: 7}, 0.2),
        ({0.1: 2, 0.2: 2}, 0.2),
        ({0.3: 0}, 0.3),
    ],
)
def test_of_the_fewest_errors_the_middle_one_is_taken(
    errors: dict[float, int], best: float
) -> None:
    assert best_scale({scale: WordErrors(count) for scale, count in errors.items()}) == best


def test_a_scale_reads_the_whole_split(make_short_run: Callable[..., Run]) -> None:
    run = make_short_run("speech-states-mini", 2)
    train(run, World())
    bundle = Bundle.open(run.folder.bundle)
    found = errors_by_scale(bundle, run.spec.shards, "test", (0.15,))
    assert list(found) == [0.15]
    assert found[0.15] == total_errors(read_split(bundle, run.spec.shards, "test"))
