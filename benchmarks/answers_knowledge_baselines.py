"""Baselines for questions about a knowledge base: words in common, with the same candidates.

A candidate's text is what its relations are called, and for ``taught`` TF-IDF all training
questions that go along them as well. Each is told the entity and answers with the same sets as
Striate's network; it looks at every path of two facts and not at the ten best relations'.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cache

import numpy as np

from striate.data.knowledge.base import KnowledgeBase
from striate.data.knowledge.paths import Paths
from striate.data.pipelines.base import Stored

Weights = Mapping[str, float]


def words_of(text: str) -> list[str]:
    """The words of a question or label, without the mark of its entity."""
    return re.findall(r"[^\W_]+", text.lower().replace("<e>", " "))


class WordBaselines:
    """Scores of candidates by words that they have in common with a question.

    Args:
        base: the knowledge base.
        train: training questions.
    """

    def __init__(self, base: KnowledgeBase, train: Iterable[Stored]) -> None:
        self._base = base
        self._taught: dict[int, Counter[str]] = defaultdict(Counter)
        self._seen: Counter[str] = Counter()
        self._questions = 0
        for sample in train:
            words = words_of(str(sample.fields["asked"]))
            self._seen.update(set(words))
            self._questions += 1
            for name in sample.fields["path"]:
                self._taught[base.relation_numbers[name]].update(words)
        self.scorers: dict[str, Callable[[Counter[str], tuple[int, ...]], float]] = {
            "unigram": self._unigram,
            "TF-IDF": lambda asked, path: _product(self._weigh(asked), self._vector(path, False)),
            "taught TF-IDF": lambda asked, path: _product(
                self._weigh(asked), self._vector(path, True)
            ),
        }
        self._vector = cache(self._vector_of)

    def best(self, name: str, asked: str, paths: Paths) -> int:
        """The candidate that a baseline chooses; of equal ones the first."""
        words = Counter(words_of(asked))
        scorer = self.scorers[name]
        return int(np.argmax([scorer(words, paths.path(at)) for at in range(len(paths))]))

    def _labels(self, path: tuple[int, ...]) -> Counter[str]:
        return Counter(word for one in path for word in words_of(self._base.label(one)))

    def _unigram(self, asked: Counter[str], path: tuple[int, ...]) -> float:
        labels = self._labels(path)
        return sum(word in labels for word in asked) / math.sqrt(len(labels) or 1)

    def _vector_of(self, path: tuple[int, ...], taught: bool) -> Weights:
        words = self._labels(path)
        if taught:
            for one in path:
                words.update(self._taught[one])
        return self._weigh(words)

    def _weigh(self, words: Counter[str]) -> Weights:
        """TF-IDF, of length 1."""
        found = {word: (1 + math.log(count)) * self._rarity(word) for word, count in words.items()}
        length = math.sqrt(sum(value * value for value in found.values())) or 1.0
        return {word: value / length for word, value in found.items()}

    def _rarity(self, word: str) -> float:
        return math.log((self._questions + 1) / (self._seen[word] + 1)) + 0.1


def _product(one: Weights, other: Weights) -> float:
    return sum(value * other.get(word, 0.0) for word, value in one.items())
