"""The task of knowledge bases: the loss by its sums, set F1 by hand, and what a bundle says."""

import operator

import pytest
import torch

from striate.core.bundle import TensorSpec
from striate.core.errors import RecipeError
from striate.data.knowledge.calibration import CALIBRATION_FILE, Calibration
from striate.data.stream.batch import Batch
from striate.models.kb_embeddings import LOWEST, KnowledgeEmbeddings
from striate.train.config import TaskConfig
from striate.train.tasks.base import Calibrating, HasAssets, Task
from striate.train.tasks.knowledge import Knowledge
from striate.train.tasks.outputs import OUTPUT

pytestmark = pytest.mark.unit

CPU = torch.device("cpu")


def task(**arguments: float) -> Knowledge:
    return Knowledge(TaskConfig(name="knowledge", arguments=arguments), 0)


def batch_of(**tensors: torch.Tensor) -> Batch:
    count = len(next(iter(tensors.values())))
    return Batch({**tensors, "rows": torch.arange(count)}, count, 0, count)


def test_the_loss_ranks_the_true_candidate_and_the_paraphrase() -> None:
    scores = torch.tensor([[1.0, 0.95, 0.2], [0.0, 0.5, -2.0]])
    same, other = torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.3])
    outputs = {"scores": scores, "same": same, "other": other}
    batch = batch_of(labels=torch.zeros(2, dtype=torch.int64))
    wrong = (0.1 - 1 + 0.95) + (0.1 + 0.5)
    unlike = 0.1 + 0.3
    assert float(task(margin=0.1).loss(outputs, batch)) == pytest.approx(wrong + unlike)
    found = float(task(margin=0.1, paraphrases=0.0).loss(outputs, batch))
    assert found == pytest.approx(wrong)


def evaluated() -> tuple[dict[str, torch.Tensor], Batch]:
    scores = torch.tensor([[0.3, 0.9, LOWEST], [0.5, 0.4, 0.1], [0.2, 0.1, LOWEST]])
    batch = batch_of(
        labels=torch.tensor([1, 1, -1]),
        f1=torch.tensor([[0.0, 1.0, 0.0], [0.4, 1.0, 0.0], [0.0, 0.0, 0.0]]),
        right=torch.tensor([[False, True, False], [True, True, False], [False, False, False]]),
        sets=torch.arange(9).view(3, 3),
        hops=torch.tensor([1, 2, 0]),
    )
    return {OUTPUT: scores}, batch


def test_metrics_are_means_over_questions_and_add_up() -> None:
    outputs, batch = evaluated()
    mine = task()
    counts = mine.count(outputs, batch)
    metrics = counts.metrics()
    assert metrics["precision_at_1"] == pytest.approx(2 / 3)
    assert metrics["average_f1"] == pytest.approx((1 + 0.4 + 0) / 3)
    assert (metrics["one_hop_precision_at_1"], metrics["one_hop_average_f1"]) == (1, 1)
    assert metrics["two_hop_average_f1"] == pytest.approx(0.4)
    assert metrics["loss"] == pytest.approx((0.1 - 0.4 + 0.5) / 3)
    parts = [
        mine.count({OUTPUT: outputs[OUTPUT][rows]}, batch.map(operator.itemgetter(rows)))
        for rows in (slice(0, 1), slice(1, 3))
    ]
    packed = (parts[0] + parts[1]).pack()
    assert mine.unpack(packed, CPU).metrics() == pytest.approx(metrics)


def test_a_bundle_keeps_how_sure_an_answer_is() -> None:
    outputs, batch = evaluated()
    mine = task(threshold=0.25)
    assert isinstance(mine, Task) and isinstance(mine, HasAssets) and isinstance(mine, Calibrating)
    many = [batch.map(lambda one: one)] * 20
    for one in many:
        one.tensors["features"] = torch.zeros(3, 1)
    said = mine.calibrate(lambda lines: outputs[OUTPUT], many, "valid")
    fitted = Calibration.of_text(str(said[CALIBRATION_FILE]))
    assert (fitted.split, fitted.threshold, fitted.questions) == ("valid", 0.25, 20 * 6)
    sure, unsure = fitted.probability(0.9, 0.6), fitted.probability(0.2, 0.1)
    assert sure > 0.6 > 0.4 > unsure


def test_the_signature_scores_every_candidate() -> None:
    model = KnowledgeEmbeddings(candidates=3)
    taken = TensorSpec(dtype="float32", shape=model.input_shape, layout="LS", units="symbol")
    signature = task().signature(model, taken, ())
    assert signature.inputs["question"].dtype == "int64"
    assert signature.inputs["question"].shape == model.input_shape
    assert signature.outputs["answers"].shape == (3,)


def test_unknown_arguments_are_refused() -> None:
    with pytest.raises(RecipeError, match="margin = -1"):
        task(margin=-1)
    with pytest.raises(RecipeError, match="gamma"):
        task(gamma=0.1)
