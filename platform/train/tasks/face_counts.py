"""Sums over windows of the face and pose network, from which detection rates follow."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from striate.train.tasks.pair_counts import PairCounts

_SUMS = 3


@dataclass(frozen=True)
class FaceCounts:
    """Sums over evaluated windows; additive over batches and workers. All are float64.

    Attributes:
        energies: histograms of the energies of faces (as of pairs of one class) and of the rest.
        sums: (3,): faces, those whose yaw is found within the tolerance, and whose roll is.
    """

    energies: PairCounts
    sums: Tensor
    confusion: None = None

    @classmethod
    def zero(cls, device: torch.device) -> Self:
        """No window yet."""
        sums = torch.zeros(_SUMS, dtype=torch.float64, device=device)
        return cls(PairCounts.zero(device), sums)

    def pack(self) -> Tensor:
        """All sums as one float64 vector, for one all-reduce; exact up to 2^53 windows."""
        return torch.cat([self.sums, self.energies.pack()])

    @classmethod
    def unpack(cls, packed: Tensor) -> Self:
        """The inverse of `pack`."""
        return cls(PairCounts.unpack(packed[_SUMS:]), packed[:_SUMS])

    def __add__(self, other: "FaceCounts") -> "FaceCounts":
        return FaceCounts(self.energies + other.energies, self.sums + other.sums)

    def metrics(self) -> dict[str, float]:
        """Detection and pose over all windows counted.

        ``face_accuracy`` at the threshold; ``auc`` and ``equal_error`` over all thresholds;
        ``yaw_within_15`` and ``roll_within_15``, shares of the faces; and the mean ``loss``.
        """
        found = self.energies.metrics()
        faces, yaw, roll = self.sums.tolist()
        rates = {"face_accuracy": found.pop("pair_accuracy")}
        pose = {"yaw_within_15": yaw / max(faces, 1), "roll_within_15": roll / max(faces, 1)}
        return {**rates, **pose, **found}
