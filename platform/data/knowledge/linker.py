"""Which entities a question names: the longest names first, in any script, within one edit."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from striate.core.errors import PayloadTooLarge, RequestError
from striate.data.knowledge.base import KnowledgeBase
from striate.data.knowledge.features import ENTITY_TAG
from striate.data.knowledge.names import LEAST_SPELT, MOST_WORDS
from striate.data.knowledge.words import NameWord, name_words

MOST_CHARACTERS = 8192
"""Of a question; a longer one is refused."""

MOST_LOOKED_AT = 64
"""Words of a question in which names are looked for."""

MOST_MISSPELT_WORDS = 4
"""Words of a name that is found within one edit."""


@dataclass(frozen=True)
class Mention:
    """A name in a question.

    Attributes:
        start: its first character.
        stop: the character after its last.
        words: how many it has.
        entities: that it may stand for, the likeliest first; at least one.
        exact: whether it is spelt as the base spells it.
        common: whether each of its words is one of those that questions are made of.
    """

    start: int
    stop: int
    words: int
    entities: tuple[int, ...]
    exact: bool = True
    common: bool = False

    def text(self, question: str) -> str:
        """As it is written."""
        return question[self.start : self.stop]

    def replaced(self, question: str) -> str:
        """The question with `ENTITY_TAG` in its place."""
        return f"{question[: self.start]} {ENTITY_TAG} {question[self.stop :]}"


@dataclass(frozen=True)
class _Span:
    first: int
    last: int
    key: str


class Linker:
    """Finds the entities of one knowledge base.

    Args:
        base: the base.
        common: words, folded, that questions are made of: what consists of nothing else is named
            only where nothing better is, and is never a name spelt wrong.
    """

    def __init__(self, base: KnowledgeBase, common: Collection[str] = ()) -> None:
        self._names = base.names
        self._common = frozenset(common)

    def link(self, question: str) -> list[Mention]:
        """The names in a question, the likeliest topic first; no two overlap.

        A name of more words goes before one of fewer, an exact one before one with a mistake, a
        longer one before a shorter, and what stands first before what follows.

        Raises:
            RequestError: there is no word in it.
            PayloadTooLarge: it has more than `MOST_CHARACTERS` characters.
        """
        if len(question) > MOST_CHARACTERS:
            raise PayloadTooLarge(
                f"The question has more than {MOST_CHARACTERS:,} characters.",
                "Ask in one sentence.",
            )
        words = list(islice(name_words(question), MOST_LOOKED_AT))
        if not words:
            raise RequestError("A question has words.")
        right = list(self._exact(words))
        found = [*right, *self._misspelt(words, {span.key for span, _, _ in right})]
        taken: set[int] = set()
        mentions = []
        for span, entities, exact in sorted(found, key=_longest_first):
            places = range(span.first, span.last)
            if taken.isdisjoint(places):
                taken.update(places)
                mentions.append(self._mention(words, span, entities, exact))
        return sorted(mentions, key=lambda one: one.common)

    def _exact(self, words: Sequence[NameWord]) -> Iterator[tuple[_Span, tuple[int, ...], bool]]:
        spans = list(_spans(words, MOST_WORDS))
        for span, entities in zip(spans, self._names.find([s.key for s in spans]), strict=True):
            if entities:
                yield span, entities, True

    def _misspelt(
        self, words: Sequence[NameWord], exact: Collection[str]
    ) -> Iterator[tuple[_Span, tuple[int, ...], bool]]:
        """Names that no common word begins or ends, where none is spelt as the base spells it."""
        spans = [
            span
            for span in _spans(words, MOST_MISSPELT_WORDS)
            if len(span.key) >= LEAST_SPELT - 1
            and span.key not in exact
            and words[span.first].text not in self._common
            and words[span.last - 1].text not in self._common
        ]
        near = self._names.find_near([span.key for span in spans])
        names = sorted({name for some in near for name in some})
        known = dict(zip(names, self._names.find(names), strict=True))
        for span, alike in zip(spans, near, strict=True):
            entities = {one for name in alike if name != span.key for one in known[name]}
            if entities:
                yield span, tuple(sorted(entities)), False

    def _mention(
        self, words: Sequence[NameWord], span: _Span, entities: tuple[int, ...], exact: bool
    ) -> Mention:
        inside = words[span.first : span.last]
        return Mention(
            inside[0].start,
            inside[-1].stop,
            len(inside),
            entities,
            exact,
            all(word.text in self._common for word in inside),
        )


def _longest_first(found: tuple[_Span, tuple[int, ...], bool]) -> tuple[int, bool, int, int]:
    span, _, exact = found
    return span.first - span.last, not exact, -len(span.key), span.first


def _spans(words: Sequence[NameWord], most: int) -> Iterator[_Span]:
    """Every stretch of up to `most` words."""
    for first in range(len(words)):
        for last in range(first + 1, min(first + most, len(words)) + 1):
            yield _Span(first, last, " ".join(word.text for word in words[first:last]))
