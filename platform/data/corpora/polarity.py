"""Sentences that praise or blame, in the layout of Pang and Lee's sentence polarity data.

``rt-polarity.pos`` and ``rt-polarity.neg``, a sentence a line, in the folder or in one of it named
``rt-polaritydata``; UTF-8, or as published Latin-1. The published files have 5,331 lines each (Pang
and Lee, ACL 2005, as recalled). There is no split of theirs: a tenth is held out, drawn by content.
"""

from striate.core.errors import DataError
from striate.core.text import decode_text, numbered_lines
from striate.data.corpora.hidden_files import list_visible
from striate.data.corpora.listed_texts import Entry, ListedTexts, without_repeated
from striate.data.corpora.text_lines import hash_content
from striate.data.corpora.texts import DUPLICATED, TEST, TRAIN, TextSample
from striate.data.storage import Source

LABELS = ("negative", "positive")
FILES = ("rt-polarity.neg", "rt-polarity.pos")
"""By class."""
FOLDER = "rt-polaritydata"
TEST_SHARE = 0.1


def open_polarity(source: Source) -> ListedTexts:
    """The sentences, in an order that mixes the classes.

    Raises:
        DataError: a file is missing.
    """
    paths = {entry.path for entry in list_visible(source, recursive=True)}
    entries: list[tuple[int, Entry]] = []
    for label, file in enumerate(FILES):
        path = next((one for one in (file, f"{FOLDER}/{file}") if one in paths), None)
        if path is None:
            raise DataError(f"{source} has no {file}.", f"Put {' and '.join(FILES)} into it.")
        text = decode_text(source.read(path), source.named(path), fallback="latin-1")
        for number, line in numbered_lines(text):
            sample = TextSample(line, {}, label)
            entries.append((hash_content(line.encode()), (f"{path}:{number}", sample)))
    entries.sort(key=lambda one: (one[0], one[1][0]))
    held = TEST_SHARE * 2**64
    splits = {
        TRAIN: [entry for lot, entry in entries if lot >= held],
        TEST: [entry for lot, entry in entries if lot < held],
    }
    return ListedTexts(without_repeated(splits, DUPLICATED), labels=LABELS)
