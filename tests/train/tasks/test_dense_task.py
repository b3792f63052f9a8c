"""Dense labels: figures by counting pixels, unknown ones left out, and regions that are drawn."""

import numpy as np
import pytest
import torch
from torch import Tensor

from striate.core.bundle import TensorSpec
from striate.data.stream.batch import Batch
from striate.models.fcn import Fcn
from striate.train.config import TaskConfig
from striate.train.tasks.dense_labels import DenseLabels
from striate.train.tasks.outputs import name_outputs
from striate.train.tasks.region_drawings import decode_regions, encode_regions

pytestmark = pytest.mark.unit

CLASSES = 4
TASK = DenseLabels(TaskConfig(name="dense_labels"), CLASSES)


def batch_of(labels: Tensor) -> Batch:
    count = len(labels)
    tensors = {"images": torch.zeros(count, 3, 2, 2), "labels": labels}
    return Batch({**tensors, "rows": torch.arange(count) + 7}, count, 0, count)


def scores_of(classes: Tensor) -> Tensor:
    return 5 * torch.nn.functional.one_hot(classes, CLASSES).permute(0, 3, 1, 2).double()


LABELS = torch.tensor([[[0, 0, 1], [1, -1, -1]], [[2, 2, 2], [2, 0, 0]]])
FOUND = torch.tensor([[[0, 1, 1], [1, 3, 3]], [[2, 2, 0], [0, 0, 0]]])


def test_figures_are_those_of_the_labelled_pixels() -> None:
    """Of class 0, 3 of 4 are found and 2 others taken for it; 1: 2 of 2, 1 other; 2: 2 of 4."""
    metrics = TASK.count(name_outputs(scores_of(FOUND)), batch_of(LABELS)).metrics()
    assert metrics["pixel_accuracy"] == pytest.approx(7 / 10)
    assert metrics["class_accuracy"] == pytest.approx((3 / 4 + 1 + 2 / 4) / 3)
    assert metrics["mean_iou"] == pytest.approx((3 / 6 + 2 / 3 + 2 / 4) / 3)


def test_the_loss_is_a_mean_over_the_pixels_of_an_image_and_a_sum_over_images() -> None:
    torch.manual_seed(0)
    scores = torch.randn(2, CLASSES, 2, 3, dtype=torch.float64, requires_grad=True)
    outputs, batch = name_outputs(scores), batch_of(LABELS)
    log_p = scores.log_softmax(1)
    first = [log_p[0, c, y, x] for c, y, x in ((0, 0, 0), (0, 0, 1), (1, 0, 2), (1, 1, 0))]
    second = -log_p[1].gather(0, LABELS[1][None]).mean()
    loss = TASK.loss(outputs, batch)
    expected = -torch.stack(first).mean() + second
    assert loss.item() == pytest.approx(expected.item())
    (gradient,) = torch.autograd.grad(loss, scores)
    assert (gradient[0, :, 1, 1:] == 0).all() and (gradient[1] != 0).all()


def test_an_image_that_nobody_labelled_costs_nothing() -> None:
    batch = batch_of(torch.full((1, 2, 3), -1))
    outputs = name_outputs(torch.randn(1, CLASSES, 2, 3))
    assert float(TASK.loss(outputs, batch)) == 0
    metrics = TASK.count(outputs, batch).metrics()
    assert metrics == {"pixel_accuracy": 0, "class_accuracy": 0, "mean_iou": 0, "loss": 0}
    assert TASK.mistakes(outputs, batch).worst == ()


def test_the_worst_image_has_most_wrong_pixels_and_says_what_was_confused() -> None:
    worst = TASK.mistakes(name_outputs(scores_of(FOUND)), batch_of(LABELS)).worst
    assert [(one.row, one.true, one.predicted) for one in worst] == [(8, 2, 0), (7, 0, 1)]
    assert worst[0].score == pytest.approx(2 / 6)
    assert (decode_regions(worst[0].evidence) == FOUND[1].numpy()).all()


def test_regions_survive_as_text() -> None:
    regions = np.random.default_rng(0).integers(0, 256, (7, 9))
    assert (decode_regions(encode_regions(regions)) == regions).all()


def test_the_bundle_says_any_height_and_width() -> None:
    taken = TensorSpec(dtype="float32", shape=(3, 64, 64), layout="CHW", units="intensity")
    signature = TASK.signature(Fcn(CLASSES), taken, ("a", "b", "c", "d"))
    assert signature.inputs["input"].shape == (3, "height", "width")
    assert signature.outputs["scores"].shape == (4, "height", "width")
