"""Tables of facts: a subject, a relation and an object a line, as CSV or apart by tabs."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from striate.data.knowledge.gathered import GatheredFacts
from striate.data.knowledge.reading import BROKEN, read_lines
from striate.data.knowledge.words import plain_name

NO_SUCH_ENTITY = "name of an entity that no fact is about"

_HEADS = (("subject", "relation", "object"), ("entity", "alias"))


def read_table(path: Path, gathered: GatheredFacts, separator: str | None = None) -> None:
    """Gather the facts of a table; a first line ``subject,relation,object`` names the columns.

    Args:
        path: of the file; ``.tsv`` and ``.txt``, and these with ``.gz``, are apart by tabs.
        gathered: takes them.
        separator: what the objects of a line are apart by; None: each line has one.

    Raises:
        DataError: there is no such file, or it is damaged.
    """
    for cells in _rows(path, gathered, 3):
        subject, relation, target = cells
        targets = [target] if separator is None else _parts(target, separator)
        for one in targets:
            gathered.fact(subject, relation, one)
        if not targets:
            gathered.skip(BROKEN)


def read_aliases(path: Path, gathered: GatheredFacts) -> None:
    """Gather further names of entities: a table of an entity and one of its names a line.

    Raises:
        DataError: there is no such file, or it is damaged.
    """
    for key, alias in _rows(path, gathered, 2):
        if key in gathered.keys:
            gathered.name(key, plain_name(key), 0)  # which stays what people call it
            gathered.name(key, alias)
        else:
            gathered.skip(NO_SUCH_ENTITY)


def _rows(path: Path, gathered: GatheredFacts, columns: int) -> Iterator[Sequence[str]]:
    """The lines with as many cells as there are columns, none of them empty; others are skipped."""
    tabs = path.name.removesuffix(".gz").endswith((".tsv", ".txt"))
    first = True
    for line in read_lines(path, gathered):
        cells = [cell.strip() for cell in (line.split("\t") if tabs else _cells(line))]
        is_head = first and tuple(cell.lower() for cell in cells) in _HEADS
        first = False
        if is_head:
            gathered.lines -= 1
        elif len(cells) == columns and all(cells):
            yield cells
        else:
            gathered.skip(BROKEN)


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return []


def _parts(text: str, separator: str) -> list[str]:
    return [part.strip() for part in text.split(separator) if part.strip()]
