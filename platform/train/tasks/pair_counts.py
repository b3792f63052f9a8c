"""Sums over pairs: histograms of their distances, from which the rates of verification follow."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

BINS = 4096
"""Of a histogram; the last one holds what lies beyond its range too."""

_SUMS = 3


@dataclass(frozen=True)
class PairCounts:
    """Sums over evaluated pairs; additive over batches and workers. All are float64.

    Attributes:
        sums: (3,): pairs, those told right at the threshold, the sum of the loss.
        histograms: (2, BINS) counts by distance of the pairs of two classes, and of one.
    """

    sums: Tensor
    histograms: Tensor
    confusion: None = None

    @classmethod
    def zero(cls, device: torch.device) -> Self:
        """No pair yet."""
        return cls.unpack(torch.zeros(_SUMS + 2 * BINS, dtype=torch.float64, device=device))

    @classmethod
    def of(
        cls, distances: Tensor, same: Tensor, loss: Tensor, threshold: float, reach: float
    ) -> Self:
        """Counts of some pairs.

        Args:
            distances: (n,), from 0.
            same: (n,) int64: 1 for a pair of one class, else 0.
            loss: the sum of their losses.
            threshold: distance below which a pair is taken for one class.
            reach: distance at which the histograms end.
        """
        bins = (distances.double() * (BINS / reach)).long().clamp(0, BINS - 1)
        counts = torch.bincount(same * BINS + bins, minlength=2 * BINS).view(2, BINS)
        right = ((distances < threshold) == same.bool()).sum()
        pairs = torch.tensor(len(same), device=same.device)
        sums = torch.stack([one.double() for one in (pairs, right, loss)])
        return cls(sums, counts.double())

    def pack(self) -> Tensor:
        """All sums as one float64 vector, for one all-reduce; exact up to 2^53 pairs."""
        return torch.cat([self.sums, self.histograms.flatten()])

    @classmethod
    def unpack(cls, packed: Tensor) -> Self:
        """The inverse of `pack`."""
        return cls(packed[:_SUMS], packed[_SUMS:].view(2, BINS))

    def __add__(self, other: "PairCounts") -> "PairCounts":
        return PairCounts(self.sums + other.sums, self.histograms + other.histograms)

    def metrics(self) -> dict[str, float]:
        """``pair_accuracy`` at the threshold, ``auc``, ``equal_error``, and the mean ``loss``.

        The area under the ROC curve is the probability that a pair of one class lies closer than
        one of two; pairs of one bin count half. The equal error rate is the larger of the rates of
        false acceptance and of false rejection, at the edge of a bin at which it is least. Without
        pairs of both kinds they are what guessing gives, 0.5.
        """
        pairs, right, loss = self.sums.tolist()
        other, same = self.histograms
        rates = {"auc": 0.5, "equal_error": 0.5}
        if float(other.sum()) and float(same.sum()):
            accepted, kept = (one.cumsum(0) / one.sum() for one in (other, same))
            farther = 1 - accepted + other / other.sum() / 2
            rates["auc"] = float((same / same.sum() * farther).sum())
            rates["equal_error"] = float(torch.maximum(accepted, 1 - kept).min())
        return {"pair_accuracy": right / pairs, **rates, "loss": loss / pairs}
