"""How words are said: a lexicon, read, written, or learnt from labelled speech."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from striate.core.errors import DataError

_AND = "_"  # between words that are said as one

Span = tuple[float, float, str]
"""(start, end, name) of a word or a phone, in any one unit of time."""


@dataclass(frozen=True)
class Pronunciation:
    """One way to say a word, or some words that are said as one.

    Attributes:
        words: mostly one.
        phones: at least one.
        probability: among the ways to say these words, in (0, 1].
    """

    words: tuple[str, ...]
    phones: tuple[str, ...]
    probability: float = 1.0


@dataclass(frozen=True)
class Lexicon:
    """The words that can be heard.

    Attributes:
        pronunciations: all ways to say all words.
    """

    pronunciations: tuple[Pronunciation, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """Each word once, sorted."""
        return tuple(sorted({word for said in self.pronunciations for word in said.words}))

    @classmethod
    def of_spans(
        cls,
        utterances: Iterable[tuple[Sequence[Span], Sequence[Span]]],
        quiet: Iterable[str] = (),
    ) -> Self:
        """Learn from utterances whose every word and phone has its place.

        A word is said with the phones that start inside it; how often it is said so is the
        probability. Words that are one span (``in the``) are said as one.

        Args:
            utterances: (words, phones) of each.
            quiet: phones that are silences, which belong to no word.
        """
        silences, ways = set(quiet), Counter[tuple[tuple[str, ...], tuple[str, ...]]]()
        for words, phones in utterances:
            for start, end, name in words:
                inner = (phone for at, _, phone in phones if start <= at < end)
                said = tuple(phone for phone in inner if phone not in silences)
                if said and name.split():
                    ways[tuple(name.split()), said] += 1
        totals = Counter[tuple[str, ...]]()
        for (name_words, _), count in ways.items():
            totals[name_words] += count
        return cls(
            tuple(
                Pronunciation(name_words, said, count / totals[name_words])
                for (name_words, said), count in sorted(ways.items())
            )
        )

    @classmethod
    def of_text(cls, text: str) -> Self:
        """Of lines ``word probability phone phone …``, Kaldi's ``lexiconp.txt``.

        Words that are said as one are joined by ``_``.

        Raises:
            DataError: a line is no such thing; it is named.
        """
        lines = ((number, line.split()) for number, line in enumerate(text.splitlines(), 1))
        return cls(tuple(_parse(number, parts) for number, parts in lines if parts))

    def to_text(self) -> str:
        """The inverse of `of_text`."""
        return "".join(
            f"{_AND.join(one.words)} {one.probability:.6g} {' '.join(one.phones)}\n"
            for one in self.pronunciations
        )


def _parse(number: int, parts: list[str]) -> Pronunciation:
    try:
        words, probability, *phones = parts
        said = Pronunciation(tuple(words.split(_AND)), tuple(phones), float(probability))
    except ValueError:
        said = Pronunciation((), ())
    if not (said.phones and said.words and all(said.words) and 0 < said.probability <= 1):
        raise DataError(
            f"Line {number} of the lexicon is no pronunciation: {' '.join(parts)[:40]!r}.",
            "Write `word probability phone phone …` a line, the probability in (0, 1].",
        )
    return said


def log_probability(said: Pronunciation) -> float:
    """The pronunciation's score in an automaton."""
    return math.log(said.probability)
