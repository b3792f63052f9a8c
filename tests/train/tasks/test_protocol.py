"""The task protocol fits what is to come: triplets, boxes, sequences, and energies.

Each small task goes through the loop's own step and through an evaluation that is split in several
ways; the loop knows of none of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.bundle import TensorSpec
from striate.data.stream.batch import Batch
from striate.train.distributed.world import World
from striate.train.loop.train import train_step
from striate.train.recipes.resolve import resolve
from striate.train.tasks.base import ShowsMistakes, Task
from striate.train.tasks.outputs import OUTPUT, Network, Outputs, compute_views, name_outputs
from striate.train.tasks.signature import Signature

pytestmark = pytest.mark.unit

SIZE = 24
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Means:
    """(3,) sums: samples, score, loss."""

    sums: Tensor
    confusion: None = None

    def __add__(self, other: "Means") -> "Means":
        return Means(self.sums + other.sums)

    def pack(self) -> Tensor:
        return self.sums

    def metrics(self) -> dict[str, float]:
        samples, score, loss = self.sums.tolist()
        return {"score": score / samples, "loss": loss / samples}


class Toy:
    """What the small tasks share; `score` is one number a sample, larger is better."""

    headline, unit, by_row, per_label = "score", "samples", False, False

    def compute(self, network: Network, batch: Batch) -> Outputs:
        return name_outputs(network(batch.inputs))

    def predict(self, network: Network, batch: Batch) -> Outputs:
        return self.compute(network, batch)

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        raise NotImplementedError

    def score(self, outputs: Outputs, batch: Batch) -> Tensor:
        raise NotImplementedError

    def zero(self, device: torch.device) -> Means:
        return Means(torch.zeros(3, dtype=torch.float64, device=device))

    def unpack(self, packed: Tensor, device: torch.device) -> Means:
        return Means(packed.to(device))

    def count(self, outputs: Outputs, batch: Batch) -> Means:
        score, loss = self.score(outputs, batch).sum(), self.loss(outputs, batch)
        return Means(
            torch.stack([torch.tensor(batch.size).double(), score.double(), loss.double()])
        )

    def signature(self, model: nn.Module, taken: TensorSpec, labels: tuple[str, ...]) -> Signature:
        return Signature({"input": taken}, {"output": taken})


class Triplets(Toy):
    """An anchor nearer to its like than to another, by a margin; three views of one network."""

    def compute(self, network: Network, batch: Batch) -> Outputs:
        names = ("images", "likes", "others")
        views = compute_views(network, [batch.tensors[name] for name in names], batch)
        return {name: view[OUTPUT] for name, view in zip(names, views, strict=True)}

    def _apart(self, outputs: Outputs) -> Tensor:
        anchor, like, other = (outputs[name] for name in ("images", "likes", "others"))
        return (anchor - like).square().sum(1) - (anchor - other).square().sum(1)

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        return F.relu(1 + self._apart(outputs)).sum()

    def score(self, outputs: Outputs, batch: Batch) -> Tensor:
        return (self._apart(outputs) < 0).double()


class Boxes(Toy):
    """Named outputs, and as many targets a sample as there are: padded, with a mask."""

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        there = batch.tensors["there"]
        each = (outputs["boxes"] - batch.tensors["boxes"]).abs().sum(2) * there
        found = F.binary_cross_entropy_with_logits(outputs["found"], there, reduction="none")
        return (each.sum(1) / there.sum(1) + found.mean(1)).sum()

    def score(self, outputs: Outputs, batch: Batch) -> Tensor:
        return ((outputs["found"] > 0) == batch.tensors["there"].bool()).double().mean(1)


class Sequences(Toy):
    """Token sequences of unequal length, by connectionist temporal classification."""

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        log_p = outputs[OUTPUT].log_softmax(2).transpose(0, 1)
        frames = torch.full((batch.size,), log_p.shape[0])
        lengths = batch.tensors["lengths"]
        losses = F.ctc_loss(log_p, batch.tensors["tokens"], frames, lengths, reduction="none")
        return (losses / lengths).sum()

    def score(self, outputs: Outputs, batch: Batch) -> Tensor:
        return (outputs[OUTPUT].argmax(2)[:, 0] == batch.tensors["tokens"][:, 0]).double()


class Energies(Toy):
    """The energy of an answer is low where it is right; inference goes down the energy."""

    def compute(self, network: Network, batch: Batch) -> Outputs:
        answers = batch.tensors["answers"]
        right, wrong = (network(batch.inputs, one) for one in (answers, answers.roll(1, 0) + 1))
        return {"right": name_outputs(right)[OUTPUT], "wrong": name_outputs(wrong)[OUTPUT]}

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        if "answers" in outputs:
            return (outputs["answers"] - batch.tensors["answers"]).square().sum()
        return (outputs["right"] + F.relu(1 - outputs["wrong"])).sum()

    def predict(self, network: Network, batch: Batch) -> Outputs:
        answers = torch.zeros_like(batch.tensors["answers"])
        for _ in range(20):
            with torch.enable_grad():
                answers.requires_grad_()
                energy = name_outputs(network(batch.inputs, answers))[OUTPUT].sum()
            (slope,) = torch.autograd.grad(energy, answers)
            answers = (answers - 0.2 * slope).detach()
        return {"answers": answers}

    def score(self, outputs: Outputs, batch: Batch) -> Tensor:
        return -(outputs["answers"] - batch.tensors["answers"]).square().sum(1)


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.boxes, self.found = nn.Linear(6, 12), nn.Linear(6, 3)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"boxes": self.boxes(images).view(-1, 3, 4), "found": self.found(images)}


class Energy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = nn.Linear(6, 2)

    def forward(self, images: Tensor, answers: Tensor) -> Tensor:
        energies: Tensor = (self.answer(images) - answers).square().sum(1)
        return energies


def batch_of() -> Batch:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(SIZE, *shape, generator=generator)

    images = normal(6)
    lengths = torch.arange(SIZE) % 3 + 1
    tensors = {
        "images": images,
        "likes": images + 0.3 * normal(6),
        "others": normal(6),
        "boxes": images[:, :4, None].expand(-1, -1, 3).transpose(1, 2),
        "there": (torch.arange(3) < lengths[:, None]).float(),
        "tokens": torch.randint(1, 5, (SIZE, 3), generator=generator),
        "lengths": lengths,
        "answers": images[:, :2] * 2,
        "rows": torch.arange(SIZE),
    }
    return Batch(tensors, SIZE, 0, SIZE)


def part_of(batch: Batch, chosen: slice) -> Batch:
    return batch.map(lambda one: one[chosen])


def tokens() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8 * 5), nn.Unflatten(1, (8, 5)))


@pytest.mark.parametrize(
    ("task", "make"),
    [
        (Triplets(), lambda: nn.Linear(6, 3)),
        (Boxes(), TwoHeads),
        (Sequences(), tokens),
        (Energies(), Energy),
    ],
)
def test_a_task_of_another_kind_learns_and_is_counted_exactly(
    task: Task, make: Callable[[], nn.Module]
) -> None:
    torch.manual_seed(0)
    network, batch, world = make(), batch_of(), World()
    recipe = resolve("lenet5-digits", ["accumulate=2", f"batch_size={SIZE}"])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
    losses = [
        float(train_step(network, optimizer, task, batch, recipe, world).loss) for _ in range(60)
    ]
    assert losses[-1] < losses[0] / 1.5
    with torch.no_grad():
        whole = task.count(task.predict(network, batch), batch)
        for cuts in ((0, 5, 24), (0, 1, 2, 17, 24)):
            tally = task.zero(CPU)
            for start, stop in pairwise(cuts):
                part = part_of(batch, slice(start, stop))
                tally = tally + task.count(task.predict(network, part), part)
            found = task.unpack(tally.pack(), CPU).metrics()
            assert found == pytest.approx(whole.metrics(), rel=1e-5)
    assert not isinstance(task, ShowsMistakes)
    assert task.headline in whole.metrics()


def test_answers_go_down_the_energy_though_evaluation_takes_no_gradients() -> None:
    torch.manual_seed(0)
    network, batch = Energy(), batch_of()
    with torch.no_grad():
        network.answer.weight.zero_()
        network.answer.bias.copy_(torch.tensor([1.0, -2.0]))
        answers = Energies().predict(network, batch)["answers"]
    assert torch.allclose(answers, torch.tensor([1.0, -2.0]).expand(SIZE, 2), atol=1e-3)
