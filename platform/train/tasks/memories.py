"""Answers out of memories: margin ranking of supporting facts that are told, and of answers.

Weston, Chopra, Bordes, "Memory networks", ICLR 2015, equations 6 to 8, as recalled: with x the
question, m the true memories, r the true answer and γ the margin, the sums over all others of
max(0, γ − s_O(x, m1) + s_O(x, f)), max(0, γ − s_O([x, m1], m2) + s_O([x, m1], f)) and
max(0, γ − s_R([x, m1, m2], r) + s_R([x, m1, m2], r')). With time, section 3.4, the first two are of
pairs, in both orders: max(0, γ − s_Ot(x, m, f)) + max(0, γ + s_Ot(x, f, m)). The paper draws some
of the others at each step; here all are summed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from striate.core.bundle import TensorSpec
from striate.core.numbers import Positive
from striate.data.pipelines.story_questions import SUPPORTS
from striate.data.stream.batch import Batch
from striate.train.config import TaskConfig
from striate.train.tasks.answers import (
    ANSWERS,
    CALIBRATION_SPLIT,
    NAMES,
    Answers,
    answers_spec,
    story_signature,
)
from striate.train.tasks.arguments import check_task_arguments
from striate.train.tasks.counts import Counts
from striate.train.tasks.mistakes import Mistakes
from striate.train.tasks.outputs import OUTPUT, Network, Outputs, name_outputs
from striate.train.tasks.signature import Signature
from striate.train.tasks.temperature import temperature_asset

MEMORIES = "memories"


@dataclass(frozen=True)
class MemoryCounts:
    """Sums over evaluated questions; additive over batches and workers. All are float64.

    Attributes:
        answers: of the answers.
        supported: () questions for which every memory was found, and none besides.
    """

    answers: Counts
    supported: Tensor

    @property
    def confusion(self) -> Tensor | None:
        """(classes, classes) counts of answers, true by most likely."""
        return self.answers.confusion

    def pack(self) -> Tensor:
        """All sums as one float64 vector."""
        return torch.cat([self.supported.view(1), self.answers.pack()])

    @classmethod
    def unpack(cls, packed: Tensor, classes: int) -> Self:
        """The inverse of `pack`."""
        return cls(Counts.unpack(packed[1:], classes, NAMES), packed[0])

    def __add__(self, other: "MemoryCounts") -> "MemoryCounts":
        return MemoryCounts(self.answers + other.answers, self.supported + other.supported)

    def metrics(self) -> dict[str, float]:
        """Those of the answers, and ``support_accuracy``, over all questions counted."""
        share = float(self.supported) / float(self.answers.samples)
        return {**self.answers.metrics(), "support_accuracy": share}


class MemoryArguments(BaseModel):
    """Of the task ``memories``.

    Attributes:
        margin: γ.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    margin: Positive = 0.1


class Memories:
    """Loss and counts of a memory network."""

    headline = NAMES[0]
    unit = "questions"
    by_row = False
    per_label = True

    def __init__(self, config: TaskConfig, classes: int) -> None:
        self.margin = check_task_arguments(MemoryArguments, config).margin
        self.classes = classes
        self._answers = Answers(config, classes)
        self.gather_assets = self._answers.gather_assets
        self.draw_mistakes = self._answers.draw_mistakes

    def compute(self, network: Network, batch: Batch) -> Outputs:
        """What each hop and the answer come to, the true memories of the hops before given."""
        return name_outputs(network(batch.inputs, batch.tensors[SUPPORTS]))

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """The sums of the module's text, summed over the questions."""
        others = outputs["others"]
        wrong = F.relu(self.margin - outputs["over"])
        if "under" in outputs:
            wrong = wrong + F.relu(self.margin + outputs["under"])
        return (wrong * others).sum() + self._ranking(outputs[ANSWERS], batch.labels)

    def _ranking(self, scores: Tensor, labels: Tensor) -> Tensor:
        true = scores.gather(1, labels[:, None])
        costs = F.relu(self.margin - true + scores)
        return costs.scatter(1, labels[:, None], 0.0).sum()

    def predict(self, network: Network, batch: Batch) -> Outputs:
        """``answers`` and ``memories``, from the question and the story alone."""
        return name_outputs(network(batch.inputs))

    def zero(self, device: torch.device) -> MemoryCounts:
        zero = torch.zeros((), dtype=torch.float64, device=device)
        return MemoryCounts(self._answers.zero(device), zero)

    def unpack(self, packed: Tensor, device: torch.device) -> MemoryCounts:
        return MemoryCounts.unpack(packed.to(device), self.classes)

    def count(self, outputs: Outputs, batch: Batch) -> MemoryCounts:
        """Counts of one batch; the loss is that of the answers, with the memories found."""
        scores = outputs[ANSWERS]
        answers = Counts.of(scores, batch.labels, self._ranking(scores, batch.labels), NAMES)
        found = (outputs[MEMORIES] == batch.tensors[SUPPORTS]).all(1)
        return MemoryCounts(answers, found.sum().double())

    def mistakes(self, outputs: Outputs, batch: Batch) -> Mistakes:
        """The wrong answers of one batch that are farthest ahead of the others."""
        return self._answers.mistakes({OUTPUT: outputs[ANSWERS]}, batch)

    @property
    def calibration_split(self) -> str:
        """Questions that the network has not learnt from."""
        return CALIBRATION_SPLIT

    def calibrate(
        self, network: Network, batches: Iterable[Batch], split: str
    ) -> Mapping[str, str | Path]:
        """As of `Answers`, of the scores of answers with the memories that were found."""
        answered = ((self.predict(network, one)[ANSWERS], one.labels) for one in batches)
        return temperature_asset(answered, split)

    def signature(self, model: nn.Module, taken: TensorSpec, labels: tuple[str, ...]) -> Signature:
        """A story as word numbers to a score for each place, and the memories that led there."""
        hops = int(model.o.hops)  # type: ignore[union-attr, arg-type]
        memories = TensorSpec(
            dtype="int64", shape=(hops,), layout="K", units="statement from 0, -1 for none"
        )
        answers = answers_spec(labels, "score")
        return story_signature(taken, {ANSWERS: answers, MEMORIES: memories})
