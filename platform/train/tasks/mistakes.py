"""The worst mistakes: wrong answers in the order of their confidence, the same however split."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from striate.train.run.mistake import Mistake

__all__ = ["Mistake", "Mistakes"]

DEFAULT_KEPT = 16
_FIELDS = 5


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
        # All that tie with the last one kept go into `of`, which orders them.
        if len(wrong) > kept:
            close = scores >= scores.topk(kept).values[-1]
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

    def pack(self) -> Tensor:
        """(kept, 5) float64 for an all-gather: row, unit, true, predicted, score; −1 where none."""
        packed = torch.full((self.kept, _FIELDS), -1.0, dtype=torch.float64)
        for index, one in enumerate(self.worst):
            values = [one.row, one.unit, one.true, one.predicted, one.score]
            packed[index] = torch.tensor(values, dtype=torch.float64)
        return packed

    @classmethod
    def merged(cls, packed: Sequence[Tensor]) -> "Mistakes":
        """The worst of all workers, of what each one packed."""
        found = [
            Mistake(int(row), int(unit), int(true), int(predicted), score)
            for part in packed
            for row, unit, true, predicted, score in part.tolist()
            if row >= 0
        ]
        return cls.of(found, len(packed[0]))


def _order(one: Mistake) -> tuple[float, int, int]:
    return -one.score, one.row, one.unit
