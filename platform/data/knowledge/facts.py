"""Facts as arrays: each once, none that a hierarchy forbids, entities and relations by frequency.

Pure functions of integers; `striate.data.knowledge.builder` writes what they give.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

DUPLICATED, LOOP = "duplicated fact", "entity that comes before itself"
TWO_CYCLE, LONGER_CYCLE = "fact that says the opposite of an earlier one", "fact in a longer cycle"

Numbers = NDArray[np.int64]
Chosen = NDArray[np.bool_]


@dataclass(frozen=True)
class Facts:
    """(facts,) arrays, and how many entities and relations there are."""

    subjects: Numbers
    relations: Numbers
    objects: Numbers
    places: Numbers
    entities: int
    kinds: int

    def only(self, chosen: Chosen) -> "Facts":
        """Some of the facts."""
        return replace(
            self,
            subjects=self.subjects[chosen],
            relations=self.relations[chosen],
            objects=self.objects[chosen],
            places=self.places[chosen],
        )


def find_duplicates(facts: Facts) -> Chosen:
    """All but the first of equal facts."""
    order = np.lexsort((facts.places, facts.objects, facts.relations, facts.subjects))
    columns = (facts.subjects, facts.relations, facts.objects)
    same = np.ones(max(len(order) - 1, 0), bool)
    for column in columns:
        same &= column[order[1:]] == column[order[:-1]]
    found = np.zeros(len(order), bool)
    found[order[1:][same]] = True
    return found


def find_two_cycles(facts: Facts, ordered: Chosen) -> Chosen:
    """Of two facts (a, r, b) and (b, r, a) of a hierarchical relation the later one.

    Args:
        facts: each once.
        ordered: (relations,) whether each orders entities.
    """
    low, high = np.minimum(facts.subjects, facts.objects), np.maximum(facts.subjects, facts.objects)
    order = np.lexsort((facts.places, high, low, facts.relations))
    same = np.ones(max(len(order) - 1, 0), bool)
    for column in (facts.relations, low, high):
        same &= column[order[1:]] == column[order[:-1]]
    found = np.zeros(len(order), bool)
    found[order[1:][same]] = True
    there: Chosen = found & ordered[facts.relations] & (facts.subjects != facts.objects)
    return there


def find_cycles(facts: Facts, ordered: Chosen) -> Chosen:
    """The facts of hierarchical relations that lie on a cycle, or between two of one relation.

    Whoever comes before nobody, or after nobody, is on no cycle, and is taken away until all are.
    """
    left = np.flatnonzero(ordered[facts.relations])
    while len(left):
        kinds = facts.relations[left] * facts.entities
        before, after = kinds + facts.subjects[left], kinds + facts.objects[left]
        stays = np.isin(before, after) & np.isin(after, before)
        if stays.all():
            break
        left = left[stays]
    found = np.zeros(len(facts.subjects), bool)
    found[left] = True
    return found


def by_frequency(counts: Numbers) -> Numbers:
    """(n,) the new number of each: 0 for the most frequent, in the old order where equal."""
    order = np.argsort(-counts, kind="stable")
    numbers = np.empty(len(counts), np.int64)
    numbers[order] = np.arange(len(counts))
    return numbers


def renumber(facts: Facts) -> tuple[Facts, Numbers, Numbers]:
    """The same facts with entities and relations numbered by how many facts they are in.

    Returns:
        The facts, and the new number of each entity and of each relation.
    """
    ends = np.concatenate([facts.subjects, facts.objects])
    entities = by_frequency(np.bincount(ends, minlength=facts.entities))
    relations = by_frequency(np.bincount(facts.relations, minlength=facts.kinds))
    made = Facts(
        entities[facts.subjects],
        relations[facts.relations],
        entities[facts.objects],
        facts.places,
        facts.entities,
        facts.kinds,
    )
    return made, entities, relations


@dataclass(frozen=True)
class Adjacency:
    """The facts around each entity, both ways; see `striate.data.knowledge.base`."""

    group_starts: Numbers
    group_relations: Numbers
    edge_starts: Numbers
    edges: Numbers


def adjacency(facts: Facts) -> Adjacency:
    """Gather facts by entity, then by directed relation."""
    owners = np.concatenate([facts.subjects, facts.objects])
    others = np.concatenate([facts.objects, facts.subjects])
    relations = np.concatenate([facts.relations, facts.relations + facts.kinds])
    order = np.lexsort((others, relations, owners))
    owners, relations = owners[order], relations[order]
    begins = np.ones(len(order), bool)
    begins[1:] = (owners[1:] != owners[:-1]) | (relations[1:] != relations[:-1])
    edge_starts = np.flatnonzero(begins)
    group_starts = np.searchsorted(owners[edge_starts], np.arange(facts.entities))
    return Adjacency(group_starts, relations[edge_starts], edge_starts, others[order])
