"""Text to learn words from, with the analogies that are asked of them: the corpus ``words``.

::

    FOLDER/text8                   text, as the corpus ``lines`` reads it; all of it is the split
    FOLDER/questions-words.txt     train, or files named after splits are those
                                   the split ``analogies``, in the layout of the corpus of that name

The class of a line of text is ``text``; that of a question is its section.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from striate.core.arrays import Integers
from striate.core.errors import DataError
from striate.data.corpora.analogies import FILE, read_analogies
from striate.data.corpora.base import AS_FOUND, FolderOptions
from striate.data.corpora.hidden_files import list_visible
from striate.data.corpora.listed_texts import ListedTexts
from striate.data.corpora.text_files import check_text_options, index_texts, split_by_name
from striate.data.corpora.texts import TextCorpus, TextSample, check_found, mark_repeated
from striate.data.shards.schema import FieldKind, LabelColumn, PayloadColumn, Sample, Skipped
from striate.data.storage import Source

ANALOGIES = "analogies"
"""The split of the questions."""
TEXT_CLASS = "text"
_REMEDY = f"Put files of text into it, and {FILE} beside them."


@dataclass(frozen=True)
class WordsCorpus:
    """Text and questions; see `striate.data.shards.schema.OpenCorpus`.

    Attributes:
        texts: the splits of text.
        analogies: the split of the questions; none where there is no such file.
    """

    texts: TextCorpus
    analogies: ListedTexts | None

    @property
    def labels(self) -> tuple[str, ...]:
        """``text``, and the sections."""
        return (TEXT_CLASS, *(self.analogies.labels if self.analogies else ()))

    @property
    def payload(self) -> PayloadColumn:
        """Text in UTF-8."""
        return PayloadColumn(kind="text")

    @property
    def label(self) -> LabelColumn:
        """One class."""
        return LabelColumn(kind="class")

    @property
    def fields(self) -> Mapping[str, FieldKind]:
        """There are none."""
        return {}

    @property
    def assets(self) -> Mapping[str, str]:
        """There are none."""
        return {}

    @property
    def item_bytes(self) -> Mapping[str, Integers]:
        """Split → size of each line."""
        return {**self.texts.item_bytes, **(self.analogies.item_bytes if self.analogies else {})}

    @property
    def source_sha256(self) -> str:
        """Of text and questions."""
        parts = [self.texts.source_sha256, self.analogies.source_sha256 if self.analogies else ""]
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    def read(self, split: str, start: int, stop: int) -> Iterator[Sample | Skipped]:
        """The lines ``start`` to ``stop`` of a split, each judged."""
        if self.analogies is not None and split == ANALOGIES:
            yield from self.analogies.read(split, start, stop)
        else:
            yield from self.texts.read(split, start, stop)


def open_words(source: Source, options: FolderOptions = AS_FOUND) -> WordsCorpus:
    """Text, and the questions beside it where there are any.

    Raises:
        DataError: there is no text, a file is no UTF-8, or the questions have no section.
        UsageError: the options are for other corpora, or contradict what is there.
    """
    check_text_options(options, "words")
    paths = [entry.path for entry in list_visible(source)]
    stems, files = index_texts(source, [path for path in paths if path != FILE])
    splits = mark_repeated(split_by_name(stems, files, options, share=0.0))
    check_found(splits, source, _REMEDY)
    if ANALOGIES in splits:
        raise DataError(f"{source} has text of the name {ANALOGIES}.", "Name that file otherwise.")
    texts = TextCorpus(splits, lambda line: TextSample(line.strip(), {}, 0))
    asked = read_analogies(source, FILE, ANALOGIES, first=1) if FILE in paths else None
    return WordsCorpus(texts, asked)
