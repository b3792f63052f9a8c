"""What a source says, gathered: facts with the lines they stand in, names, and what is left out."""

from array import array
from dataclasses import dataclass, field

from striate.core.errors import DataError
from striate.data.shards.manifest import KEYS_KEPT

_LINE_BITS = 40
_LINE = (1 << _LINE_BITS) - 1


@dataclass
class Reasons:
    """Counts by reason, with the first names of each.

    Attributes:
        counts: reason → how many.
        keys: reason → the first `KEYS_KEPT` of them.
    """

    counts: dict[str, int] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, key: str) -> None:
        """Count one."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        kept = self.keys.setdefault(reason, [])
        if len(kept) < KEYS_KEPT:
            kept.append(key)

    def __str__(self) -> str:
        told = []
        for reason, count in sorted(self.counts.items()):
            more = ", …" if count > 3 else ""
            told.append(f"{count:,} × {reason} ({', '.join(self.keys[reason][:3])}{more})")
        return "; ".join(told)


class GatheredFacts:
    """Facts as they are read, one line of a file after the other.

    Attributes:
        keys: entities of facts, numbered in the order in which they came.
        relations: relations likewise.
        labels: of relations, for people.
        hierarchical: relations that order entities.
        subjects, kinds, objects, places: of each fact; `place_name` says what a place is.
        names: (key of an entity, name, rank).
        lines: that were read.
        here: the place of what is read.
        skipped: lines that were left out.
    """

    def __init__(self) -> None:
        self.keys: dict[str, int] = {}
        self.relations: dict[str, int] = {}
        self.labels: dict[str, str] = {}
        self.hierarchical: set[str] = set()
        self.names: list[tuple[str, str, int]] = []
        self.subjects, self.kinds, self.objects = array("i"), array("i"), array("i")
        self.places = array("q")
        self.lines = 0
        self.skipped = Reasons()
        self.here = 0
        self._files: list[str] = []

    def begin(self, file: str) -> None:
        """What is read next stands in this file."""
        self._files.append(file)
        self.here = (len(self._files) - 1) << _LINE_BITS

    def at(self, line: int) -> None:
        """What is read next stands in this line, counted from 1."""
        self.here = self.here & ~_LINE | line
        self.lines += 1

    def go_to(self, place: int) -> None:
        """What is told next stood in a place that was read before."""
        self.here = place

    def fact(self, subject: str, relation: str, target: str) -> None:
        """A fact between two entities, by their keys."""
        keys, relations = self.keys, self.relations
        self.subjects.append(keys.setdefault(subject, len(keys)))
        self.kinds.append(relations.setdefault(relation, len(relations)))
        self.objects.append(keys.setdefault(target, len(keys)))
        self.places.append(self.here)

    def name(self, key: str, name: str, rank: int = 1) -> None:
        """A name of an entity; the first of the least rank is what people call it.

        Args:
            key: of the entity.
            name: of it.
            rank: of the entity among what the name stands for; the least is the likeliest.
        """
        self.names.append((key, name, rank))

    def skip(self, reason: str) -> None:
        """The line is left out."""
        self.skipped.add(reason, self.place_name(self.here))

    def place_name(self, place: int) -> str:
        """``FILE:LINE``."""
        return f"{self._files[place >> _LINE_BITS]}:{place & _LINE}"

    def hold_limit(self, max_skipped: float) -> None:
        """Refuse a source of which too many lines were left out.

        Raises:
            DataError: more than the share, or there is no fact at all.
        """
        skipped = sum(self.skipped.counts.values())
        if skipped > max_skipped * self.lines:
            raise DataError(
                f"More than the allowed {max_skipped:.2%} of {self.lines:,} lines cannot be used:"
                f" {self.skipped}.",
                "Mend the source, or allow more with --max-skipped.",
            )
        if not self.subjects:
            told = f": {self.skipped}" if skipped else ""
            raise DataError(
                f"There is no fact in {', '.join(self._files) or 'it'}{told}.",
                "See which layout it has to have in the documentation.",
            )
