"""What a corpus is to the rest of Striate: a layout on disk that can be opened and read.

A new corpus is one file with an ``open_…`` function and one line in
`striate.data.corpora.CORPORA`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from striate.data.shards.schema import (
    FieldKind,
    LabelColumn,
    OpenCorpus,
    PayloadColumn,
    Sample,
    Skipped,
)
from striate.data.storage import ListedFile, Source

__all__ = [
    "Corpus",
    "FieldKind",
    "LabelColumn",
    "ListedFile",
    "OpenCorpus",
    "PayloadColumn",
    "Sample",
    "Skipped",
    "Source",
]


@dataclass(frozen=True)
class Corpus:
    """An entry of the table of corpora.

    Attributes:
        summary: one line for people.
        open: reads a place in the corpus's layout.
        write: writes the folder in that layout, in the size given, for a corpus that is generated
            or comes inside an installed package.
        size: the size written when none is asked for; None where the corpus has but one.
    """

    summary: str
    open: Callable[[Source], OpenCorpus]
    write: Callable[[Path, int], None] | None = None
    size: int | None = None
