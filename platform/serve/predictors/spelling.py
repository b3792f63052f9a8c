"""A word of a vocabulary that is spelt nearly as another one."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

_MOST_LETTERS = 64  # of the alphabet, and of a word


def nearest_spelling(word: str, numbers: Mapping[str, int], letters: str) -> str | None:
    """The word one edit away whose number is the lowest, or None; within a millisecond or two.

    An edit is a letter more, less or other, or two neighbours exchanged, or capitals made small.

    Args:
        word: as somebody wrote it.
        numbers: word → its number, of lower ones the more frequent.
        letters: their `alphabet`.

    >>> nearest_spelling("Tokio", {"tokyo": 0, "kyoto": 1}, "kyto")
    'tokyo'
    """
    word = word[:_MOST_LETTERS]
    found = [edit for form in {word, word.lower()} for edit in _edits(form, letters)]
    known = {edit for edit in (*found, word.lower()) if edit in numbers and edit != word}
    return min(known, key=numbers.__getitem__, default=None)


def alphabet(words: Iterable[str]) -> str:
    """The most frequent letters of some words, 64 at most."""
    counts = Counter(letter for word in words for letter in word)
    return "".join(letter for letter, _ in counts.most_common(_MOST_LETTERS))


def _edits(word: str, letters: str) -> Iterator[str]:
    for at in range(len(word) + 1):
        head, tail = word[:at], word[at:]
        yield from (head + letter + tail for letter in letters)
        if tail:
            yield head + tail[1:]
            yield from (head + letter + tail[1:] for letter in letters)
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
