"""Stories with questions, in the layout of bAbI's files.

``1 Mary moved to the bathroom.`` is a statement, ``3 Where is Mary?<TAB>bathroom<TAB>1`` a question
with its answer and the lines that support it, in the order in which they are to be found. Line 1
begins a new story. Several answers, ``apple,milk``, are one answer. Words are in small letters,
without the marks that end or divide sentences.

Words are numbered from 1 by a vocabulary; after its own words it has spare places, which the words
of a story that it does not hold take in the order in which they come.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPARE = 24
"""Spare places of a vocabulary: words that it does not hold, in any one story."""

VOCABULARY_FILE = "vocabulary.txt"
"""Of a bundle: the words of its vocabulary, one a line, without the spare places."""

_MARKS = '.,;:!?"()'
_LINE = re.compile(r"(\d+) (.*)")


class StoryError(ValueError):
    """A line that is not as it should be; the reason, in words without names or numbers."""


@dataclass(frozen=True)
class Question:
    """A question about what was said before it.

    Attributes:
        words: of it.
        answer: one word, or several with commas between them.
        supports: the statements that lead to the answer, counted from 0, the first to find first.
        said: statements before it.
    """

    words: tuple[str, ...]
    answer: str
    supports: tuple[int, ...]
    said: int


@dataclass(frozen=True)
class Story:
    """Statements in the order of time, and questions."""

    statements: tuple[tuple[str, ...], ...]
    questions: tuple[Question, ...]

    @property
    def words(self) -> Iterator[str]:
        """Every word: of the statements, then of each question, with its answer."""
        for statement in self.statements:
            yield from statement
        for question in self.questions:
            yield from question.words
            yield question.answer


def words_of(sentence: str) -> tuple[str, ...]:
    """The words of a sentence.

    >>> words_of("Frodo journeyed to Mount-Doom.")
    ('frodo', 'journeyed', 'to', 'mount-doom')
    """
    stripped = (word.strip(_MARKS) for word in sentence.lower().split())
    return tuple(word for word in stripped if word)


def split_stories(text: str) -> list[str]:
    """The stories of a file, each the lines from a line 1 to the next one."""
    stories: list[list[str]] = []
    for line in filter(str.strip, text.split("\n")):
        if not stories or line.lstrip().startswith("1 "):
            stories.append([])
        stories[-1].append(line.strip())
    return ["\n".join(lines) + "\n" for lines in stories]


def parse_story(text: str) -> Story:
    """The story that lines of text are.

    Raises:
        StoryError: a line is malformed.
    """
    statements: list[tuple[str, ...]] = []
    questions: list[Question] = []
    places: dict[int, int] = {}  # number of a line → its statement
    for number, line in enumerate(text.strip().split("\n"), 1):
        matched = _LINE.fullmatch(line.strip())
        if matched is None or int(matched[1]) != number:
            raise StoryError("lines are not numbered from one")
        parts = matched[2].split("\t")
        if len(parts) == 1:
            places[number] = len(statements)
            statements.append(_filled(parts[0]))
        else:
            questions.append(_question(parts, places, len(statements)))
    return Story(tuple(statements), tuple(questions))


def _question(parts: Sequence[str], places: Mapping[int, int], said: int) -> Question:
    if len(parts) != 3 or not parts[1].strip():
        raise StoryError("a question without an answer and its supporting lines")
    lines = parts[2].split()
    if not all(line.isdecimal() and int(line) in places for line in lines):
        raise StoryError("a question supported by what was not said before it")
    supports = tuple(places[int(line)] for line in lines)
    answer = "".join(parts[1].lower().split())
    return Question(_filled(parts[0]), answer, supports, said)


def _filled(sentence: str) -> tuple[str, ...]:
    words = words_of(sentence)
    if not words:
        raise StoryError("a line without words")
    return words


def build_vocabulary(stories: Iterable[Story]) -> tuple[str, ...]:
    """The words of some stories in the order of the alphabet, and `SPARE` places for others."""
    known = sorted({word for story in stories for word in story.words})
    return (*known, *(f"?{number}" for number in range(1, SPARE + 1)))


def number_words(
    words: Iterable[str], vocabulary: Sequence[str], spare: int = SPARE
) -> NDArray[np.int32]:
    """The number of each word, from 1; unknown ones have the spare places, 0 beyond the last.

    >>> number_words(["frodo", "went", "frodo"], ["went", "?1", "?2"], spare=2).tolist()
    [2, 1, 2]
    """
    known = vocabulary[: len(vocabulary) - spare]
    table = {word: number for number, word in enumerate(known, 1)}
    numbers = [table.setdefault(word, len(table) + 1) for word in words]
    return np.array([number if number <= len(vocabulary) else 0 for number in numbers], np.int32)
