"""Analogies in the layout of word2vec's ``questions-words.txt``.

A line ``: capital-common-countries`` begins a section; every other line is a question of four
words, ``Athens Greece Baghdad Iraq``: the fourth is what is asked for. The published file has
19,544 questions in 14 sections, some of them in two.
"""

from striate.core.errors import DataError
from striate.core.text import decode_text, numbered_lines
from striate.data.corpora.hidden_files import list_visible
from striate.data.corpora.listed_texts import Entry, ListedTexts
from striate.data.corpora.texts import BROKEN, DUPLICATED, TEST, TextSample
from striate.data.storage import Source

FILE = "questions-words.txt"
_WORDS = 4
_REMEDY = f"Put {FILE} into it, or one other .txt file in its layout."


def open_analogies(source: Source) -> ListedTexts:
    """The questions, each with its section as its class; all of them are the split ``test``.

    Raises:
        DataError: there is no such file, it is not UTF-8, or it has no section.
    """
    return read_analogies(source, _find(source), TEST)


def read_analogies(source: Source, path: str, split: str, first: int = 0) -> ListedTexts:
    """The questions of a file, in their order.

    Args:
        source: where it lies.
        path: its name there.
        split: what they are called as a split.
        first: the class of the first section.

    Raises:
        DataError: as `open_analogies`.
    """
    sections: list[str] = []
    entries: list[Entry] = []
    seen: set[tuple[int, str]] = set()
    for number, line in numbered_lines(decode_text(source.read(path), source.named(path))):
        if line.startswith(":"):
            name = line[1:].strip()
            sections += [name] if name not in sections else []
            section = first + sections.index(name)
            continue
        words = line.split()
        found: TextSample | str = BROKEN
        if len(words) == _WORDS and sections:
            question = (section, " ".join(words))
            found = DUPLICATED if question in seen else TextSample(question[1], {}, section)
            seen.add(question)
        entries.append((f"{path}:{number}", found))
    if not sections:
        raise DataError(f"{source.named(path)} has no section.", "Begin each with `: its name`.")
    return ListedTexts({split: entries}, labels=tuple(sections))


def _find(source: Source) -> str:
    texts = [entry.path for entry in list_visible(source) if entry.path.endswith(".txt")]
    if FILE in texts:
        return FILE
    if len(texts) != 1:
        raise DataError(f"{source} has no {FILE}.", _REMEDY)
    return texts[0]
