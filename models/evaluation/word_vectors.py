"""Words near a vector, and analogies by vector arithmetic (3CosAdd).

Mikolov, Yih, Zweig, "Linguistic regularities in continuous space word representations", NAACL 2013,
as recalled: of a is to b as c is to d, d is the word whose vector has the largest cosine with
b − a + c, all of unit length, and a, b and c may not answer.
"""

import torch.nn.functional as F
from torch import Tensor


def unit_vectors(table: Tensor) -> Tensor:
    """(words, dim) float32 rows of length 1; of a row of zeros, zeros."""
    return F.normalize(table.detach().float(), dim=1)


def analogy_vectors(vectors: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """(n, dim) unit vectors of b − a + c.

    Args:
        vectors: (words, dim) of length 1.
        a: (n,) ids; b and c likewise.
    """
    return F.normalize(vectors[b] - vectors[a] + vectors[c], dim=1)


def similarities(vectors: Tensor, queries: Tensor, excluded: Tensor, first: int) -> Tensor:
    """(n, words) cosines, −2 for words that may not answer.

    Args:
        vectors: (words, dim) of length 1.
        queries: (n, dim) of length 1.
        excluded: (n, k) ids that may not answer.
        first: ids below it may not either.
    """
    found = queries @ vectors.T
    found[:, :first] = NOT_AN_ANSWER
    return found.scatter(1, excluded, NOT_AN_ANSWER)


NOT_AN_ANSWER = -2.0
"""Below every cosine."""
