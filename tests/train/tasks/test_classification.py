"""The classification task: its losses by their formulas, its counts however they are split."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.data.stream.batch import Batch
from striate.train.config import ScheduleConfig, TaskConfig
from striate.train.loop.lr_schedule import rate_at
from striate.train.tasks.classification import Classification
from striate.train.tasks.counts import Counts
from striate.train.tasks.outputs import name_outputs

pytestmark = pytest.mark.unit


def batch_of(labels: torch.Tensor) -> Batch:
    """A batch of which only the labels matter."""
    tensors = {"labels": labels, "rows": torch.arange(len(labels))}
    return Batch(tensors, len(labels), 0, len(labels))


def confusion_of(counts: Counts) -> torch.Tensor:
    """The matrix of a task with few classes."""
    assert counts.confusion is not None
    return counts.confusion


def test_the_map_criterion_is_equation_9_of_1998() -> None:
    """E = y_D + log(e^−j + Σ e^−y_i), on penalties y = −logits."""
    penalties = [[1.0, 5.0, 2.5], [30.0, 0.25, 40.0]]
    labels = [2, 1]
    j = 3.0
    expected = sum(
        row[label] + math.log(math.exp(-j) + sum(math.exp(-y) for y in row))
        for row, label in zip(penalties, labels, strict=True)
    )
    task = Classification(TaskConfig(loss="map", rejection_penalty=j), classes=3)
    loss = task.loss(name_outputs(-torch.tensor(penalties)), batch_of(torch.tensor(labels)))
    assert float(loss) == pytest.approx(expected, rel=1e-6)


@given(images=st.integers(1, 60), workers=st.integers(1, 5), seed=st.integers(0, 1000))
def test_counts_do_not_depend_on_the_split(images: int, workers: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(images, 7, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 7, (images,), generator=generator)
    task = Classification(TaskConfig(), classes=7)
    whole = task.count(name_outputs(logits), batch_of(labels))
    summed = Counts.zero(7, torch.device("cpu"))
    for rank in range(workers):
        if len(labels[rank::workers]):
            share = name_outputs(logits[rank::workers])
            summed = summed + task.count(share, batch_of(labels[rank::workers]))
    assert torch.equal(confusion_of(summed), confusion_of(whole))
    assert summed.metrics() == pytest.approx(whole.metrics(), rel=1e-5)
    unpacked = Counts.unpack(summed.pack(), 7)
    assert torch.equal(confusion_of(unpacked), confusion_of(whole))
    order = logits.float().argsort(1, descending=True)
    ranks = (order == labels[:, None]).nonzero()[:, 1]
    assert whole.metrics()["top1"] == pytest.approx(float((ranks < 1).double().mean()))
    assert whole.metrics()["top5"] == pytest.approx(float((ranks < 5).double().mean()))


def test_a_row_of_the_confusion_matrix_is_a_true_class() -> None:
    logits = torch.tensor([[0.0, 9.0, 0.0]])
    counts = Classification(TaskConfig(), classes=3).count(
        name_outputs(logits), batch_of(torch.tensor([2]))
    )
    assert confusion_of(counts).tolist() == [[0, 0, 0], [0, 0, 0], [0, 1, 0]]


@given(total=st.integers(1, 500), warmup=st.floats(0, 0.9), final=st.floats(0, 1))
def test_the_rate_rises_then_falls_and_never_leaves_its_range(
    total: int, warmup: float, final: float
) -> None:
    schedule = ScheduleConfig(warmup_share=warmup, final_share=final)
    rates = [rate_at(step, total, schedule) for step in range(total)]
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert all(0 < rate <= 1 for rate in rates)
    assert all(rate >= final - 1e-12 for rate in rates[round(warmup * total) :])
