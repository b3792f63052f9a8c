"""Sums over labelled pixels: one confusion matrix, from which accuracies and overlaps follow."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

_SUMS = 2


@dataclass(frozen=True)
class DenseCounts:
    """Sums over evaluated images; additive over batches and workers. All are float64.

    Attributes:
        sums: (2,): images, and the sum of their losses.
        pixels: (classes, classes) counts of labelled pixels; row: true class, column: most likely.
    """

    sums: Tensor
    pixels: Tensor
    confusion: None = None  # which is for one class a sample

    @classmethod
    def zero(cls, classes: int, device: torch.device) -> Self:
        """No image yet."""
        size = _SUMS + classes**2
        return cls.unpack(torch.zeros(size, dtype=torch.float64, device=device), classes)

    @classmethod
    def of(cls, scores: Tensor, labels: Tensor, loss: Tensor) -> Self:
        """Counts of some images.

        Args:
            scores: (n, classes, height, width), larger is more likely.
            labels: (n, height, width) int64; −1 is not counted.
            loss: the sum of their losses.
        """
        classes = scores.shape[1]
        cells = confusion_cells(scores.argmax(1), labels, classes)
        pixels = torch.bincount(cells, minlength=classes**2).view(classes, classes)
        images = torch.tensor(len(labels), device=labels.device)
        return cls(torch.stack([images.double(), loss.double()]), pixels.double())

    def pack(self) -> Tensor:
        """All sums as one float64 vector, for one all-reduce; exact up to 2^53 pixels."""
        return torch.cat([self.sums, self.pixels.flatten()])

    @classmethod
    def unpack(cls, packed: Tensor, classes: int) -> Self:
        """The inverse of `pack`."""
        return cls(packed[:_SUMS], packed[_SUMS:].view(classes, classes))

    def __add__(self, other: "DenseCounts") -> "DenseCounts":
        return DenseCounts(self.sums + other.sums, self.pixels + other.pixels)

    def metrics(self) -> dict[str, float]:
        """``pixel_accuracy``, ``class_accuracy``, ``mean_iou``, and the mean ``loss`` of an image.

        The accuracy of a class is the share of its pixels that are found; its intersection over
        union counts those wrongly given to it as well. The means are over the classes that occur:
        in the labels, for the union in the answers too. Without a labelled pixel they are 0.
        """
        images, loss = self.sums.tolist()
        found, true, given = self.pixels.diagonal(), self.pixels.sum(1), self.pixels.sum(0)
        return {
            "pixel_accuracy": _share(found.sum(), true.sum()),
            "class_accuracy": _mean_share(found, true),
            "mean_iou": _mean_share(found, true + given - found),
            "loss": loss / images,
        }


def confusion_cells(predicted: Tensor, labels: Tensor, classes: int) -> Tensor:
    """(m,) index into a flattened confusion matrix for each of the m labelled pixels."""
    known = labels >= 0
    return labels[known] * classes + predicted[known]


def _share(part: Tensor, whole: Tensor) -> float:
    return float(part / whole) if float(whole) else 0.0


def _mean_share(parts: Tensor, wholes: Tensor) -> float:
    there = wholes > 0
    return float((parts[there] / wholes[there]).mean()) if bool(there.any()) else 0.0
