"""From the messages of `striate.v1.Language` to requests, and what bounds them."""

import math
from collections.abc import Sequence

from striate.core.errors import RequestError
from striate.serve.common.limits import Limits

DEFAULT_NEIGHBOURS = 10
LONGEST_TEXT, LONGEST_WORD = 1000, 200
"""Characters."""
MOST_TEXTS = 1000
LARGEST_BEAM = 64


def check_texts(texts: Sequence[str], what: str = "text") -> tuple[str, ...]:
    """Texts of a call.

    Raises:
        RequestError: there is none, there are too many, or one is too long.
    """
    if not texts:
        raise RequestError(f"The request holds no {what}.", "Send at least one.")
    if len(texts) > MOST_TEXTS:
        raise RequestError(f"The request holds {len(texts):,} texts; {MOST_TEXTS:,} are allowed.")
    for place, text in enumerate(texts, start=1):
        check_length(text, f"Text {place}", LONGEST_TEXT)
    return tuple(texts)


def check_length(text: str, name: str, most: int) -> None:
    """Whether a text is short enough.

    Raises:
        RequestError: it is not.
    """
    if len(text) > most:
        raise RequestError(f"{name} has {len(text):,} characters; {most:,} are allowed.")


def check_word(word: str, name: str) -> str:
    """A word of a field.

    Raises:
        RequestError: it is empty or too long.
    """
    if not word.strip():
        raise RequestError(f"The field {name} holds no word.")
    check_length(word, name, LONGEST_WORD)
    return word


def check_vector(vector: Sequence[float]) -> tuple[float, ...]:
    """A vector whose numbers are finite and not all zero.

    Raises:
        RequestError: it is none.
    """
    if not all(map(math.isfinite, vector)):
        raise RequestError("The vector holds a number that is not finite.")
    if not any(vector):
        raise RequestError("A vector of zeros is near nothing.")
    return tuple(vector)


def check_top_k(top_k: int, limits: Limits) -> int:
    """How many words are wanted.

    Raises:
        RequestError: too many.
    """
    if top_k > limits.top_k:
        raise RequestError(f"top_k is {top_k}; at most {limits.top_k} is allowed.")
    return top_k or DEFAULT_NEIGHBOURS


def check_beam(beam: int) -> int | None:
    """How many hypotheses the search keeps; None for the deployment's number.

    Raises:
        RequestError: too many.
    """
    if beam > LARGEST_BEAM:
        raise RequestError(f"beam is {beam}; at most {LARGEST_BEAM} is allowed.")
    return beam or None
