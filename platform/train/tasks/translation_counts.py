"""Sums over translated sentences, from which perplexity and accuracies follow."""

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

_MOST_NATS = 700.0  # whose exponential is a number still


@dataclass(frozen=True)
class TranslationCounts:
    """Sums over evaluated sentences; additive over batches and workers. All are float64.

    Attributes:
        sentences: how many.
        tokens: words and end marks of the translations.
        right: tokens that were the likeliest after the true ones before them.
        loss: sum over the tokens of −ln p.
    """

    sentences: Tensor
    tokens: Tensor
    right: Tensor
    loss: Tensor

    @property
    def confusion(self) -> Tensor | None:
        """None: a sentence has not one class."""
        return None

    @classmethod
    def unpack(cls, packed: Tensor) -> Self:
        """The inverse of `pack`."""
        return cls(*packed.unbind())

    def pack(self) -> Tensor:
        """(4,) float64."""
        return torch.stack([self.sentences, self.tokens, self.right, self.loss])

    def __add__(self, other: "TranslationCounts") -> "TranslationCounts":
        return TranslationCounts.unpack(self.pack() + other.pack())

    def metrics(self) -> dict[str, float]:
        """Means over all sentences or tokens counted.

        ``token_likelihood`` is the geometric mean of the probabilities of the true tokens,
        ``perplexity`` one over it, and ``loss`` a sentence's mean.
        """
        nats = float(self.loss / self.tokens)
        return {
            "token_likelihood": math.exp(-min(nats, _MOST_NATS)),
            "perplexity": math.exp(min(nats, _MOST_NATS)),
            "token_accuracy": float(self.right / self.tokens),
            "loss": float(self.loss / self.sentences),
        }
