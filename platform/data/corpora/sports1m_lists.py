"""Sports-1M's lists: lines `URL label,label`, each judged, none lost in silence."""

import re
from collections.abc import Set
from dataclasses import dataclass

from striate.core.text import numbered_lines

__all__ = [
    "DUPLICATED",
    "GOOD",
    "IN_BOTH",
    "MALFORMED",
    "OUT_OF_RANGE",
    "PartitionList",
    "read_list",
]

GOOD = ""
MALFORMED = "malformed line"
OUT_OF_RANGE = "label out of range"
DUPLICATED = "duplicated URL"
IN_BOTH = "listed in the test partition too"

# …/watch?v=ID, …/v/ID, …/embed/ID and youtu.be/ID, with other parameters or none.
_ID = r"(?:[?&]v=|/v/|/embed/|youtu\.be/)([A-Za-z0-9_-]+)"
_LINE = re.compile(rf"(?=\S*?{_ID})(https?://\S+)[ \t]+(-?\d+(?:,-?\d+)*)\s*")
_SHOWN = 80


@dataclass(frozen=True)
class PartitionList:
    """One list.

    Attributes:
        lines: its lines.
        states: of each line, `GOOD` or why it cannot be used.
        ids: ids of the videos of the good lines.
    """

    lines: tuple[str, ...]
    states: tuple[str, ...]
    ids: frozenset[str]

    def key(self, item: int) -> str:
        """A line's video id; the line itself where it has none."""
        parsed = _LINE.fullmatch(self.lines[item])
        return parsed[1] if parsed else self.lines[item][:_SHOWN]

    def labels(self, item: int) -> tuple[int, ...]:
        """The classes of a good line, each once."""
        parsed = _LINE.fullmatch(self.lines[item])
        assert parsed is not None, "only a good line has labels"
        return _labels(parsed[3])


def read_list(text: str, classes: int, taken: Set[str] = frozenset()) -> PartitionList:
    """Judge every line of a list that is not blank.

    Args:
        text: the file's content, as `striate.core.text.decode_text` gives it.
        classes: number of classes; labels count from 0.
        taken: ids that another list has a better claim to.
    """
    lines = tuple(line for _, line in numbered_lines(text))
    ids: set[str] = set()
    states = tuple(_state(line, classes, taken, ids) for line in lines)
    return PartitionList(lines, states, frozenset(ids))


def _state(line: str, classes: int, taken: Set[str], ids: set[str]) -> str:
    """What is wrong with a line; a good one's id is added to `ids`."""
    parsed = _LINE.fullmatch(line)
    if parsed is None:
        return MALFORMED
    if not all(0 <= label < classes for label in _labels(parsed[3])):
        return OUT_OF_RANGE
    if parsed[1] in ids:
        return DUPLICATED
    if parsed[1] in taken:
        return IN_BOTH
    ids.add(parsed[1])
    return GOOD


def _labels(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(map(int, text.split(","))))
