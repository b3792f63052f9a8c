"""Paths of one or two facts around an entity: the candidate answers to a question about it.

A candidate is a path of directed relations, with all entities that it leads to (Bordes, Chopra,
Weston, EMNLP 2014, as recalled: candidates by one- and two-hop paths).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from striate.data.knowledge.base import KnowledgeBase

NO_RELATION = -1
MOST_MIDDLES, MOST_ENDS, MOST_EDGES = 256, 256, 200_000
"""Of the entities one fact away those that are gone on from; of a group of facts those that are
looked at; and of all. They bound what a hub costs; `KnowledgeBase.follow_path` has no bounds."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Paths:
    """Candidates around an entity, those of one fact first, by their directed relations.

    Attributes:
        start: the entity.
        relations: (n, 2) directed relations, `NO_RELATION` for none.
        offsets: (n + 1,) where the ends of each begin.
        ends: entities, rising for each path; never the start.
    """

    start: int
    relations: Numbers
    offsets: Numbers
    ends: Numbers

    @classmethod
    def around(
        cls, base: KnowledgeBase, start: int, relations: Collection[int] | None = None
    ) -> Self:
        """All paths around an entity.

        Args:
            base: the knowledge base.
            start: the entity.
            relations: directed relations that paths of two facts are made of; None: all.
        """
        first, last = int(base.group_starts[start]), int(base.group_starts[start + 1])
        groups, kinds = np.arange(first, last), base.group_relations[first:last].astype(np.int64)
        keys, ends = _ends_of(base, groups, kinds)
        if relations is not None:
            chosen = np.isin(kinds, [*relations])
            groups, kinds = groups[chosen], kinds[chosen]
        further_keys, further_ends = _two_facts(base, groups, kinds, relations)
        keys = np.concatenate([keys, further_keys + base.directed])
        ends = np.concatenate([ends, further_ends])
        return cls._of(base, start, keys, ends)

    @classmethod
    def _of(cls, base: KnowledgeBase, start: int, keys: Numbers, ends: Numbers) -> Self:
        """Out of (m,) numbers of paths and one end of each: r, or D + D r + r' of D relations."""
        directed, entities = base.directed, max(base.entities, 1)
        away = ends != start
        keys, ends = np.divmod(np.unique(keys[away] * entities + ends[away]), entities)
        begins = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if len(keys) else keys
        found = keys[begins]
        one, two = np.divmod(found - directed, max(directed, 1))
        short = found < directed
        relations = np.stack([np.where(short, found, one), np.where(short, NO_RELATION, two)], 1)
        return cls(start, relations, np.append(begins, len(ends)), ends)

    def __len__(self) -> int:
        return len(self.relations)

    @property
    def hops(self) -> Numbers:
        """(n,) facts of each path."""
        hops: Numbers = 1 + (self.relations[:, 1] != NO_RELATION).astype(np.int64)
        return hops

    def path(self, at: int) -> tuple[int, ...]:
        """The directed relations of a path."""
        one, two = self.relations[at].tolist()
        return (one,) if two == NO_RELATION else (one, two)

    def index(self, path: tuple[int, ...]) -> int | None:
        """Which candidate a path is; None where it is none."""
        one, two = (*path, NO_RELATION)[:2]
        found = np.flatnonzero((self.relations[:, 0] == one) & (self.relations[:, 1] == two))
        return int(found[0]) if len(found) else None

    def ends_of(self, at: int) -> Numbers:
        """The entities that a path leads to, of a hub the first."""
        return self.ends[self.offsets[at] : self.offsets[at + 1]]

    def first_ends(self, most: int) -> Numbers:
        """(n, most) the ends of each path with the most facts; −1 where there are fewer."""
        places = self.offsets[:-1, None] + np.arange(most)
        there = places < self.offsets[1:, None]
        if not len(self.ends):
            return np.full((len(self), most), -1)
        return np.where(there, self.ends[np.minimum(places, len(self.ends) - 1)], -1)

    def only(self, chosen: Numbers) -> "Paths":
        """Some of the candidates, by their indices."""
        sizes = np.diff(self.offsets)[chosen]
        ends = self.ends[ranges(self.offsets[:-1][chosen], sizes)]
        offsets = np.append(0, np.cumsum(sizes))
        return Paths(self.start, self.relations[chosen], offsets, ends)

    @property
    def sets(self) -> Numbers:
        """(n,) a number for the ends of each path: the same for the same ends."""
        with np.errstate(over="ignore"):
            mixed = (self.ends + 1) * np.int64(0x4F1BBCDCBFA53E0B)
            mixed = (mixed ^ (mixed >> 29)) * np.int64(0x1B873593CC9E2D51)
            return np.diff(np.append(0, np.cumsum(mixed ^ (mixed >> 31)))[self.offsets])

    def set_f1(self, true: Iterable[int], size: int | None = None) -> NDArray[np.float64]:
        """(n,) F1 of each candidate's ends against the true answers.

        Args:
            true: entities; of an answer that may be several of them, all.
            size: how many answers are true, where that is not how many entities there are.
        """
        wanted = np.unique(np.fromiter(true, np.int64))
        size = len(wanted) if size is None else size
        hit = np.append(0, np.cumsum(np.isin(self.ends, wanted)))
        right = hit[self.offsets[1:]] - hit[self.offsets[:-1]]
        sizes = np.maximum(np.diff(self.offsets) + size, 1)
        f1: NDArray[np.float64] = np.minimum(2.0 * right / sizes, 1.0)
        return f1


def ranges(starts: Numbers, counts: Numbers) -> Numbers:
    """start, start + 1, … of each, end to end.

    >>> ranges(np.array([5, 9]), np.array([2, 3])).tolist()
    [5, 6, 9, 10, 11]
    """
    before = np.cumsum(counts) - counts
    made: Numbers = np.arange(int(counts.sum())) + np.repeat(starts - before, counts)
    return made


def relations_near(base: KnowledgeBase, start: int) -> Numbers:
    """The directed relations that paths of one or two facts around an entity are made of, rising.

    They are found without going along the second facts.
    """
    first, last = int(base.group_starts[start]), int(base.group_starts[start + 1])
    groups = np.arange(first, last)
    further, _ = _groups_behind(base, groups, groups)
    return np.unique(base.group_relations[np.append(groups, further)]).astype(np.int64)


def _ends_of(base: KnowledgeBase, groups: Numbers, keys: Numbers) -> tuple[Numbers, Numbers]:
    """The entities in some groups of facts, each with the key of its group."""
    first = base.edge_starts[groups]
    counts = np.minimum(base.edge_starts[groups + 1] - first, MOST_ENDS)
    room = np.cumsum(counts) <= MOST_EDGES
    first, counts, keys = first[room], counts[room], keys[room]
    return np.repeat(keys, counts), base.edges[ranges(first, counts)].astype(np.int64)


def _groups_behind(base: KnowledgeBase, groups: Numbers, keys: Numbers) -> tuple[Numbers, Numbers]:
    """The groups of facts around the entities in some groups, each with the key it is behind."""
    first = base.edge_starts[groups]
    counts = np.minimum(base.edge_starts[groups + 1] - first, MOST_MIDDLES)
    middles = base.edges[ranges(first, counts)].astype(np.int64)
    further = base.group_starts[middles]
    sizes = base.group_starts[middles + 1] - further
    return ranges(further, sizes), np.repeat(np.repeat(keys, counts), sizes)


def _two_facts(
    base: KnowledgeBase, groups: Numbers, kinds: Numbers, relations: Collection[int] | None
) -> tuple[Numbers, Numbers]:
    """The ends of paths that go on from some groups of facts; their keys are D r + r'."""
    groups, kinds = _groups_behind(base, groups, kinds)
    seconds = base.group_relations[groups].astype(np.int64)
    if relations is not None:
        chosen = np.isin(seconds, [*relations])
        groups, kinds, seconds = groups[chosen], kinds[chosen], seconds[chosen]
    return _ends_of(base, groups, kinds * base.directed + seconds)
