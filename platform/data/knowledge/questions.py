"""Questions about a knowledge base, made of wordings; held out are entities and ways to put them.

A question of ``valid`` or ``test`` is about an entity of that split, in a wording of it. One
of ``train`` is about an entity of ``train``, and neither leads to held-out entities alone nor goes
by way of them alone: what is asked in a test was told nowhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.data.knowledge.base import KnowledgeBase
from striate.data.knowledge.features import ENTITY_TAG
from striate.data.knowledge.paths import Paths
from striate.data.knowledge.wording import (
    SLOT,
    RelationWording,
    Split,
    Wording,
    held_out,
    lot,
    split_of,
)
from striate.data.knowledge.words import name_key

Entities = NDArray[np.int64]

MOST_STARTS = 400
"""Entities that a directed relation is asked of."""

MOST_TWO_FACT_STARTS, TWO_FACT_PATHS = 4000, 4
"""Entities that are asked of by two facts, and paths of each."""

MOST_ANSWERS = 100
"""Members of an answer: what has more nobody asks for."""

TRAIN_WAYS = 2
"""Wordings in which the same is asked in training."""


@dataclass(frozen=True)
class MadeQuestion:
    """A question with its answer.

    Attributes:
        text: as people write it.
        asked: with `ENTITY_TAG` for the name in it.
        mention: the name.
        start: the entity that it names.
        path: directed relations to the answer.
        ends: the answer's entities, rising.
        key: of the question, unlike all others.
        gold: members of the answer, where the base does not know all of them; 0: those of `ends`.
    """

    text: str
    asked: str
    mention: str
    start: int
    path: tuple[int, ...]
    ends: tuple[int, ...]
    key: str
    gold: int = 0


class QuestionMaker:
    """Makes the questions of one base.

    Args:
        base: the knowledge base.
        wording: how its relations are asked for.
    """

    def __init__(self, base: KnowledgeBase, wording: Wording) -> None:
        self._base = base
        self._wordings: list[RelationWording | None] = [
            wording.of(name, base.label(relation))
            for relation, name in enumerate(base.relation_names)
        ]
        self._asked = np.array([one is not None for one in self._wordings], bool)
        self._described = np.array([bool(one and one.phrases) for one in self._wordings], bool)
        self._splits: dict[int, Split] = {}

    def make(self) -> Iterator[tuple[Split, MadeQuestion]]:
        """All questions, those of one fact first; the same for the same base and wording."""
        for relation in range(self._base.directed):
            if self._wordings[relation] is not None:
                starts = _spread(self._starts(relation), MOST_STARTS)
                for start in self._found_by_name(starts):
                    yield from self._ask(start, (relation,), self._base.follow(start, relation))
        around = np.flatnonzero(np.diff(self._base.group_starts))
        for start in self._found_by_name(_spread(around, MOST_TWO_FACT_STARTS)):
            yield from self._two_facts(start)

    def _two_facts(self, start: int) -> Iterator[tuple[Split, MadeQuestion]]:
        paths = Paths.around(self._base, start)
        first, second = paths.relations.T
        askable = np.flatnonzero((paths.hops == 2) & self._described[first] & self._asked[second])
        key = self._base.key(start)
        draws = [lot("path", key, draw) for draw in range(TWO_FACT_PATHS if len(askable) else 0)]
        for at in dict.fromkeys(int(askable[int(draw * len(askable))]) for draw in draws):
            yield from self._ask(start, paths.path(at), paths.ends_of(at))

    def _ask(
        self, start: int, path: tuple[int, ...], ends: NDArray[np.integer[Any]]
    ) -> Iterator[tuple[Split, MadeQuestion]]:
        base, split = self._base, self._split(start)
        found = sorted(set(ends.tolist()) - {start})
        if not 0 < len(found) <= MOST_ANSWERS:
            return
        if split == "train" and self._tells(start, path, found):
            return
        names, key = self._names(path), base.key(start)
        for number, way in enumerate(self._ways(path, split, key)):
            name = base.name(start)
            yield (
                split,
                MadeQuestion(
                    text=_sentence(way.replace(SLOT, name)),
                    asked=_sentence(way.replace(SLOT, ENTITY_TAG)),
                    mention=name,
                    start=start,
                    path=path,
                    ends=tuple(found),
                    key=f"{key}/{'/'.join(names)}/{number + 1}",
                ),
            )

    def _tells(self, start: int, path: tuple[int, ...], ends: Sequence[int]) -> bool:
        """Whether a question leads to held-out entities alone, or goes by way of them alone."""
        if all(self._split(end) != "train" for end in ends):
            return True
        middles = self._base.follow(start, path[0]).tolist() if len(path) > 1 else []
        return bool(middles) and all(self._split(one) != "train" for one in middles)

    def _ways(self, path: tuple[int, ...], split: Split, key: str) -> list[str]:
        """The wordings in which something is asked, with a slot for the name."""
        *before, last = (self._wordings[relation] for relation in path)
        names = self._names(path)
        assert last is not None
        ways = list(held_out(names[-1], last.questions, split))
        if before:
            assert before[0] is not None
            phrases = held_out(names[0], before[0].phrases, split)
            ways = [way.replace(SLOT, phrase) for way in ways for phrase in phrases]
        most = TRAIN_WAYS if split == "train" and not before else 1
        return sorted(ways, key=lambda way: lot(key, names, way))[:most]

    def _starts(self, relation: int) -> Entities:
        groups = np.flatnonzero(self._base.group_relations == relation)
        return np.searchsorted(self._base.group_starts, groups, "right") - 1

    def _found_by_name(self, starts: Entities) -> Iterator[int]:
        """Those of some entities that are the likeliest one of their name."""
        entities = starts.tolist()
        keys = [name_key(self._base.name(entity)) for entity in entities]
        for entity, found in zip(entities, self._base.names.find(keys), strict=True):
            if found[:1] == (entity,):
                yield entity

    def _names(self, path: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(self._base.relation_names[relation] for relation in path)

    def _split(self, entity: int) -> Split:
        if entity not in self._splits:
            self._splits[entity] = split_of(self._base.key(entity))
        return self._splits[entity]


def _spread(entities: Entities, most: int) -> Entities:
    """Some of them from all over, `most` at most."""
    return entities[:: max(1, -(-len(entities) // most))]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
