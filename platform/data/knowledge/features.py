"""Candidates as symbols: what a network of embeddings adds up to represent an answer.

A directed relation r is the symbol r + 1, an entity e is −(e + 1), and 0 is none. Of a candidate
there are, in this order: the start, its one or two relations, some of its ends, and what is around
those ends: their relations, and of each relation the neighbour with the most facts. So an answer is
a single entity, a path, or a subgraph (Bordes, Chopra, Weston, EMNLP 2014, section 3.2, as
recalled; that of ends and neighbours only the first few are taken is ours). Last come the words of
the relations' labels, by their numbers in the questions' vocabulary: a question may name a relation
in words that it was never asked in before. Those are ours, too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.data.knowledge.base import KnowledgeBase
from striate.data.knowledge.paths import NO_RELATION, Paths

PATH_SYMBOLS = 3
"""The start and two relations."""

ENTITY_TAG = "<e>"
"""What stands in a question for the entity that it is about."""

Symbols = NDArray[np.int64]


@dataclass(frozen=True)
class CandidateShape:
    """How much of a candidate is looked at.

    Attributes:
        ends: entities that it leads to, those with the most facts.
        kinds: directed relations around each of them.
        labels: words of a relation's label.
    """

    ends: int = 2
    kinds: int = 12
    labels: int = 3

    @property
    def width(self) -> int:
        """Symbols of a candidate."""
        return PATH_SYMBOLS + self.ends + 2 * self.ends * self.kinds + 2 * self.labels

    def symbols(self, base: KnowledgeBase, words: Symbols, paths: Paths) -> Symbols:
        """(n, width) symbols of n candidates; see `describe`."""
        starts = np.full(len(paths), paths.start)
        return self.describe(base, words, starts, paths.relations, paths.first_ends(self.ends))

    def describe(
        self,
        base: KnowledgeBase,
        words: Symbols,
        starts: Symbols,
        relations: Symbols,
        ends: Symbols,
    ) -> Symbols:
        """(n, width) symbols.

        Args:
            base: the knowledge base.
            words: (directed relations + 1, labels) numbers of the words of their labels, 0 for
                none; the last row is that of no relation.
            starts: (n,) entities.
            relations: (n, 2) directed relations, `NO_RELATION` for none.
            ends: (n, ends) entities, −1 for none.
        """
        assert NO_RELATION == -1  # so that none is the symbol 0
        made = np.zeros((len(starts), self.width), np.int64)
        made[:, 0] = -(starts + 1)
        made[:, 1:PATH_SYMBOLS] = relations + 1
        made[:, PATH_SYMBOLS : PATH_SYMBOLS + self.ends] = -(ends + 1)
        first, last = PATH_SYMBOLS + self.ends, self.width - 2 * self.labels
        if len(base.group_relations):
            around = made[:, first:last]
            around[:] = self._around(base, ends).reshape(around.shape)
        made[:, last:] = words[relations].reshape(len(starts), 2 * self.labels)
        return made

    def _around(self, base: KnowledgeBase, ends: Symbols) -> Symbols:
        """(n, ends, kinds, 2) relations around the ends, and a neighbour by each."""
        known = np.maximum(ends, 0)
        groups = base.group_starts[known][..., None] + np.arange(self.kinds)
        there = (groups < base.group_starts[known + 1][..., None]) & (ends >= 0)[..., None]
        groups = np.minimum(groups, len(base.group_relations) - 1)
        relations = base.group_relations[groups].astype(np.int64) + 1
        neighbours = -(base.edges[base.edge_starts[groups]].astype(np.int64) + 1)
        around: Symbols = np.stack([relations, neighbours], -1) * there[..., None]
        return around
