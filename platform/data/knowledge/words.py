"""Words as names are compared by: without capitals, diacritics and marks, in any script."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

# Letters that Unicode does not take apart, as they are written where they cannot be.
_PLAIN = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i", "ħ": "h"}
)
# Chinese and Japanese have no blanks: each character is a word.
_SINGLE = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(f"[{_SINGLE}]|[^\\W_{_SINGLE}]+")


@dataclass(frozen=True, slots=True)
class NameWord:
    """A word of a text.

    Attributes:
        text: folded: ``cote`` for ``Côte``.
        start: its first character in the text.
        stop: the character after its last.
    """

    text: str
    start: int
    stop: int


def name_words(text: str) -> Iterator[NameWord]:
    """The words of a text, folded, one after the other.

    An apostrophe or hyphen is a mark as any other: ``France's`` are two words, and
    ``Guinea-Bissau`` is found however it is written.

    >>> [word.text for word in name_words("Côte d'Ivoire's 2 İles")]
    ['cote', 'd', 'ivoire', 's', '2', 'iles']
    """
    if text.isascii():
        for match in _WORD.finditer(text.lower()):
            yield NameWord(match[0], *match.span())
        return
    folded, places = [], []
    for place, character in enumerate(text):
        plain = _fold(character)
        folded.append(plain)
        places += [place] * len(plain)
    for match in _WORD.finditer("".join(folded)):
        start, stop = match.span()
        yield NameWord(match[0], places[start], places[stop - 1] + 1)


def name_key(text: str) -> str:
    """What all ways of writing a name have in common; empty where it has no letter or digit.

    >>> name_key("Guinea-Bissau") == name_key("GUINEA  BISSAU")
    True
    """
    return " ".join(word.text for word in name_words(text))


def plain_name(key: str) -> str:
    """A name for what has none: of an IRI the last part, of a literal its text, or the key itself.

    >>> plain_name("http://example.org/place/New_York"), plain_name('"12 km"'), plain_name("Oslo")
    ('New York', '12 km', 'Oslo')
    """
    if len(key) > 1 and key[0] == key[-1] == '"':
        return key[1:-1].strip() or key
    if "://" not in key:
        return key
    last = key.rstrip("/#").replace("#", "/").rpartition("/")[2]
    return unquote(last).replace("_", " ").strip() or key


@lru_cache(maxsize=2**16)
def _fold(character: str) -> str:
    parts = unicodedata.normalize("NFKD", character)
    bare = "".join(part for part in parts if not unicodedata.combining(part))
    return bare.casefold().translate(_PLAIN)
