"""Labels from a table: a CSV or Parquet file with a path and a label in each row.

CSV is UTF-8, with or without a byte order mark, lines ending as they may; labels are kept as they
are written, ``007`` with its zeros. Paths are relative to the folder.
"""

import csv as python_csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath

import pyarrow as pa
from pyarrow import csv, parquet

from striate.core.errors import DataError, UsageError
from striate.core.text import decode_text
from striate.data.corpora.base import SPLIT_COLUMN, FolderOptions
from striate.data.corpora.labelled_file import LabelledFile
from striate.data.storage import ListedFile, Source

ENDINGS = (".csv", ".parquet")
MISSING = "missing file"
OUTSIDE = "path outside the folder"
NO_LABEL = "no label"
NO_SPLIT = "no split"
DUPLICATED = "duplicated key"
_BLOCK = 1 << 26
_HEAD = 1 << 20  # bytes in which a CSV file's first line ends


def find_table(source: Source, entries: Sequence[ListedFile], options: FolderOptions) -> str | None:
    """The table that labels a folder: the one named, else the one at its top with the columns.

    None where the folders are the classes.

    Args:
        source: the folder.
        entries: its files, without hidden ones.
        options: how to read it.

    Raises:
        DataError: a table is damaged.
        UsageError: several tables could be meant, or columns are named and there is no table.
    """
    if options.table is not None:
        return options.table
    tops = [entry.path for entry in entries if "/" not in entry.path]
    tables = [path for path in tops if path.lower().endswith(ENDINGS)]
    wanted = {options.path_column, options.label_column}
    fitting = [path for path in tables if wanted <= set(_column_names(source, path))]
    if len(fitting) > 1:
        raise UsageError(
            f"Several tables label the files of {source}: {', '.join(fitting)}.",
            "Name one with --table; a column of it may hold the split.",
        )
    if fitting or not (options.names_columns or len(tops) == len(entries)):
        return next(iter(fitting), None)
    if not tables and options.names_columns:
        raise UsageError(
            f"{source} has no table whose columns could be named.", "Name one with --table."
        )
    return next(iter(tables), None)  # the only way to labels: `read_table` says what it lacks


def read_table(
    source: Source, name: str, entries: Sequence[ListedFile], options: FolderOptions
) -> list[LabelledFile]:
    """A file for each row of a table, each judged.

    Args:
        source: the folder.
        name: the table's path in it.
        entries: the folder's files, without hidden ones.
        options: names of the columns.

    Raises:
        DataError: there is no such table, it is damaged, lacks a column or has no rows.
    """
    table = _read(source, name)
    split_column = options.split_column or (
        SPLIT_COLUMN if SPLIT_COLUMN in table.column_names else None
    )
    columns = [
        _column(source, name, table, column)
        for column in (options.path_column, options.label_column, split_column)
        if column is not None
    ]
    if not len(table):
        raise DataError(f"{source.named(name)} has no rows.")
    sizes = {entry.path: entry.size for entry in entries}
    return list(_judged(zip(*columns, strict=True), sizes, split_column is not None))


def _judged(
    rows: Iterator[tuple[str, ...]], sizes: dict[str, int], with_split: bool
) -> Iterator[LabelledFile]:
    seen: set[str] = set()
    for path_text, label, *rest in rows:
        path = str(PurePosixPath(path_text.replace("\\", "/")))
        split = rest[0] if with_split else ""
        problem = ""
        if path.startswith("/") or ".." in path.split("/"):
            problem = OUTSIDE
        elif path not in sizes:
            problem = MISSING
        elif path in seen:
            problem = DUPLICATED
        elif not label:
            problem = NO_LABEL
        elif with_split and not split:
            problem = NO_SPLIT
        seen.add(path)
        yield LabelledFile(path, sizes.get(path, 0), label, split, problem)


def _read(source: Source, name: str) -> pa.Table:
    """A table as it is; a CSV's columns are text.

    Raises:
        DataError: there is no such file, or it is damaged.
    """
    content = source.read(name)
    with _explain_table(source, name):
        if name.lower().endswith(ENDINGS[1]):
            return parquet.read_table(pa.BufferReader(content))
        text = decode_text(content, source.named(name)).rstrip() + "\n"
        return _read_csv(pa.BufferReader(text.encode()))


def _column_names(source: Source, name: str) -> list[str]:
    """A table's columns by its head alone: it may be gigabytes, and no table of labels.

    Raises:
        DataError: the head is damaged.
    """
    with source.open(name) as file, _explain_table(source, name):
        if name.lower().endswith(ENDINGS[1]):
            return list(parquet.read_schema(file).names)
        head = file.read(_HEAD)
    if len(head) == _HEAD:
        head = head[: max(head.rfind(b"\n"), head.rfind(b"\r")) + 1]
    lines = python_csv.reader(io.StringIO(decode_text(head, source.named(name))))
    try:
        return next(lines, [])
    except python_csv.Error:
        return []


@contextmanager
def _explain_table(source: Source, name: str) -> Iterator[None]:
    """Turn what Arrow says of a damaged table into one sentence that names it."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise DataError(
            f"{source.named(name)} cannot be read as a table: {said}.",
            "Give Parquet, or CSV in UTF-8 with a line of column names; what is no table of labels"
            " goes elsewhere.",
        ) from None


def _read_csv(content: pa.BufferReader) -> pa.Table:
    parsing = csv.ParseOptions(newlines_in_values=True)
    reading = csv.ReadOptions(block_size=_BLOCK)
    names = csv.open_csv(content, reading, parsing).schema.names
    content.seek(0)
    as_text = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    return csv.read_csv(content, reading, parsing, as_text)


def _column(source: Source, name: str, table: pa.Table, column: str) -> list[str]:
    """A column's values as text without blanks around it, empty where there is none."""
    found = table.column_names.count(column)
    if found != 1:
        has = ", ".join(table.column_names) or "none"
        raise DataError(
            f"{source.named(name)} has {'several columns' if found else 'no column'} {column};"
            f" its columns are {has}.",
            "Name columns with --path-column, --label-column and --split-column.",
        )
    try:
        values = table.column(column).cast(pa.string()).to_pylist()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        kind = table.schema.field(column).type
        raise DataError(
            f"The column {column} of {source.named(name)} holds {kind}, neither text nor numbers."
        ) from None
    return ["" if value is None else value.strip() for value in values]
