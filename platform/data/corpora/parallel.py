"""Parallel text: a TSV file with a column for each language, or a file for each.

::

    FOLDER/verses.tsv                     columns, named by a first line or not
    FOLDER/train.tsv, test.tsv.gz
    FOLDER/train.en, train.fr             files side by side, line by line, by the ends of their
    FOLDER/newstest2014.en, ….fr          names; gzipped (train.en.gz) or not

A first line names columns where all of its cells are plain words and at least two are codes of
languages (``en``, ``deu``, ``pt-br``), or ``source`` and ``target``. All columns are then stored,
the languages' as texts that must not be empty; of the languages some may be chosen. Without names
the first two columns are ``source`` and ``target``, and others (where a sentence is from) are left
out.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import DataError, UnknownName, UsageError
from striate.data.corpora.base import AS_FOUND, FolderOptions
from striate.data.corpora.hidden_files import list_visible
from striate.data.corpora.line_pairs import LinePairs
from striate.data.corpora.text_files import (
    TEST_SHARE,
    check_text_options,
    in_order,
    refuse_share,
    split_by_name,
)
from striate.data.corpora.text_lines import Lines, hash_content, index_lines
from striate.data.corpora.texts import (
    BROKEN,
    EMPTY,
    TextCorpus,
    TextSample,
    TextSplit,
    check_found,
    draw_splits,
    mark_repeated,
)
from striate.data.storage import Source
from striate.data.transforms.text.clean import clean_text

SOURCE, TARGET = "source", "target"
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z]{2,4})?")
_NAME = re.compile(r"[A-Za-z][\w-]*", re.ASCII)
_OWN = frozenset({"payload", "label", "key", "item", "row", "bytes", "units", "text"})
_REMEDY = (
    "Put a .tsv file with a column for each language into it, or files such as train.en and"
    " train.fr."
)


@dataclass(frozen=True)
class TextColumns:
    """The columns of parallel text.

    Attributes:
        names: of all that are stored, the languages first.
        places: which cell of a line each is.
        texts: how many are languages.
        cells: cells that a line must have; None: `texts` or more.
    """

    names: tuple[str, ...]
    places: tuple[int, ...]
    texts: int
    cells: int | None = None

    @classmethod
    def of_header(cls, line: str) -> "TextColumns | None":
        """The columns that a first line names; None where it names none."""
        cells = [cell.strip() for cell in line.split("\t")]
        if not all(map(_NAME.fullmatch, cells)) or len(set(map(_plain, cells))) < len(cells):
            return None
        codes = [at for at, cell in enumerate(cells) if _LANGUAGE.fullmatch(cell)]
        ends = [at for at, cell in enumerate(cells) if cell in (SOURCE, TARGET)]
        texts = ends if len(ends) == 2 else codes
        if len(texts) < 2:
            return None
        places = (*texts, *(at for at in range(len(cells)) if at not in texts))
        names = tuple(_plain(cells[at]) for at in places)
        return cls(names, places, len(texts), len(cells))

    def keep(self, languages: str | None) -> "TextColumns":
        """The same with some of the languages alone; of their names, with commas between.

        Raises:
            UnknownName: there is no such language.
            UsageError: fewer than two are named.
        """
        if languages is None:
            return self
        there = self.names[: self.texts]
        asked = tuple(dict.fromkeys(_plain(one.strip()) for one in languages.split(",")))
        for name in asked:
            if name not in there:
                raise UnknownName.of("language", name, there)
        if len(asked) < 2:
            raise UsageError(
                f"Parallel text of {languages} alone cannot be meant.",
                f"Name at least two of {', '.join(there)}.",
            )
        names = (*asked, *self.names[self.texts :])
        places = tuple(self.places[self.names.index(name)] for name in names)
        return replace(self, names=names, places=places, texts=len(asked))

    def parse(self, line: str) -> TextSample | str:
        """What a line says, or why it cannot be used."""
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) < self.texts or self.cells not in (None, len(cells)):
            return BROKEN
        values = [cells[place] for place in self.places]
        if not all(map(clean_text, values[: self.texts])):
            return EMPTY
        named = dict(zip(self.names, values, strict=True))
        return TextSample(named.pop(self.names[0]), named)


def open_parallel(source: Source, options: FolderOptions = AS_FOUND) -> TextCorpus:
    """Texts that say the same in several languages.

    Raises:
        DataError: there are none, or files do not belong together.
        UsageError: the options contradict what is there.
        UnknownName: no column or language of that name.
    """
    check_text_options(options, "parallel", ("split_column", "group_column", "languages"))
    paths = [entry.path for entry in list_visible(source)]
    tables = [path for path in paths if path.removesuffix(".gz").endswith(".tsv")]
    if tables:
        columns, files = _tables(source, tables)
    else:
        columns, files = _side_by_side(source, paths)
    columns = columns.keep(options.languages)
    splits = _split(columns, files, options)
    check_found(splits, source, _REMEDY)
    return TextCorpus(
        mark_repeated(splits),
        columns.parse,
        dict.fromkeys(columns.names[1:], "string"),
        columns.names[0],
        options.most_words,
        columns.names[1 : columns.texts],
    )


def _tables(source: Source, paths: Sequence[str]) -> tuple[TextColumns, dict[str, Lines]]:
    """The columns of TSV files, and by their stems their lines without the names."""
    found: set[TextColumns | None] = set()
    files: dict[str, Lines] = {}
    for path in paths:
        lines = index_lines(source, path)
        first = next(lines.read(np.arange(min(1, len(lines.numbers)))), b"")
        header = TextColumns.of_header(first.decode("utf-8", "replace"))
        found.add(header)
        files[path.removesuffix(".gz").removesuffix(".tsv")] = lines.after(header is not None)
    if len(found) > 1:
        raise DataError(
            f"The tables in {source} have not the same columns.", "Give each the same first line."
        )
    return found.pop() or TextColumns((SOURCE, TARGET), (0, 1), 2), files


def _side_by_side(source: Source, paths: Sequence[str]) -> tuple[TextColumns, dict[str, Lines]]:
    """The languages of files, and by their stems their lines side by side."""
    stems: dict[str, dict[str, str]] = {}
    for path in paths:
        stem, _, language = path.removesuffix(".gz").rpartition(".")
        if stem and _LANGUAGE.fullmatch(language) and language != "txt":
            stems.setdefault(stem, {})[language] = path
    whole = {stem: found for stem, found in stems.items() if len(found) > 1}
    sets = {tuple(sorted(found)) for found in whole.values()}
    if len(sets) != 1:
        said = " and of ".join(sorted(", ".join(one) for one in sets)) or "no two languages"
        raise DataError(f"{source} has files of {said}.", _REMEDY)
    languages = sets.pop()
    files: dict[str, Lines] = {
        stem: LinePairs.of([index_lines(source, found[language]) for language in languages])
        for stem, found in whole.items()
    }
    names = tuple(map(_plain, languages))
    return TextColumns(names, tuple(range(len(names))), len(names), len(names)), files


def _split(
    columns: TextColumns, files: Mapping[str, Lines], options: FolderOptions
) -> dict[str, TextSplit]:
    """Split → its lines: by a column, by the files' names, or drawn."""
    whole = TextSplit.of(list(files.values()))
    if options.split_column is not None:
        refuse_share(options)
        values = _cells(columns, whole, options.split_column)
        return in_order(
            {str(value): whole.only(values == value) for value in np.unique(values[values != ""])}
        )
    if options.group_column is None:
        return split_by_name({stem: stem for stem in files}, files, options)
    values = _cells(columns, whole, options.group_column)
    groups, which = np.unique(values, return_inverse=True)
    lots = np.array([hash_content(str(group).encode()) for group in groups], np.uint64)
    share = TEST_SHARE if options.test_share is None else options.test_share
    return draw_splits(whole, share, lots[which])


def _cells(columns: TextColumns, whole: TextSplit, name: str) -> NDArray[np.str_]:
    """(n,) the value of a column in each line; empty where a line has none."""
    if columns.cells is None or name not in columns.names:
        if columns.cells is None:
            raise UsageError(f"The table has no names of columns, {name} neither.")
        raise UnknownName.of("column", name, columns.names)
    place = columns.places[columns.names.index(name)]
    cells = (line.split(b"\t") for _, _, line in whole.read(0, len(whole.items)))
    found = [row[place].strip() if place < len(row) else b"" for row in cells]
    return np.array([cell.decode("utf-8", "replace") for cell in found], np.str_)


def _plain(name: str) -> str:
    """A column's name as shards have it: small letters, digits and ``_``."""
    plain = re.sub(r"\W", "_", name.lower())
    return f"{plain}_" if plain in _OWN else plain
