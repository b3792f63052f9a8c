"""Vectors of words that are learnt by predicting neighbours: skip-gram and CBOW.

Mikolov, Chen, Corrado, Dean, 2013, with negative sampling (Mikolov, Sutskever, Chen, Corrado, Dean,
NIPS 2013), as recalled. Vectors begin evenly within ±0.5/dim, those of words as they are predicted
with zeros.
"""

import torch
from torch import Tensor, nn

from striate.core.numbers import Classes, Maps
from striate.models.layers.word_windows import NONE, Method, WordBlocks, window_loss

_LENGTH = 16  # of an example


class WordEmbeddings(nn.Module):
    """Two tables of vectors.

    Args:
        vocabulary: words; ids are below it.
        dim: of the vectors.
        method: ``skip_gram`` or ``cbow``.
        sparse: whether gradients are of the rows that a batch has alone: a step then costs what the
            batch does, however large the vocabulary. It wants an optimiser without momenta.
    """

    def __init__(
        self,
        vocabulary: Classes = 30_000,
        dim: Maps = 100,
        method: Method = "skip_gram",
        sparse: bool = True,
    ) -> None:
        super().__init__()
        self.input_shape = (_LENGTH,)
        self.classes = self.vocabulary = vocabulary
        self.method: Method = method
        self.sparse = sparse
        first = torch.empty(vocabulary, dim).uniform_(-0.5 / dim, 0.5 / dim)
        none = torch.zeros(vocabulary, dim)
        self.inputs = nn.Embedding(vocabulary, dim, sparse=sparse, _weight=first)
        self.outputs = nn.Embedding(vocabulary, dim, sparse=sparse, _weight=none)

    def forward_features(self, tokens: Tensor) -> Tensor:
        """(n, length) ids, 0 for none → (n, dim): the mean of their vectors."""
        ids = tokens.long().clamp(0, self.vocabulary - 1)
        vectors: Tensor = self.inputs(ids)
        there = (ids != NONE).unsqueeze(2).to(vectors.dtype)
        return (vectors * there).sum(1) / there.sum(1).clamp(min=1)

    def forward_head(self, features: Tensor) -> Tensor:
        """(n, dim) → (n, vocabulary): scores of each word among such neighbours."""
        return features @ self.outputs.weight.T

    def forward(
        self, tokens: Tensor, blocks: WordBlocks | None = None, k: int = 5
    ) -> dict[str, Tensor]:
        """(n, length) ids → ``scores`` (n, vocabulary), ``embedding`` (n, dim).

        Args:
            tokens: ids, 0 for none.
            blocks: in training: words to learn from; what is given then is ``loss``, (), the sum
                of `window_loss`.
            k: negatives of each prediction, in training.
        """
        if blocks is not None:
            tables = (self.inputs.weight, self.outputs.weight)
            return {"loss": window_loss(*tables, blocks, self.method, k, self.sparse)}
        features = self.forward_features(tokens)
        return {"scores": self.forward_head(features), "embedding": features}
