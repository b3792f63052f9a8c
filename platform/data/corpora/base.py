"""What a corpus is to the rest of Striate: a layout on disk that can be opened and read.

A new corpus is one file with an ``open_…`` function and one line in
`striate.data.corpora.CORPORA`; what the function returns is a
`striate.data.shards.schema.OpenCorpus`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from striate.data.shards.schema import OpenCorpus
from striate.data.storage import Source

PATH_COLUMN, LABEL_COLUMN, SPLIT_COLUMN = "path", "label", "split"


@dataclass(frozen=True)
class FolderOptions:
    """How a folder of one's own files is read.

    See `striate.data.corpora.labelled_files` and, for texts, `striate.data.corpora.text_files`.

    Attributes:
        table: path in the folder of the CSV or Parquet file that has the labels; None: the one at
            the top of the folder that has the columns, or else the folders are the classes.
        path_column: its column of paths, relative to the folder.
        label_column: its column of class names.
        split_column: its column of splits; None: the column ``split`` where there is one.
        test_share: share of the files, drawn by their paths, or of the lines of text, drawn by
            their content, that the split ``test`` gets where no splits are given; a tenth when
            None.
        group_column: column of a table of texts by which they are drawn: lines of one value come
            into one split.
        languages: columns of parallel text that are texts, at least two with commas between them;
            None: all languages that there are.
        most_words: words of a text, apart by blanks, beyond which a line is left out.
    """

    table: str | None = None
    path_column: str = PATH_COLUMN
    label_column: str = LABEL_COLUMN
    split_column: str | None = None
    test_share: float | None = None
    group_column: str | None = None
    languages: str | None = None
    most_words: int | None = None

    @property
    def names_columns(self) -> bool:
        """Whether a column is named that is not looked for anyway."""
        named = (self.path_column, self.label_column, self.split_column)
        return named != (PATH_COLUMN, LABEL_COLUMN, None)


AS_FOUND = FolderOptions()
TEXT_OPTIONS = ("group_column", "languages", "most_words")
"""Those that are for texts alone."""


@dataclass(frozen=True)
class Corpus:
    """An entry of the table of corpora.

    Attributes:
        summary: one line for people.
        open: reads a place in the corpus's layout.
        write: writes the folder in that layout, in the size given, for a corpus that is generated
            or comes inside an installed package.
        size: the size written when none is asked for; None where the corpus has but one.
        open_with: reads a place as the options say, for a corpus that has no layout of its own.
    """

    summary: str
    open: Callable[[Source], OpenCorpus]
    write: Callable[[Path, int], None] | None = None
    size: int | None = None
    open_with: Callable[[Source, FolderOptions], OpenCorpus] | None = None

    def open_as(self, source: Source, options: FolderOptions) -> OpenCorpus:
        """Read a place; the options count for a corpus that has no layout of its own."""
        return self.open(source) if self.open_with is None else self.open_with(source, options)
