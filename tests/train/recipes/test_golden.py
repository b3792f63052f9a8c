"""Golden curves: the first ten losses of every small recipe, on one thread and on two.

``STRIATE_GOLDEN=write pytest tests/train/recipes/test_golden.py`` writes the files anew: do that
for a change that is meant to change what is learnt, and look at the difference before it is
committed.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from striate.train.distributed.world import World
from striate.train.loop.train import train
from striate.train.recipes import RECIPES
from striate.train.run.folder import Run
from striate.train.tracking.metric_log import MetricLogReader, history

pytestmark = pytest.mark.unit

GOLDEN = Path(__file__).parent / "golden"
STEPS = 10
BATCH = 8
# Sums are added in another order on another number of threads or another processor. In float32 ten
# steps make percents of that in networks without normalisation (DeepFace between AVX2 and AVX-512),
# as much as a wrong rate, mask or crop does; in float64 they make nothing of it. (The corpora are
# drawn without NumPy's AVX-512: see the outermost conftest.)
PRECISION = "precision=fp64"
TOLERANCE = 1e-4
SMALL = [name for name in RECIPES if name.endswith(("-mini", "-digits"))]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", SMALL)
def test_the_first_ten_losses_are_the_golden_ones(
    name: str, threads: int, make_short_run: Callable[..., Run]
) -> None:
    torch.set_num_threads(threads)
    run = make_short_run(name, STEPS, PRECISION, batch=BATCH)
    train(run, World())
    losses = dict(history(MetricLogReader(run.folder.metric_log).read())["train/loss"])
    file = GOLDEN / f"{name}.txt"
    if threads == 1 and os.environ.get("STRIATE_GOLDEN") == "write":
        file.write_text("".join(f"{step} {loss:.6f}\n" for step, loss in sorted(losses.items())))
    lines = [line.split() for line in file.read_text().splitlines()]
    golden = {int(step): float(loss) for step, loss in lines}
    assert list(losses) == list(range(1, STEPS + 1))
    assert losses == pytest.approx(golden, rel=TOLERANCE)
