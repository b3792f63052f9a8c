"""Which split the files of a folder of text are, by their names, and the corpus ``lines``.

::

    FOLDER/text8                          one file, or several that no split is named after: of all
    FOLDER/part-1.txt, part-2.txt.gz      their lines a share is held out, drawn by their content
    FOLDER/train.txt, valid.txt           or each is a split: train, val, valid, validation, dev,
    FOLDER/newstest2014.txt               test, and beside such any other name

A line of more than 4,096 bytes is cut into such pieces at blanks: text8 is a single one of 100 MB.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from striate.core.errors import UsageError
from striate.data.corpora.base import AS_FOUND, FolderOptions
from striate.data.corpora.class_folders import SPLIT_FOLDERS
from striate.data.corpora.hidden_files import list_visible
from striate.data.corpora.text_lines import LineFile, Lines, index_lines
from striate.data.corpora.texts import (
    TRAIN,
    TextCorpus,
    TextSample,
    TextSplit,
    check_found,
    draw_splits,
    mark_repeated,
)
from striate.data.storage import Source

Split = TypeVar("Split")

TEST_SHARE = 0.1
_TABLE_OPTIONS = (
    *("table", "path_column", "label_column", "split_column"),
    *("group_column", "languages"),
)
_NO_NAME = re.compile(r"[^A-Za-z0-9_.-]|^\.")
_REMEDY = "Put files of text into it: UTF-8, a sample a line, names that end in .txt or in nothing."


def open_lines(source: Source, options: FolderOptions = AS_FOUND) -> TextCorpus:
    """Plain text, a sample a line.

    Raises:
        DataError: there is none, or a file is no UTF-8 at all.
        UsageError: the options are for other corpora, or contradict what is there.
    """
    check_text_options(options, "lines")
    stems, files = index_texts(source, [entry.path for entry in list_visible(source)])
    splits = split_by_name(stems, files, options)
    check_found(splits, source, _REMEDY)
    return TextCorpus(
        mark_repeated(splits),
        lambda line: TextSample(line.strip()),
        most_words=options.most_words,
    )


def index_texts(source: Source, paths: Iterable[str]) -> tuple[dict[str, str], dict[str, LineFile]]:
    """The files of plain text among some: path → its stem, and path → its lines.

    Raises:
        DataError: a file is no UTF-8 at all.
    """
    stems = {path: stem for path in paths if (stem := _stem(path))}
    return stems, {path: index_lines(source, path, cut=True) for path in stems}


def split_by_name(
    stems: Mapping[str, str],
    lines: Mapping[str, Lines],
    options: FolderOptions,
    share: float = TEST_SHARE,
) -> dict[str, TextSplit]:
    """Split → its lines, ``train`` first.

    Args:
        stems: what the splits may be named after: name of what has lines → its stem.
        lines: the lines by the same names.
        options: may say which share is drawn.
        share: that is drawn where they do not.

    Raises:
        UsageError: a share is to be drawn of splits that are given.
    """
    if not splits_are_named(stems.values()):
        share = share if options.test_share is None else options.test_share
        return draw_splits(TextSplit.of(list(lines.values())), share)
    refuse_share(options)
    found: dict[str, list[Lines]] = {}
    for name, stem in stems.items():
        found.setdefault(_NO_NAME.sub("-", stem), []).append(lines[name])
    return in_order({split: TextSplit.of(there) for split, there in found.items()})


def in_order(splits: Mapping[str, Split]) -> dict[str, Split]:
    """The splits by name, ``train`` first."""
    return dict(sorted(splits.items(), key=lambda item: (item[0] != TRAIN, item[0])))


def splits_are_named(names: Iterable[str]) -> bool:
    """Whether at least one is that of a split, so that all are."""
    return not SPLIT_FOLDERS.isdisjoint(names)


def refuse_share(options: FolderOptions) -> None:
    """Where the splits are given.

    Raises:
        UsageError: a share is to be drawn.
    """
    if options.test_share is not None:
        raise UsageError(
            "The splits of this corpus are given, so that no share of it is drawn.",
            "Leave --test-share out.",
        )


def check_text_options(options: FolderOptions, corpus: str, allowed: Sequence[str] = ()) -> None:
    """Refuse options that are for tables of other corpora.

    Raises:
        UsageError: one is given that is none of `allowed`.
    """
    for name in _TABLE_OPTIONS:
        if name not in allowed and getattr(options, name) != getattr(AS_FOUND, name):
            shown = name.replace("_", "-")
            raise UsageError(
                f"The corpus {corpus} has no table of the kind that --{shown} is for.",
                f"Leave out --{shown}.",
            )


def _stem(path: str) -> str:
    """A file's name without ``.txt`` and ``.gz``; nothing for a file of another kind."""
    stem = path.removesuffix(".gz").removesuffix(".txt")
    return "" if "." in stem and not path.removesuffix(".gz").endswith(".txt") else stem
