"""Vectors of words and of texts, words near a vector, and analogies, from a bundle of vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.core.bundle import Bundle
from striate.core.errors import BundleError, RequestError
from striate.core.validation import show_value
from striate.data.pipelines.words import FILE, WordArguments
from striate.data.transforms.text.tokenizer import SPECIAL, UNKNOWN, Tokenizer
from striate.models import build_from
from striate.models.evaluation.word_vectors import analogy_vectors, similarities, unit_vectors
from striate.serve.predictors.spelling import alphabet, nearest_spelling

MOST_NEAR = 1000
"""Words that are given at most."""
TASK = "embeddings"

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Neighbour:
    """A word near a vector.

    Attributes:
        word: as the vocabulary has it.
        similarity: the cosine of the two, from −1 to 1.
    """

    word: str
    similarity: float


class Embeddings:
    """A table of vectors with its vocabulary; safe to use from several threads.

    Args:
        tokenizer: the vocabulary, its words by how frequent they are.
        table: (words, dim) vectors.
        most_frequent: words that answer analogies, as when the table was evaluated.
    """

    def __init__(self, tokenizer: Tokenizer, table: Tensor, most_frequent: int) -> None:
        self._tokenizer = tokenizer
        self._table = table[: tokenizer.size].float()
        self._unit = unit_vectors(self._table)
        self._candidates = min(most_frequent, tokenizer.size)

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> Self:
        """Read the bundle's table, onto a torch device.

        Raises:
            BundleError: it is no table of words, or its weights do not fit.
        """
        spec = bundle.spec
        if spec.task != TASK or spec.pipeline is None:
            raise BundleError(f"The bundle is for {spec.task}, not for vectors of words.")
        table = build_from(bundle).state_dict()["inputs.weight"].to(device)
        most = WordArguments.model_validate(spec.pipeline.arguments).most_frequent
        return cls(Tokenizer(bundle.asset(FILE)), table, most)

    @property
    def dim(self) -> int:
        """Numbers of a vector."""
        return self._table.shape[1]

    @property
    def words(self) -> tuple[str, ...]:
        """The vocabulary, the most frequent word first."""
        return self._tokenizer.words[len(SPECIAL) :]

    def embed(self, texts: Sequence[str]) -> Vector:
        """(n, dim): of each text the mean of the vectors of its words.

        Words that the vocabulary has not are left out.

        Raises:
            RequestError: a text has no word, or none that the vocabulary has.
            PayloadTooLarge: a text is longer than is looked at.
        """
        found = np.zeros((len(texts), self.dim), np.float32)
        for row, text in zip(found, texts, strict=True):
            row[:] = self._table[self._known(text)].mean(0).cpu().numpy()
        return found

    def nearest(
        self, query: str | Vector, k: int = 10, exclude: Sequence[str] = ()
    ) -> list[Neighbour]:
        """The words whose vectors have the largest cosines with one, the nearest first.

        Args:
            query: a word, which is no neighbour of itself, or a vector (dim,).
            k: how many; fewer where there are fewer.
            exclude: words that are none either; unknown ones count for nothing.

        Raises:
            RequestError: the word is not in the vocabulary, the vector is of another size, is zero
                or not finite, or `k` is out of range.
        """
        excluded = [one for word in exclude if (one := self._find(word)) is not None]
        if isinstance(query, str):
            number = self._id(query)
            vector = self._unit[number]
            excluded.append(number)
        else:
            vector = self._direction(query)
        return self._best(vector, excluded, k, len(self._unit))

    def analogy(self, a: str, b: str, c: str, k: int = 1) -> list[Neighbour]:
        """What is to c as b is to a: the words nearest to b − a + c, none of the three among them.

        Args:
            a: a word, such as Japan.
            b: what it goes with: Tokyo.
            c: another such as a: Germany.
            k: how many answers; fewer where there are fewer.

        Raises:
            RequestError: a word is not in the vocabulary, or `k` is out of range.
        """
        numbers = [self._id(word) for word in (a, b, c)]
        ids = torch.tensor(numbers, device=self._unit.device)[:, None]
        (vector,) = analogy_vectors(self._unit, *ids)
        return self._best(vector, numbers, k, self._candidates)

    def _best(
        self, vector: Tensor, excluded: Sequence[int], k: int, candidates: int
    ) -> list[Neighbour]:
        if not 1 <= k <= MOST_NEAR:
            raise RequestError(f"{show_value(k)} words cannot be given; 1 to {MOST_NEAR} can.")
        out = torch.tensor(
            [[one for one in excluded if one < candidates]], dtype=torch.int64, device=vector.device
        )
        (found,) = similarities(self._unit[:candidates], vector[None], out, len(SPECIAL))
        there = candidates - len(SPECIAL) - len(set(out[0].tolist()))
        best = found.topk(max(0, min(k, there)))
        words, cosines = best.indices.tolist(), best.values.tolist()
        every = self._tokenizer.words
        return [Neighbour(every[w], value) for w, value in zip(words, cosines, strict=True)]

    def _direction(self, query: Vector) -> Tensor:
        vector = torch.tensor(np.asarray(query, np.float32), device=self._unit.device)
        if vector.shape != (self.dim,):
            raise RequestError(
                f"The vector has the shape {tuple(vector.shape)}, and not ({self.dim},)."
            )
        length = vector.norm()
        if not bool(length.isfinite()) or not float(length):
            raise RequestError("The vector has no direction: it is zero, or not finite.")
        unit: Tensor = vector / length
        return unit

    def _known(self, text: str) -> list[int]:
        pieces = self._tokenizer.pieces(text)
        if not pieces:
            raise RequestError(f"The text {show_value(text)} has no word.")
        known = [number for number, _ in pieces if number != UNKNOWN]
        if not known:
            raise self._unknown(pieces[0][1])
        return known

    def _id(self, word: str) -> int:
        number = self._find(word)
        if number is not None:
            return number
        pieces = self._tokenizer.pieces(word, 2)
        if len(pieces) > 1:
            raise RequestError(f"{show_value(word)} is no single word.")
        if not pieces:
            raise RequestError(f"The text {show_value(word)} has no word.")
        raise self._unknown(pieces[0][1])

    def _find(self, word: str) -> int | None:
        """A word's number; None of what is no word of the vocabulary."""
        ids = self._tokenizer.encode(word, 2)
        return ids[0] if len(ids) == 1 and ids[0] != UNKNOWN else None

    def _unknown(self, word: str) -> RequestError:
        near = nearest_spelling(word, self._numbers, self._letters)
        return RequestError(
            f"The word {show_value(word)} is not in the vocabulary.",
            f"Did you mean {near}?" if near else "",
        )

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: at for at, word in enumerate(self.words)}

    @cached_property
    def _letters(self) -> str:
        return alphabet(self._numbers)
