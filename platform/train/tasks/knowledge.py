"""Answers out of a knowledge base: margin ranking of candidates, together with paraphrases.

Bordes, Chopra, Weston, EMNLP 2014, as recalled: with γ the margin, the sum over wrong candidates ā
of max(0, γ − S(q, a) + S(q, ā)); and of paraphrases q' and other questions q'' likewise
max(0, γ − f(q)ᵀf(q') + f(q)ᵀf(q'')), in turns there and added up here. The answer is every entity
that the best path leads to. Precision at 1 is the share of questions whose answer's first member is
true; F1 is the mean over questions of that between the two sets (Berant, Chou, Frostig, Liang,
EMNLP 2013).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from striate.core.bundle import TensorSpec
from striate.core.numbers import NonNegative, Positive, Share
from striate.data.knowledge.calibration import CALIBRATION_FILE, Calibration, lead_of
from striate.data.knowledge.files import local_files
from striate.data.pipelines.kb_questions import F1, HOPS, PARAPHRASES, RIGHT, SETS
from striate.data.storage import Source
from striate.data.stream.batch import Batch
from striate.models.kb_embeddings import LOWEST
from striate.train.config import Location, TaskConfig
from striate.train.tasks.arguments import check_task_arguments
from striate.train.tasks.outputs import OUTPUT, Network, Outputs, name_outputs
from striate.train.tasks.signature import Signature

QUESTION, ANSWERS = "question", "answers"
_RIGHT = 0.5  # F1 from which a candidate is no wrong answer
_BY_HOPS = ("", "one_hop_", "two_hop_")
_COLUMNS = 4  # questions, right ones, sum of F1, sum of losses


class KnowledgeArguments(BaseModel):
    """Of the task ``knowledge``.

    Attributes:
        margin: γ.
        paraphrases: weight of their loss.
        threshold: least probability of an answer; below it the predictor gives none. None takes
            the one that best tells right answers from others on `calibration_split`.
        calibration_split: which probabilities are fitted on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    margin: Positive = 0.1
    paraphrases: NonNegative = 1.0
    threshold: Share | None = None
    calibration_split: str = "valid"


@dataclass(frozen=True)
class KnowledgeCounts:
    """Sums over evaluated questions; additive over batches and workers.

    Attributes:
        sums: (3, 4) float64: by the facts that the answer takes, 0 where it cannot be reached by
            two, the questions, those whose first answer is true, their F1 and their loss.
    """

    sums: Tensor

    @property
    def confusion(self) -> Tensor | None:
        """There are no classes."""
        return None

    def pack(self) -> Tensor:
        """All sums as one float64 vector."""
        return self.sums.flatten()

    @classmethod
    def unpack(cls, packed: Tensor) -> Self:
        """The inverse of `pack`."""
        return cls(packed.view(len(_BY_HOPS), _COLUMNS))

    def __add__(self, other: "KnowledgeCounts") -> "KnowledgeCounts":
        return KnowledgeCounts(self.sums + other.sums)

    def metrics(self) -> dict[str, float]:
        """``precision_at_1``, ``average_f1`` and ``loss``; of one and of two facts apart."""
        questions, right, f1, loss = self.sums.sum(0).tolist()
        found = {"precision_at_1": right / questions, "average_f1": f1 / questions}
        for prefix, row in zip(_BY_HOPS[1:], self.sums[1:].tolist(), strict=True):
            if row[0]:
                found |= {f"{prefix}precision_at_1": row[1] / row[0]}
                found |= {f"{prefix}average_f1": row[2] / row[0]}
        return {**found, "loss": loss / questions}


class Knowledge:
    """Loss and counts of a network that scores candidate answers."""

    headline = "average_f1"
    unit = "questions"
    by_row = False
    per_label = False

    def __init__(self, config: TaskConfig, classes: int) -> None:
        del classes
        self.arguments = check_task_arguments(KnowledgeArguments, config)

    @property
    def calibration_split(self) -> str:
        """The split that probabilities are fitted on."""
        return self.arguments.calibration_split

    def compute(self, network: Network, batch: Batch) -> Outputs:
        """``scores`` (n, candidates), and ``same`` and ``other`` (n,) of paraphrases."""
        return name_outputs(network(batch.inputs, batch.tensors[PARAPHRASES]))

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """The sums of the module's text, summed over the questions."""
        margin, scores = self.arguments.margin, outputs["scores"]
        wrong = F.relu(margin - scores[:, :1] + scores[:, 1:]).sum()
        unlike = F.relu(margin - outputs["same"] + outputs["other"]).sum()
        return wrong + self.arguments.paraphrases * unlike

    def predict(self, network: Network, batch: Batch) -> Outputs:
        """(n, candidates) scores."""
        return name_outputs(network(batch.inputs))

    def zero(self, device: torch.device) -> KnowledgeCounts:
        sums = torch.zeros(len(_BY_HOPS), _COLUMNS, dtype=torch.float64, device=device)
        return KnowledgeCounts(sums)

    def unpack(self, packed: Tensor, device: torch.device) -> KnowledgeCounts:
        return KnowledgeCounts.unpack(packed.to(device))

    def count(self, outputs: Outputs, batch: Batch) -> KnowledgeCounts:
        """Counts of one batch; the loss is over all wrong candidates that are looked at, and none
        where the true one is not."""
        scores, tensors = outputs[OUTPUT], batch.tensors
        best = scores.argmax(1, keepdim=True)
        true = scores.gather(1, batch.labels.clamp(min=0)[:, None])
        ranked = (batch.labels >= 0)[:, None] & (true > LOWEST / 2)
        others = (tensors[F1] < _RIGHT) & (scores > LOWEST / 2) & ranked
        costs = (F.relu(self.arguments.margin - true + scores) * others).sum(1)
        right = tensors[RIGHT].gather(1, best)[:, 0]
        columns = [torch.ones_like(costs), right, tensors[F1].gather(1, best)[:, 0], costs]
        rows = torch.stack([column.double() for column in columns], 1)
        sums = self.zero(scores.device).sums
        return KnowledgeCounts(sums.index_add(0, tensors[HOPS].clamp(0, 2), rows))

    def signature(self, model: nn.Module, taken: TensorSpec, labels: tuple[str, ...]) -> Signature:
        """A question with its candidates to a score for each."""
        lines = taken.shape[0]
        assert isinstance(lines, int)
        question = taken.model_copy(update={"dtype": "int64"})
        scores = TensorSpec(dtype="float32", shape=(lines - 1,), layout="C", units="score")
        return Signature({QUESTION: question}, {ANSWERS: scores})

    def gather_assets(
        self, shards: Location, split: str, labels: tuple[str, ...]
    ) -> Mapping[str, str | Path]:
        """The files of the knowledge base."""
        return dict(local_files(Source.of(shards)))

    def calibrate(
        self, network: Network, batches: Iterable[Batch], split: str
    ) -> Mapping[str, str | Path]:
        """How sure an answer is, by its score and lead, as `CALIBRATION_FILE`.

        Each question counts twice: as it is, and with its right candidates taken away.
        """
        found: list[tuple[float, float, bool]] = []
        for batch in batches:
            scores = self.predict(network, batch)[OUTPUT].double().numpy()
            f1, sets = batch.tensors[F1].numpy(), batch.tensors[SETS].numpy()
            right = batch.tensors[RIGHT].numpy()
            for mine, agreed, members, good in zip(scores, f1, sets, right, strict=True):
                for taken in (mine, np.where(agreed >= _RIGHT, LOWEST, mine)):
                    if (best := int(taken.argmax())) >= 0 and taken[best] > LOWEST / 2:
                        lead = lead_of(taken, members, best, taken > LOWEST / 2)
                        found.append((float(taken[best]), lead, bool(good[best])))
        columns = [np.array(column) for column in zip(*found, strict=True)] or [np.zeros(0)] * 3
        fitted = Calibration.fit(
            columns[0],
            columns[1],
            columns[2].astype(bool),
            split=split,
            threshold=self.arguments.threshold,
        )
        return {CALIBRATION_FILE: fitted.to_text()}
