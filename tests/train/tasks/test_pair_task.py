"""Pairs: the loss by its formula, rates by counting all pairs, and pictures of what is named."""

import itertools
import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from striate.core.bundle import TensorSpec
from striate.core.errors import RecipeError
from striate.data.stream.batch import Batch
from striate.models.lenet5 import lenet5_modern
from striate.train.config import TaskConfig
from striate.train.recipes.resolve import resolve
from striate.train.tasks.base import ShowsMistakes
from striate.train.tasks.pair_counts import BINS, PairCounts
from striate.train.tasks.pairs import DISTANCE, Pairs

pytestmark = pytest.mark.unit


def task_of(**arguments: float) -> Pairs:
    return Pairs(TaskConfig(name="pairs", arguments=arguments), 10)


def batch_of(first: Tensor, second: Tensor, same: list[int]) -> Batch:
    rows = torch.arange(len(same))
    tensors = {
        "images": first,
        "others": second,
        "labels": torch.tensor(same),
        "rows": rows,
        "other_rows": rows + 100,
    }
    return Batch(tensors, len(same), 0, len(same))


def embed(images: Tensor) -> Tensor:
    """The image itself as its embedding."""
    return images


def test_the_loss_is_that_of_hadsell_chopra_lecun() -> None:
    """½ D² where both are of one class, ½ max(0, m − D)² where they are not (equation 4)."""
    task = task_of(margin=2.0)
    first = torch.zeros(4, 2, dtype=torch.float64, requires_grad=True)
    second = torch.tensor([[3.0, 4], [0.3, 0.4], [0.9, 1.2], [6, 8]], dtype=torch.float64)
    batch = batch_of(first, second, [1, 1, 0, 0])
    outputs = task.compute(embed, batch)
    assert outputs[DISTANCE].tolist() == pytest.approx([5, 0.5, 1.5, 10])
    loss = task.loss(outputs, batch)
    assert loss.item() == pytest.approx((25 + 0.25 + 0.5**2 + 0) / 2)
    (gradient,) = torch.autograd.grad(loss, first)
    # one class: x − y; two: −(m − D) (x − y) / D within the margin, nothing beyond
    expected = torch.stack(
        [-second[0], -second[1], 0.5 * second[2] / 1.5, torch.zeros(2, dtype=torch.float64)]
    )
    assert torch.allclose(gradient, expected)


def test_a_manhattan_distance_is_the_sum_of_absolute_differences() -> None:
    task = Pairs(TaskConfig(name="pairs", arguments={"distance": "manhattan", "margin": 4.0}), 10)
    second = torch.tensor([[1.0, -2], [0.5, 0.5]])
    batch = batch_of(torch.zeros(2, 2), second, [1, 0])
    outputs = task.compute(embed, batch)
    assert outputs[DISTANCE].tolist() == [3.0, 1.0]
    assert task.loss(outputs, batch).item() == pytest.approx((3**2 + 3**2) / 2)
    edge = TensorSpec(dtype="float32", shape=(1, 32, 32), layout="CHW", units="intensity")
    (output,) = task.signature(lenet5_modern(8), edge, ()).outputs.values()
    assert output.units.endswith("below a Manhattan distance of 2")


def test_twins_have_a_gradient_without_holes() -> None:
    task, point = task_of(), torch.ones(2, 3, requires_grad=True)
    batch = batch_of(point, torch.ones(2, 3), [1, 0])
    (gradient,) = torch.autograd.grad(task.loss(task.compute(embed, batch), batch), point)
    assert gradient.isfinite().all()


@given(
    pairs=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 1)), min_size=1, max_size=40),
    cut=st.integers(0, 40),
)
def test_rates_are_those_of_all_pairs_of_pairs_however_they_are_split(
    pairs: list[tuple[int, int]], cut: int
) -> None:
    distances = torch.tensor([step / 4 for step, _ in pairs], dtype=torch.float64)
    same = torch.tensor([kind for _, kind in pairs])

    def counts(part: slice) -> PairCounts:
        loss = distances[part].sum()
        return PairCounts.of(distances[part], same[part], loss, threshold=1.0, reach=8.0)

    whole = counts(slice(None))
    split = counts(slice(None, cut)) + counts(slice(cut, None))
    assert torch.equal(split.pack(), whole.pack())
    assert PairCounts.unpack(whole.pack()).metrics() == whole.metrics()
    metrics = whole.metrics()
    right = sum((step < 4) == bool(kind) for step, kind in pairs)
    assert metrics["pair_accuracy"] == pytest.approx(right / len(pairs))
    close = [step for step, kind in pairs if kind]
    far = [step for step, kind in pairs if not kind]
    if not close or not far:
        assert (metrics["auc"], metrics["equal_error"]) == (0.5, 0.5)
        return
    wins = [(a < b) + (a == b) / 2 for a, b in itertools.product(close, far)]
    assert metrics["auc"] == pytest.approx(sum(wins) / len(wins))
    errors = [
        max(sum(b <= edge for b in far) / len(far), sum(a > edge for a in close) / len(close))
        for edge in range(13)
    ]
    assert metrics["equal_error"] == pytest.approx(min(errors))


def test_distances_beyond_the_histogram_are_in_its_last_bin() -> None:
    counts = PairCounts.of(
        torch.tensor([0.0, 1e9, 8.0]), torch.tensor([1, 0, 0]), torch.tensor(0.0), 1.0, 8.0
    )
    assert counts.histograms[:, [0, BINS - 1]].tolist() == [[0, 2], [1, 0]]
    assert counts.metrics()["auc"] == 1.0


def test_the_worst_pairs_are_those_farthest_on_the_wrong_side() -> None:
    task = task_of(margin=1.0, threshold=0.5)
    assert isinstance(task, ShowsMistakes)
    second = torch.tensor([[0.95], [2.0], [0.1], [0.4]])
    batch = batch_of(torch.zeros(4, 1), second, [1, 1, 0, 1])
    worst = task.mistakes(task.predict(embed, batch), batch).worst
    assert [(one.row, one.true, one.predicted) for one in worst] == [
        (1, 1, 0),
        (0, 1, 0),
        (2, 0, 1),
    ]
    other, distance = json.loads(worst[0].evidence)
    assert (other, distance) == (101, 2.0)


def test_wrong_arguments_of_a_task_are_named_before_anything_starts() -> None:
    with pytest.raises(RecipeError, match=r"pairs cannot take margn = 2.*margin, threshold"):
        resolve("pairs-mini", ["task.arguments.margn=2"])
    with pytest.raises(RecipeError, match=r"margin = -1"):
        resolve("pairs-mini", ["task.arguments.margin=-1"])
