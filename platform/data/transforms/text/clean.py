"""Text as people and files give it → text that a tokeniser takes: bounded, and free of controls."""

import re
import unicodedata

from striate.core.errors import PayloadTooLarge

MOST_BYTES = 2**20
"""The longest text that is looked at, in UTF-8."""

# Soft hyphens, byte-order marks, and what turns the direction of writing on a screen: they are no
# part of any word. The joiners U+200C and U+200D are, in Persian and in Indian scripts.
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
# Controls, blanks of every width, and breaks of lines and paragraphs.
_BLANKS = re.compile(r"[\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """A text in Unicode's form NFC, its words apart by one blank each; empty where nothing is left.

    Control characters count as blanks, marks that are never seen are taken out, and half a
    surrogate pair becomes U+FFFD. Text from right to left stays in the order in which it is read.

    >>> clean_text("  Tokyo\\x00\\tJapan\\u202e\\n")
    'Tokyo Japan'

    Raises:
        PayloadTooLarge: it is longer than `MOST_BYTES`.
    """
    if len(text) > MOST_BYTES or len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise PayloadTooLarge(
            f"The text has more than {MOST_BYTES:,} bytes.", "Send it in parts, a sentence each."
        )
    whole = _SURROGATES.sub("\ufffd", text)
    shown = _INVISIBLE.sub("", unicodedata.normalize("NFC", whole))
    return _BLANKS.sub(" ", shown).strip()
