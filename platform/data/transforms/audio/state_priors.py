"""How often each state comes in training data, and posteriors scaled by it.

A hybrid system decodes with p(x | s) ∝ p(s | x) / p(s) (Bourlard and Morgan, 1994): the network's
posteriors divided by the states' priors.
"""

import json
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from striate.core.errors import BundleError

PRIORS_FILE = "priors.json"


@dataclass(frozen=True)
class StatePriors:
    """Counts of the states in some labelled frames.

    Attributes:
        counts: (states,) frames of each.
    """

    counts: tuple[int, ...]

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
