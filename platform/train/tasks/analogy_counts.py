"""Sums over analogies, section by section, from which accuracies follow."""

import re
from dataclasses import dataclass

import torch
from torch import Tensor

ACCURACY, SKIPPED = "analogy_accuracy", "skipped_questions"
_KINDS = 3  # asked, right, skipped
_NO_METRIC = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True)
class AnalogyCounts:
    """Sums over evaluated questions; additive over batches and workers.

    Attributes:
        sums: (classes, 3) float64: by section the questions that were asked, those answered right,
            and those skipped, for a word of them is not in the vocabulary.
        names: of the classes; of those with questions the accuracy is told as well.
    """

    sums: Tensor
    names: tuple[str, ...] = ()
    confusion: None = None

    @classmethod
    def zero(
        cls, classes: int, device: torch.device, names: tuple[str, ...] = ()
    ) -> "AnalogyCounts":
        """No question yet."""
        return cls(torch.zeros(classes, _KINDS, dtype=torch.float64, device=device), names)

    @classmethod
    def of(
        cls,
        sections: Tensor,
        known: Tensor,
        right: Tensor,
        classes: int,
        names: tuple[str, ...] = (),
    ) -> "AnalogyCounts":
        """Counts of some questions.

        Args:
            sections: (n,) int64.
            known: (n,) bool, whether all words are in the vocabulary.
            right: (n,) bool.
            classes: sections there may be.
            names: of them.
        """
        each = torch.stack([known, known & right, ~known], 1).double()
        zero = cls.zero(classes, each.device, names)
        return cls(zero.sums.index_add(0, sections, each), names)

    def pack(self) -> Tensor:
        """All sums as one float64 vector."""
        return self.sums.flatten()

    @classmethod
    def unpack(cls, packed: Tensor, classes: int, names: tuple[str, ...] = ()) -> "AnalogyCounts":
        """The inverse of `pack`."""
        return cls(packed.view(classes, _KINDS), names)

    def __add__(self, other: "AnalogyCounts") -> "AnalogyCounts":
        return AnalogyCounts(self.sums + other.sums, self.names)

    def metrics(self) -> dict[str, float]:
        """``analogy_accuracy`` over the questions asked, the number of those ``skipped_questions``,
        and the accuracy of each section that has a name."""
        asked, right, skipped = self.sums.sum(0).tolist()
        found = {ACCURACY: right / asked if asked else 0.0, SKIPPED: skipped}
        for name, (asked, right, _) in zip(self.names, self.sums.tolist(), strict=False):
            if asked:
                found[f"{ACCURACY}_{_NO_METRIC.sub('-', name)}"] = right / asked
        return found
