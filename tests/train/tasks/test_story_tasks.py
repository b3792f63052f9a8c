"""Tasks of stories: the margin ranking loss by its sums, and what a bundle says of the network."""

import pytest
import torch
from torch import Tensor

from striate.core.bundle import TensorSpec
from striate.core.errors import RecipeError
from striate.data.stream.batch import Batch
from striate.models.layers.story_words import NONE
from striate.models.memory_network import MemoryNetwork
from striate.train.config import TaskConfig
from striate.train.tasks.answers import Answers
from striate.train.tasks.memories import Memories

pytestmark = pytest.mark.unit

CLASSES = 30
TAKEN = TensorSpec(dtype="float32", shape=(5, 4), layout="LW", units="word number")


def batch_of(count: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    tensors = {
        "features": torch.randint(1, 7, (count, 5, 4), generator=generator),
        "labels": torch.randint(0, 6, (count,), generator=generator),
        "supports": torch.tensor([[2, 0], [1, NONE], [3, 2], [NONE, NONE]])[:count],
        "rows": torch.arange(count),
        "units": torch.zeros(count, dtype=torch.int64),
    }
    return Batch(tensors, count, 0, count)


def network(**changes: bool) -> MemoryNetwork:
    torch.manual_seed(0)
    return MemoryNetwork(CLASSES, dim=5, sentences=4, words=4, **changes)


def test_the_loss_is_the_sum_over_all_others() -> None:
    batch, model, margin = batch_of(4), network(), 0.3
    task = Memories(TaskConfig(name="memories", arguments={"margin": margin}), CLASSES)
    outputs = {name: one.detach() for name, one in task.compute(model, batch).items()}
    wanted = 0.0
    for at, supports in enumerate(batch.tensors["supports"].tolist()):
        for hop, true in enumerate(supports):
            if hop and supports[hop - 1] == NONE:
                continue  # the search had ended
            for other in range(5):
                if other == (4 if true == NONE else true) or other in supports[:hop]:
                    continue
                wanted += max(0.0, margin - float(outputs["over"][at, hop, other]))
                wanted += max(0.0, margin + float(outputs["under"][at, hop, other]))
        scores, label = outputs["answers"][at], int(batch.labels[at])
        others = [float(one) for place, one in enumerate(scores) if place != label]
        wanted += sum(max(0.0, margin - float(scores[label]) + other) for other in others)
    assert float(task.loss(outputs, batch)) == pytest.approx(wanted, rel=1e-5)


def test_without_time_each_other_memory_is_counted_once() -> None:
    batch, model = batch_of(2), network(time=False)
    task = Memories(TaskConfig(name="memories"), CLASSES)
    outputs = {name: one.detach() for name, one in task.compute(model, batch).items()}
    answers = task.loss({**outputs, "others": torch.zeros_like(outputs["others"])}, batch)
    hops = (0.1 - outputs["over"]).clamp(min=0) * outputs["others"]
    assert float(task.loss(outputs, batch) - answers) == pytest.approx(float(hops.sum()), rel=1e-5)


def test_a_question_is_supported_when_all_of_its_memories_are_found() -> None:
    batch = batch_of(4)
    task = Memories(TaskConfig(name="memories"), CLASSES)
    found = batch.tensors["supports"].clone()
    found[0, 1], found[1, 1] = 1, 0
    answers = torch.nn.functional.one_hot(batch.labels.clone(), CLASSES).float()
    answers[3] = answers[3].roll(1)
    counts = task.count({"answers": answers, "memories": found}, batch)
    metrics = (task.zero(torch.device("cpu")) + counts).metrics()
    assert (metrics["support_accuracy"], metrics["answer_accuracy"]) == (0.5, 0.75)
    (mistake,) = task.mistakes({"answers": answers, "memories": found}, batch).worst
    assert (mistake.row, mistake.predicted) == (3, int(batch.labels[3]) + 1)


def test_one_step_moves_every_part_that_the_batch_calls_for() -> None:
    model, batch = network(), batch_of(4)
    task = Memories(TaskConfig(name="memories"), CLASSES)
    task.loss(task.compute(model, batch), batch).backward()  # type: ignore[no-untyped-call]
    named = model.named_parameters()
    still = {name for name, one in named if one.grad is None or not one.grad.any()}
    assert still == {"o.words.contexts.vectors", "r.words.contexts.vectors"}  # no unseen words


@pytest.mark.parametrize("kind", [Memories, Answers])
def test_a_bundle_takes_stories_of_any_length(kind: type[Memories] | type[Answers]) -> None:
    task = kind(TaskConfig(name="x"), CLASSES)
    signature = task.signature(network(), TAKEN, tuple(map(str, range(CLASSES))))
    assert signature.inputs["story"].shape == ("lines", "words")
    assert signature.inputs["story"].dtype == "int64"
    assert signature.outputs["answers"].shape == (CLASSES,)
    assert ("memories" in signature.outputs) == (kind is Memories)


def test_a_margin_of_nothing_is_refused() -> None:
    with pytest.raises(RecipeError, match="margin"):
        Memories(TaskConfig(name="memories", arguments={"margin": 0}), CLASSES)


def test_answers_are_learnt_by_cross_entropy() -> None:
    batch, task = batch_of(3), Answers(TaskConfig(name="answers"), CLASSES)
    logits: Tensor = torch.randn(3, CLASSES, dtype=torch.float64)
    wanted = -logits.log_softmax(1)[torch.arange(3), batch.labels].sum()
    assert float(task.loss({"output": logits}, batch)) == pytest.approx(float(wanted))
    assert set(task.count({"output": logits}, batch).metrics()) == {
        "answer_accuracy", "answer_top5", "loss"
    }  # fmt: skip
