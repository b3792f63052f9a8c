"""How often each state comes in training data, and posteriors scaled by it.

A hybrid system decodes with p(x | s) ∝ p(s | x) / p(s) (Bourlard and Morgan, 1994): the network's
posteriors divided by the states' priors.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from striate.core.errors import BundleError, DataError
from striate.data.shards.folder import ShardFolder
from striate.data.stream.reader import SplitReader

PRIORS_FILE = "priors.json"


@dataclass(frozen=True)
class StatePriors:
    """Counts of the states in some labelled frames.

    Attributes:
        counts: (states,) frames of each.
    """

    counts: tuple[int, ...]

    @classmethod
    def of_shards(cls, target: Path | str | ShardFolder, split: str, states: int) -> Self:
        """Count the frame labels of a split; payloads are not looked at.

        Raises:
            DataError: a shard is missing or damaged, or the rows have no frame labels.
            UnknownName: no such split.
        """
        reader = SplitReader(target, split, None)
        if reader.manifest.columns.label.kind != "frames":
            raise DataError(f"The shards in {reader.folder.place} have no frame labels.")
        counts = np.zeros(states, np.int64)
        for index in range(len(reader.entries)):
            shard = reader.shard(index)
            for row in range(reader.shard_rows[index]):
                counts += np.bincount(np.asarray(shard.label(row)), minlength=states)
        return cls(tuple(counts.tolist()))

    def log_priors(self) -> Tensor:
        """(states,) float32 log p(s); a state that never came counts as if it had come once."""
        counts = torch.tensor(self.counts, dtype=torch.float64).clamp(min=1)
        return (counts / counts.sum()).log().float()

    def scale(self, log_posteriors: Tensor, weight: float = 1.0) -> Tensor:
        """Posteriors scaled for a decoder: log p(s | x) − weight · log p(s).

        Args:
            log_posteriors: (…, states).
            weight: how much of the priors to take out.
        """
        return log_posteriors - weight * self.log_priors().to(log_posteriors)

    def to_text(self, labels: tuple[str, ...]) -> str:
        """The bundle's asset: the states' names and counts, as JSON."""
        return json.dumps({"states": labels, "counts": self.counts}, indent=1) + "\n"

    @classmethod
    def of_text(cls, text: str) -> Self:
        """The inverse of `to_text`.

        Raises:
            BundleError: it is nothing of the kind.
        """
        try:
            return cls(tuple(int(count) for count in json.loads(text)["counts"]))
        except (ValueError, KeyError, TypeError):
            raise BundleError(f"{PRIORS_FILE} of the bundle cannot be used.") from None
