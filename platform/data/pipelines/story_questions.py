"""The pipeline ``story-questions``: a question, and what was said before it, as word numbers.

In training a share of the words of a story may be taken for ones never seen before: wherever such a
word stands it has a spare place of the vocabulary, so that a network learns to go by the words
around it (Weston, Chopra, Bordes, "Memory networks", ICLR 2015, section 3.5).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from striate.core.validation import check_arguments
from striate.data.pipelines.base import DamagedSample, Places, Stored
from striate.data.transforms.random import uniforms
from striate.data.transforms.text.stories import SPARE, Question, StoryError, parse_story

SUPPORTS = "supports"
"""The tensor of a batch with the memories behind each answer, (n, hops) int64, −1 for none."""

Numbers = NDArray[np.int64]
Told = tuple[Numbers, Numbers, Numbers, Numbers, Numbers]
"""Statements (s, words), questions (q, words), answers (q,), supports (q, hops), said (q,)."""


class StoryQuestions(BaseModel):
    """``features`` (n, 1 + sentences, words): the question, then the statements before it in order.

    Numbers are those of the vocabulary, from 1; 0 fills lines and stories up. ``labels`` (n,) are
    the answers' numbers less one; ``supports`` as `SUPPORTS` says.

    Attributes:
        sentences: statements that are kept, the latest ones; a support before them is none.
        words: of a sentence; longer ones are cut.
        hops: supports that are given.
        unseen: share of the words that are taken for unseen ones, in training: of a story from
            none to twice as many.
        training: whether any are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sentences: int = Field(default=16, ge=1, le=4096)
    words: int = Field(default=8, ge=1, le=256)
    hops: int = Field(default=2, ge=1, le=8)
    unseen: float = Field(default=0.0, ge=0, le=0.5)
    training: bool = False
    layout: ClassVar[str] = "LW"
    units: ClassVar[str] = "word number"

    @property
    def units_per_row(self) -> None:
        """The column ``units``: a story has as many as questions."""
        return

    @property
    def shape(self) -> tuple[int, int]:
        """(lines, words) of a sample."""
        return 1 + self.sentences, self.words

    def prepare(self, stored: Stored) -> Told:
        """The whole story as numbers.

        Raises:
            DamagedSample: it is malformed, or its numbers are not those of its words.
        """
        try:
            story = parse_story(bytes(stored.payload).decode())
        except (StoryError, UnicodeDecodeError) as error:
            raise DamagedSample(stored.key, str(error)) from None
        numbers = iter(stored.fields.get("numbers") or ())
        try:
            statements = [[next(numbers) for _ in one] for one in story.statements]
            asked = [([next(numbers) for _ in q.words], next(numbers)) for q in story.questions]
        except StopIteration:
            raise DamagedSample(stored.key, "fewer numbers than words") from None
        return (
            self._lines(statements),
            self._lines([words for words, _ in asked]),
            np.array([answer for _, answer in asked], np.int64),
            np.array([self._supports(one) for one in story.questions], np.int64),
            np.array([one.said for one in story.questions], np.int64),
        )

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        features = np.zeros((len(stored), *self.shape), np.int64)
        labels = np.zeros(len(stored), np.int64)
        supports = np.zeros((len(stored), self.hops), np.int64)
        for at, sample in enumerate(stored):
            told: Told = self.prepare(sample) if sample.prepared is None else sample.prepared
            statements, questions, answers, found, said = told
            last = int(said[sample.unit])
            first = max(0, last - self.sentences)
            features[at, 0] = questions[sample.unit]
            features[at, 1 : 1 + last - first] = statements[first:last]
            labels[at] = answers[sample.unit]
            supports[at] = np.maximum(found[sample.unit] - first, -1)
        if self.training and self.unseen:
            known = np.array([int(one.fields["known"]) for one in stored])
            forget_words(features, labels, known, self.unseen, places)
        return {
            "features": torch.from_numpy(features),
            "labels": torch.from_numpy(labels - 1),
            SUPPORTS: torch.from_numpy(supports),
        }

    def _lines(self, lines: Sequence[Sequence[int]]) -> Numbers:
        out = np.zeros((len(lines), self.words), np.int64)
        for row, line in zip(out, lines, strict=True):
            row[: len(line)] = line[: self.words]
        return out

    def _supports(self, question: Question) -> list[int]:
        found = question.supports[: self.hops]
        return [*found, *[-1] * (self.hops - len(found))]


def forget_words(
    features: Numbers, labels: Numbers, known: Numbers, share: float, places: Places
) -> None:
    """Give a share of each sample's words places of words that are not in the vocabulary.

    Args:
        features: (n, lines, words) numbers, changed in place.
        labels: (n,) numbers of the answers, likewise.
        known: (n,) words that the vocabulary has, without its spare places.
        share: of the different words, on average; of one sample from none to twice as many.
        places: where the samples stand, by which words are chosen.
    """
    shares, *draws = uniforms(
        places.seed, places.epochs, places.positions, 1 + int(known.max(initial=0))
    )
    for at, (lines, count) in enumerate(zip(features, known.tolist(), strict=True)):
        there = np.unique(lines)
        free = range(max(count, int(there[-1])) + 1, count + SPARE + 1)
        chosen = [word for word in there.tolist() if 0 < word <= count]
        chosen = [word for word in chosen if draws[word - 1][at] < 2 * share * shares[at]]
        table = np.arange(count + SPARE + 1)
        for word, place in zip(chosen, free, strict=False):  # no more than there is room for
            table[word] = place
        lines[...] = table[lines]
        labels[at] = table[labels[at]]


def story_questions(arguments: Mapping[str, Any], training: bool) -> StoryQuestions:
    """The pipeline of that name.

    Raises:
        RecipeError: an unknown or wrong argument.
    """
    made = check_arguments(StoryQuestions, arguments, "pipeline story-questions")
    return made.model_copy(update={"training": training})
