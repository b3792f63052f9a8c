"""The worst mistakes: wrong answers in the order of their confidence, the same however split."""

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field

import torch
from torch import Tensor

from striate.train.run.mistake import Mistake

DEFAULT_KEPT = 16


@dataclass(frozen=True)
class Mistakes:
    """The most confident wrong answers, at most `kept`.

    Ties go to the smaller row and unit, so the result is a function of the answers alone and not of
    batches, workers or their order.

    Attributes:
        worst: the most confident first.
        kept: how many are kept.
    """

    worst: tuple[Mistake, ...] = ()
    kept: int = field(default=DEFAULT_KEPT, compare=False)

    @classmethod
    def among(
        cls,
        probabilities: Tensor,
        true: Tensor,
        right: Tensor,
        rows: Tensor,
        units: Tensor,
        kept: int = DEFAULT_KEPT,
    ) -> "Mistakes":
        """The worst of some answers.

        Args:
            probabilities: (N, classes).
            true: (N,) the class to name in a mistake.
            right: (N,) bool, whether the answer counts as right.
            rows: (N,) int64.
            units: (N,) int64.
            kept: how many to keep.
        """
        wrong = (~right).nonzero()[:, 0]
        scores, predicted = probabilities[wrong].double().max(1)
        close = candidates(scores, kept)
        wrong, scores, predicted = wrong[close], scores[close], predicted[close]
        columns = (rows[wrong], units[wrong], true[wrong], predicted)
        integers = [column.tolist() for column in columns]
        found = [Mistake(*values) for values in zip(*integers, scores.tolist(), strict=True)]
        return cls.of(found, kept)

    @classmethod
    def of(cls, found: Sequence[Mistake], kept: int = DEFAULT_KEPT) -> "Mistakes":
        """The worst of some mistakes in any order."""
        return cls(tuple(sorted(found, key=_order)[:kept]), kept)

    def __add__(self, other: "Mistakes") -> "Mistakes":
        return Mistakes.of([*self.worst, *other.worst], self.kept)

    def pack(self) -> bytes:
        """All of them, to be sent to another worker."""
        return json.dumps(
            {"kept": self.kept, "worst": [astuple(one) for one in self.worst]}
        ).encode()

    @classmethod
    def merge(cls, packed: Sequence[bytes]) -> "Mistakes":
        """The worst of all workers, of what each one packed."""
        parts = [json.loads(part) for part in packed]
        found = [Mistake(*values) for part in parts for values in part["worst"]]
        return cls.of(found, parts[0]["kept"])


def candidates(scores: Tensor, kept: int = DEFAULT_KEPT) -> Tensor:
    """(m,) indices of those that may be among the `kept` largest of (n,) scores, in any order.

    All that tie with the last one kept are among them: `Mistakes.of` orders them.
    """
    if len(scores) <= kept:
        return torch.arange(len(scores), device=scores.device)
    return (scores >= scores.topk(kept).values[-1]).nonzero()[:, 0]


def _order(one: Mistake) -> tuple[float, int, int]:
    return -one.score, one.row, one.unit
