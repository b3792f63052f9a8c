"""Tags of markup in a text: they are one token each, whatever they hold."""

import re
from collections.abc import Iterator

MOST_TAG = 256
"""Characters of the longest tag; what is longer is text."""

# A name or a comment follows at once, so `a < b and c > d` holds no tag. No `<` is inside one: each
# is looked at once, and no text takes longer than its length.
_TAG = re.compile(rf"<(?:/?[A-Za-z]|!--)[^<>]{{0,{MOST_TAG - 6}}}>")


def split_markup(text: str) -> Iterator[tuple[str, bool]]:
    """A text cut at its tags: each part, and whether it is one; none is empty.

    >>> list(split_markup("a <b>bold</b> word, 1 < 2"))
    [('a ', False), ('<b>', True), ('bold', False), ('</b>', True), (' word, 1 < 2', False)]
    """
    at = 0
    for tag in _TAG.finditer(text):
        if tag.start() > at:
            yield text[at : tag.start()], False
        yield tag[0], True
        at = tag.end()
    if at < len(text):
        yield text[at:], False


def is_tag(word: str) -> bool:
    """Whether a word is a tag and nothing else.

    >>> is_tag("</b>"), is_tag("<b> x"), is_tag("<3")
    (True, False, False)
    """
    return _TAG.fullmatch(word) is not None
