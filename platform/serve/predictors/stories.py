"""Questions about a story: sentences in, an answer and the sentences that led there out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from striate.core.bundle import Bundle
from striate.core.errors import BundleError, RequestError
from striate.data.transforms.text.stories import (
    SPARE,
    VOCABULARY_FILE,
    number_words,
    words_of,
)
from striate.serve.predictors.network import NamedNetwork, torch_network

MOST_SENTENCES, MOST_WORDS = 512, 32
"""The latest sentences of a story, and the first words of a sentence, that are looked at."""

STORY, ANSWERS, MEMORIES = "story", "answers", "memories"


@dataclass(frozen=True)
class StoryAnswer:
    """What a network says.

    Attributes:
        answer: a word of the vocabulary or of the story.
        score: of it; larger is surer.
        lead: its score less that of the next best word.
        memories: the sentences that led there, counted from 0, in the order in which they were
            found; none where the network names none.
    """

    answer: str
    score: float
    lead: float
    memories: tuple[int, ...] = ()


class StoryReader:
    """A bundle of a network of stories, with its vocabulary.

    Args:
        network: from word numbers to scores.
        vocabulary: its words, without spare places.
    """

    def __init__(self, network: NamedNetwork, vocabulary: Sequence[str]) -> None:
        self._network = network
        self.vocabulary = (*vocabulary, *(f"?{place}" for place in range(1, SPARE + 1)))

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> Self:
        """Build the bundle's network on a torch device.

        Raises:
            BundleError: it does not answer questions about stories, or its weights do not fit.
        """
        if STORY not in bundle.spec.inputs or ANSWERS not in bundle.spec.outputs:
            raise BundleError(
                f"The bundle is for {bundle.spec.task}, not for questions about stories."
            )
        words = bundle.asset(VOCABULARY_FILE).split()
        return cls(torch_network(bundle, device), words)

    def ask(self, story: Sequence[str], questions: Sequence[str]) -> list[StoryAnswer]:
        """Answer questions about one story.

        A word that the vocabulary does not hold is told from others by its letters, and understood
        by the words around it; beyond `SPARE` such words, further ones are not looked at.

        Args:
            story: sentences, in the order of time; the latest `MOST_SENTENCES` are looked at.
            questions: at least one; a network takes each for itself.

        Raises:
            RequestError: there is no sentence, or a question has no words.
        """
        told = [words_of(sentence)[:MOST_WORDS] for sentence in story]
        asked = [words_of(question)[:MOST_WORDS] for question in questions]
        if not any(told) or not asked or not all(asked):
            raise RequestError("A story has sentences, and a question has words.")
        first = max(0, len(told) - MOST_SENTENCES)
        return [self._answer(told[first:], first, question) for question in asked]

    def _answer(
        self, told: Sequence[Sequence[str]], first: int, question: Sequence[str]
    ) -> StoryAnswer:
        lines = [question, *told]
        flat = [word for line in lines for word in line]
        numbers = number_words(flat, self.vocabulary).tolist()
        found = self._network({STORY: _filled(lines, iter(numbers))})
        scores, order = found[ANSWERS][0].sort(descending=True)
        best = int(order[0]) + 1
        named = dict(zip(numbers, flat, strict=True))
        memories = found[MEMORIES][0].tolist() if MEMORIES in found else []
        return StoryAnswer(
            answer=named.get(best, self.vocabulary[best - 1]),
            score=float(scores[0]),
            lead=float(scores[0] - scores[1]),
            memories=tuple(first + one for one in memories if one >= 0),
        )


def _filled(lines: Sequence[Sequence[str]], numbers: Iterator[int]) -> Tensor:
    """(1, lines, words) numbers, filled up with zeros."""
    out = torch.zeros(1, len(lines), max(map(len, lines)), dtype=torch.int64)
    for at, line in enumerate(lines):
        for place in range(len(line)):
            out[0, at, place] = next(numbers)
    return out
