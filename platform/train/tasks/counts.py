"""Sums over samples that have one class each, from which accuracies follow."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

MOST_IN_CONFUSION = 1024
"""Classes up to which errors are counted for each pair: 8 MB, added up for every batch."""

_SCALARS = 4


@dataclass(frozen=True)
class Counts:
    """Sums over evaluated samples; additive over batches and workers. All are float64.

    Attributes:
        samples: how many.
        right: those whose label is the most likely class.
        top5: those whose label is among the five most likely.
        loss: sum of the loss.
        confusion: (classes, classes) counts; row: true label, column: most likely one. None with
            more than `MOST_IN_CONFUSION` classes.
        names: of the metrics that `right` and `top5` give.
    """

    samples: Tensor
    right: Tensor
    top5: Tensor
    loss: Tensor
    confusion: Tensor | None
    names: tuple[str, str] = ("top1", "top5")

    @classmethod
    def zero(
        cls, classes: int, device: torch.device, names: tuple[str, str] = ("top1", "top5")
    ) -> Self:
        """No sample yet."""
        zero = torch.zeros((), dtype=torch.float64, device=device)
        square = None
        if classes <= MOST_IN_CONFUSION:
            square = torch.zeros(classes, classes, dtype=torch.float64, device=device)
        return cls(zero, zero, zero, zero, square, names)

    @classmethod
    def of(
        cls,
        scores: Tensor,
        labels: Tensor,
        loss: Tensor,
        names: tuple[str, str] = ("top1", "top5"),
    ) -> Self:
        """Counts of some samples.

        Args:
            scores: (N, classes), larger is more likely.
            labels: (N,) int64.
            loss: the sum of their losses.
            names: of the metrics.
        """
        classes = scores.shape[1]
        best = scores.topk(min(5, classes), dim=1).indices.eq(labels[:, None])
        square = None
        if classes <= MOST_IN_CONFUSION:
            cells = labels * classes + scores.argmax(1)
            square = torch.bincount(cells, minlength=classes**2).view(classes, classes).double()
        return cls(
            torch.tensor(len(labels), dtype=torch.float64, device=labels.device),
            (scores.argmax(1) == labels).sum().double(),
            best.any(1).sum().double(),
            loss.double(),
            square,
            names,
        )

    def pack(self) -> Tensor:
        """All sums as one float64 vector, for one all-reduce; exact up to 2^53 samples."""
        scalars = torch.stack([self.samples, self.right, self.top5, self.loss])
        return scalars if self.confusion is None else torch.cat([scalars, self.confusion.flatten()])

    @classmethod
    def unpack(
        cls, packed: Tensor, classes: int, names: tuple[str, str] = ("top1", "top5")
    ) -> Self:
        """The inverse of `pack`."""
        samples, right, top5, loss = packed[:_SCALARS]
        square = packed[_SCALARS:].view(classes, classes) if len(packed) > _SCALARS else None
        return cls(samples, right, top5, loss, square, names)

    def __add__(self, other: "Counts") -> "Counts":
        square = None
        if self.confusion is not None and other.confusion is not None:
            square = self.confusion + other.confusion
        return Counts(
            self.samples + other.samples,
            self.right + other.right,
            self.top5 + other.top5,
            self.loss + other.loss,
            square,
            self.names,
        )

    def metrics(self) -> dict[str, float]:
        """Two accuracies, by `names`, and the mean ``loss``, each over all samples counted."""
        samples = float(self.samples)
        return {
            self.names[0]: float(self.right) / samples,
            self.names[1]: float(self.top5) / samples,
            "loss": float(self.loss) / samples,
        }
