"""Questions about a story: sentences in, an answer and the sentences that led there out."""

import json
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
from striate.serve.predictors.each import answer_each
from striate.serve.predictors.network import NamedNetwork, torch_network

TEMPERATURE_FILE = "temperature.json"
"""In a bundle: what its scores are divided by before the softmax, ``{"temperature": 0.1}``."""
_WANTED = "A story has sentences, and a question has words."
MOST_SENTENCES, MOST_WORDS = 512, 32
"""The latest sentences of a story, and the first words of a sentence, that are looked at."""

STORY, ANSWERS, MEMORIES = "story", "answers", "memories"


@dataclass(frozen=True)
class StoryRequest:
    """A question about a story.

    Attributes:
        sentences: of the story, in the order of time.
        question: about it.
        top_k: words to answer with, at most.
    """

    sentences: tuple[str, ...]
    question: str
    top_k: int = 1


@dataclass(frozen=True)
class StoryAnswer:
    """What a network says.

    Attributes:
        answer: a word of the vocabulary or of the story.
        score: of it; larger is surer.
        lead: its score less that of the next best word.
        probability: that it is right, by the softmax of all scores at the bundle's temperature.
        memories: the sentences that led there, counted from 0, in the order in which they were
            found; none where the network names none.
    """

    answer: str
    score: float
    lead: float
    probability: float
    memories: tuple[int, ...] = ()


class StoryReader:
    """A bundle of a network of stories, with its vocabulary.

    Args:
        network: from word numbers to scores.
        vocabulary: its words, without spare places.
        temperature: of the softmax that makes probabilities of scores.
    """

    def __init__(
        self, network: NamedNetwork, vocabulary: Sequence[str], temperature: float = 1.0
    ) -> None:
        self._network = network
        self.temperature = temperature
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
        temperature = 1.0
        if TEMPERATURE_FILE in bundle.files:
            temperature = float(json.loads(bundle.asset(TEMPERATURE_FILE))["temperature"])
        return cls(torch_network(bundle, device), words, temperature)

    def ask(self, story: Sequence[str], questions: Sequence[str]) -> list[StoryAnswer]:
        """Answer questions about one story, each by the best word.

        Args:
            story: as `rank` takes it.
            questions: at least one; a network takes each for itself.

        Raises:
            RequestError: there is no sentence, or a question has no words.
        """
        if not questions:
            raise RequestError(_WANTED)
        return [self.rank(story, question, 1)[0] for question in questions]

    def rank(self, story: Sequence[str], question: str, top_k: int) -> list[StoryAnswer]:
        """The best words to answer a question about a story with, the best first.

        A word that the vocabulary does not hold is told from others by its letters, and understood
        by the words around it; beyond `SPARE` such words, further ones are not looked at.

        Args:
            story: sentences, in the order of time; the latest `MOST_SENTENCES` are looked at.
            question: about it.
            top_k: so many words at most.

        Raises:
            RequestError: there is no sentence, or the question has no words.
        """
        told = [words_of(sentence)[:MOST_WORDS] for sentence in story]
        asked = words_of(question)[:MOST_WORDS]
        if not any(told) or not asked:
            raise RequestError(_WANTED)
        first = max(0, len(told) - MOST_SENTENCES)
        return self._ranked(told[first:], first, asked, top_k)

    def answers(self, requests: Sequence[StoryRequest]) -> list[list[StoryAnswer] | Exception]:
        """In the order of `requests`, the words of each, or why there are none."""
        return answer_each(requests, lambda one: self.rank(one.sentences, one.question, one.top_k))

    def _ranked(
        self, told: Sequence[Sequence[str]], first: int, question: Sequence[str], top_k: int
    ) -> list[StoryAnswer]:
        lines = [question, *told]
        flat = [word for line in lines for word in line]
        numbers = number_words(flat, self.vocabulary).tolist()
        found = self._network({STORY: _filled(lines, iter(numbers))})
        scores, order = found[ANSWERS][0].sort(descending=True)
        probabilities = (scores / self.temperature).softmax(0).tolist()
        named = dict(zip(numbers, flat, strict=True))
        memories = found[MEMORIES][0].tolist() if MEMORIES in found else []
        led = tuple(first + one for one in memories if one >= 0)
        best = [int(place) + 1 for place in order[:top_k]]
        return [
            StoryAnswer(
                answer=named.get(number, self.vocabulary[number - 1]),
                score=float(scores[rank]),
                lead=float(scores[rank] - scores[rank + 1]),
                probability=probabilities[rank],
                memories=led,
            )
            for rank, number in enumerate(best)
            if rank + 1 < len(scores)
        ]


def _filled(lines: Sequence[Sequence[str]], numbers: Iterator[int]) -> Tensor:
    """(1, lines, words) numbers, filled up with zeros."""
    out = torch.zeros(1, len(lines), max(map(len, lines)), dtype=torch.int64)
    for at, line in enumerate(lines):
        for place in range(len(line)):
            out[0, at, place] = next(numbers)
    return out
