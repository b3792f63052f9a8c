"""Pairs of one class or of two: a contrastive loss on the distance of their embeddings.

Both members go through the same network. Source: Hadsell, Chopra, LeCun, "Dimensionality reduction
by learning an invariant mapping", CVPR 2006, equations 1 and 4.
"""

import json
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from striate.core.bundle import INPUT, TensorSpec
from striate.core.numbers import Positive
from striate.data.stream.batch import Batch
from striate.train.config import TaskConfig
from striate.train.run.mistake import Mistake
from striate.train.tasks.arguments import check_task_arguments
from striate.train.tasks.drawings import HeldOut, Picture
from striate.train.tasks.mistakes import Mistakes, candidates
from striate.train.tasks.outputs import OUTPUT, Network, Outputs, compute_views
from striate.train.tasks.pair_counts import PairCounts
from striate.train.tasks.signature import Signature

DISTANCE = "distance"
SECOND = "others"
"""The tensor of a batch with the second members; the first ones are its images."""

_REACH = 8.0  # margins at which the histograms of distances end


class PairArguments(BaseModel):
    """Of the task ``pairs``.

    Attributes:
        margin: the distance m from which a pair of two classes costs nothing.
        threshold: distance below which a pair is taken for one class, in margins.
        distance: ``euclidean``, or ``manhattan``: the sum of absolute differences, which DeepFace
            weights unit by unit in its siamese network (Taigman et al., CVPR 2014, section 4.2).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    margin: Positive = 1.0
    threshold: Positive = 0.5
    distance: Literal["euclidean", "manhattan"] = "euclidean"


class Pairs:
    """Loss and counts of a network that embeds; a label is 1 for a pair of one class, else 0."""

    headline = "pair_accuracy"
    unit = "pairs"
    by_row = False
    per_label = False

    def __init__(self, config: TaskConfig, classes: int) -> None:
        del classes  # the output is an embedding
        arguments = check_task_arguments(PairArguments, config)
        self.margin = arguments.margin
        self.threshold = arguments.threshold * arguments.margin
        self.distance = arguments.distance

    def compute(self, network: Network, batch: Batch) -> Outputs:
        """``distance`` (n,): the distance D of the members' (n, units) embeddings."""
        views = [batch.inputs, batch.tensors[SECOND]]
        first, second = (view[OUTPUT] for view in compute_views(network, views, batch))
        if self.distance == "manhattan":
            return {DISTANCE: (first - second).abs().sum(1)}
        squares = (first - second).square().sum(1)
        return {DISTANCE: squares.clamp(min=torch.finfo(squares.dtype).tiny).sqrt()}

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """½ D² of pairs of one class, ½ max(0, m − D)² of pairs of two, summed over the pairs."""
        distance = outputs[DISTANCE]
        apart = F.relu(self.margin - distance)
        return torch.where(batch.labels == 1, distance, apart).square().sum() / 2

    def predict(self, network: Network, batch: Batch) -> Outputs:
        """As `compute`."""
        return self.compute(network, batch)

    def zero(self, device: torch.device) -> PairCounts:
        return PairCounts.zero(device)

    def unpack(self, packed: Tensor, device: torch.device) -> PairCounts:
        return PairCounts.unpack(packed.to(device))

    def signature(self, model: nn.Module, taken: TensorSpec, labels: tuple[str, ...]) -> Signature:
        """One image to its ``embedding``: whoever compares has both, or keeps them."""
        size = int(model.classes)  # type: ignore[arg-type]
        named = {"euclidean": "Euclidean", "manhattan": "Manhattan"}[self.distance]
        units = f"embedding, of one class below a {named} distance of {self.threshold:g}"
        embedding = TensorSpec(dtype="float32", shape=(size,), layout="C", units=units)
        return Signature({INPUT: taken}, {"embedding": embedding})

    def count(self, outputs: Outputs, batch: Batch) -> PairCounts:
        """Counts of one batch of pairs."""
        loss, reach = self.loss(outputs, batch), _REACH * self.margin
        return PairCounts.of(outputs[DISTANCE], batch.labels, loss, self.threshold, reach)

    def mistakes(self, outputs: Outputs, batch: Batch) -> Mistakes:
        """The pairs on the wrong side of the threshold, by how far they are from it."""
        distance, same, units = outputs[DISTANCE].double(), batch.labels, batch.units
        taken = (distance < self.threshold).long()
        wrong = (taken != same).nonzero()[:, 0]
        far = (distance - self.threshold).abs()
        found = [
            Mistake(
                row=int(batch.rows[at]),
                unit=int(units[at]),
                true=int(same[at]),
                predicted=int(taken[at]),
                score=float(far[at]),
                evidence=json.dumps([int(batch.tensors["other_rows"][at]), float(distance[at])]),
            )
            for at in wrong[candidates(far[wrong])].tolist()
        ]
        return Mistakes.of(found)

    def draw_mistakes(self, mistakes: Sequence[Mistake], held_out: HeldOut) -> Picture:
        """The members side by side, with their classes and their distance."""
        from striate.train.tasks.pair_drawings import draw_pairs

        return draw_pairs(mistakes, held_out)
