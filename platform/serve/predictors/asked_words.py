"""What a server asks a table of words: vectors, neighbours, analogies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from striate.serve.predictors.each import answer_each
from striate.serve.predictors.embeddings import Embeddings, Neighbour, Vector


@dataclass(frozen=True)
class EmbedTexts:
    """Texts to be told as vectors."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class FindNearest:
    """A word, or a vector where that is empty, whose neighbours are wanted."""

    word: str
    vector: tuple[float, ...]
    top_k: int


@dataclass(frozen=True)
class FindAnalogy:
    """What is to `c` as `b` is to `a`."""

    a: str
    b: str
    c: str
    top_k: int


WordRequest = EmbedTexts | FindNearest | FindAnalogy
WordAnswer = Vector | list[Neighbour]


class WordPredictor:
    """Answers requests one after the other, each within milliseconds.

    Args:
        embeddings: of a bundle.
    """

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings

    def answers(self, requests: Sequence[WordRequest]) -> list[WordAnswer | Exception]:
        """In the order of `requests`, vectors or neighbours, or why there are none."""
        return answer_each(requests, self._answer)

    def _answer(self, request: WordRequest) -> WordAnswer:
        if isinstance(request, EmbedTexts):
            return self._embeddings.embed(request.texts)
        if isinstance(request, FindAnalogy):
            return self._embeddings.analogy(request.a, request.b, request.c, request.top_k)
        query = request.word or np.asarray(request.vector, np.float32)
        return self._embeddings.nearest(query, request.top_k)
