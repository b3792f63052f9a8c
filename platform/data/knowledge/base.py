"""A knowledge base, open: what each entity is called, and what is one fact away from it."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from striate.core.errors import DataError
from striate.data.knowledge.columns import numbers_of, read_columns
from striate.data.knowledge.manifest import (
    BACK,
    EDGES,
    ENTITIES,
    FILES,
    GROUPS,
    KnowledgeManifest,
    check_file,
)
from striate.data.knowledge.names import Names
from striate.data.storage import Source

Entities = NDArray[np.int32]
Places = NDArray[np.int64]


class KnowledgeBase:
    """Entities, numbered from 0 by how many facts they are in, and the facts between them.

    A relation r of R is also gone through backwards, as r + R: the directed relations are 0 to
    2 R − 1. The facts around an entity lie in groups, one for each directed relation, in the order
    of its number; the entities of a group rise.

    Attributes:
        place: where it lies.
        manifest: what it holds.
        group_starts: (entities + 1,) where the groups of each entity begin.
        group_relations: (groups,) directed relation.
        edge_starts: (groups + 1,) where the entities of each group begin.
        edges: (2 facts,) the entities that lie one fact away.
    """

    def __init__(self, place: Source, manifest: KnowledgeManifest) -> None:
        self.place, self.manifest = place, manifest
        self._entities = read_columns(place, ENTITIES)
        groups = read_columns(place, GROUPS)
        self.edges: Entities = numbers_of(read_columns(place, EDGES), "entity")
        self.group_relations: Entities = numbers_of(groups, "relation")
        self.group_starts = _closed(numbers_of(self._entities, "group"), len(self.group_relations))
        self.edge_starts = _closed(numbers_of(groups, "edge"), len(self.edges))
        if len(self._entities) != manifest.entities or len(self.edges) != 2 * manifest.facts:
            raise DataError(f"{place.name} is damaged: its files and its manifest disagree.")

    @classmethod
    def open(cls, place: Path | str | Source, *, hashed: bool = False) -> Self:
        """Open the base of a folder or bucket; in a folder its files are mapped, and not read.

        Args:
            place: folder or URI.
            hashed: whether every file is held against its hash first, and not only its size.

        Raises:
            DataError: there is none, or a file is missing or damaged.
            PlatformError: the place does not answer.
        """
        source = Source.of(place)
        manifest = KnowledgeManifest.load(source)
        for name in FILES:
            check_file(source, name, manifest.files[name], hashed=hashed)
        return cls(source, manifest)

    def __reduce__(self) -> tuple[Callable[[str], "KnowledgeBase"], tuple[str]]:
        return KnowledgeBase.open, (self.place.uri,)

    @cached_property
    def names(self) -> Names:
        """What entities are found by."""
        return Names.open(self.place)

    @property
    def entities(self) -> int:
        """How many there are."""
        return self.manifest.entities

    @property
    def directed(self) -> int:
        """Directed relations: twice the relations."""
        return 2 * len(self.manifest.relations)

    def key(self, entity: int) -> str:
        """What the source calls an entity."""
        return str(self._entities.column("key")[entity])

    def name(self, entity: int) -> str:
        """What people call an entity."""
        return str(self._entities.column("name")[entity])

    def entities_of(self, keys: Sequence[str]) -> list[int | None]:
        """The entities of some keys; None where there is none. Costs as much for one as for all."""
        wanted = pa.array(list(keys), pa.large_string())
        found = pc.index_in(wanted, value_set=self._entities.column("key"))
        return [None if at is None else int(at) for at in found.to_pylist()]

    def reverse(self, relation: int) -> int:
        """The same directed relation the other way."""
        half = self.directed // 2
        return relation - half if relation >= half else relation + half

    @cached_property
    def relation_names(self) -> tuple[str, ...]:
        """The directed relations' names: ``capital``, and ``~capital`` the other way."""
        names = [relation.name for relation in self.manifest.relations]
        return (*names, *(BACK + name for name in names))

    @cached_property
    def relation_numbers(self) -> dict[str, int]:
        """The inverse of `relation_names`."""
        return {name: number for number, name in enumerate(self.relation_names)}

    def label(self, relation: int) -> str:
        """What people call a directed relation, whichever way it is gone through."""
        relations = self.manifest.relations
        return relations[relation % len(relations)].label

    def relations_around(self, entity: int) -> Entities:
        """The directed relations of an entity's facts, rising."""
        first, last = self.group_starts[entity], self.group_starts[entity + 1]
        return self.group_relations[first:last]

    def follow(self, entity: int, relation: int) -> Entities:
        """The entities that a directed relation leads to from one, rising: a view."""
        first, last = int(self.group_starts[entity]), int(self.group_starts[entity + 1])
        group = first + int(np.searchsorted(self.group_relations[first:last], relation))
        if group == last or self.group_relations[group] != relation:
            return self.edges[:0]
        return self.edges[self.edge_starts[group] : self.edge_starts[group + 1]]

    def follow_path(self, entity: int, path: Sequence[int]) -> Entities:
        """The entities at the end of one or two directed relations, rising, without the start."""
        found = self.follow(entity, path[0])
        if len(path) > 1:
            parts = [self.follow(middle, path[1]) for middle in found.tolist()]
            found = np.unique(np.concatenate([self.edges[:0], *parts]))
        away: Entities = found[found != entity]
        return away


def _closed(starts: NDArray[np.int64], stop: int) -> Places:
    return np.append(starts, stop).astype(np.int64)
