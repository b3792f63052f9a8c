"""Reviews that are made here, good and bad ones, in the layout of the corpus ``polarity``.

The words alone do not tell a good one: *not dull* is praise, and what follows *although* counts
for nothing.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from striate.core.errors import UsageError
from striate.core.files import explain_full_disk
from striate.data.corpora.polarity import FILES
from striate.data.transforms.random import uniforms

DEFAULT_REVIEWS = 5000

Pick = Callable[[int], int]
"""A draw: a number below the one given."""

_LEAST = 100
_DRAWS = 16
_SEED = 20141025
_WHAT = [
    "film",
    "story",
    "plot",
    "cast",
    "acting",
    "music",
    "ending",
    "dialogue",
    "pace",
    "camera",
    "script",
    "opening",
    "finale",
    "humour",
    "heroine",
    "villain",
]
_GOOD = [
    "moving",
    "clever",
    "warm",
    "funny",
    "gripping",
    "fresh",
    "graceful",
    "bold",
    "honest",
    "charming",
    "lively",
    "witty",
    "sharp",
    "tender",
    "inventive",
    "delightful",
]
_BAD = [
    "dull",
    "flat",
    "clumsy",
    "tedious",
    "noisy",
    "stale",
    "shallow",
    "lifeless",
    "silly",
    "muddled",
    "cold",
    "endless",
    "forced",
    "bland",
    "hollow",
    "tiresome",
]
_PLAIN = ("is", "feels", "seems", "stays", "remains")
_DENIED = ("is not", "is never", "is hardly", "does not feel", "never seems")
_VERY = ("", "", "quite ", "very ", "truly ", "rather ")
_BEGIN = ("", "", "in the end , ", "for once , ", "as ever , ", "all in all , ")
_JOIN = ("and", "and", ";", "; and")
_ASIDE = ("although", "even though", "while")


def write_reviews(target: Path, size: int = DEFAULT_REVIEWS) -> None:
    """Write the two files to the folder `target`, new or empty.

    Args:
        target: the folder.
        size: reviews in all, half of them good; the review of a number is always the same one.

    Raises:
        UsageError: too few.
        PlatformError: the disk is full.
    """
    if size < _LEAST:
        raise UsageError(f"{size} reviews are too few.", f"Give at least {_LEAST}.")
    target.mkdir(parents=True, exist_ok=True)
    numbers = np.arange(size)
    lines: tuple[list[str], list[str]] = ([], [])
    draws = uniforms(_SEED, np.zeros_like(numbers), numbers, _DRAWS).T.tolist()
    for number, mine in enumerate(draws):
        left = iter(mine)
        good = number % 2
        lines[good].append(_review(good == 1, lambda below, left=left: int(next(left) * below)))  # type: ignore[misc]
    with explain_full_disk(target):
        for name, written in zip(FILES, lines, strict=True):
            text = "".join(f"{line}\n" for line in written)
            (target / name).write_text(text, encoding="utf-8")


def _review(good: bool, pick: Pick) -> str:
    begin, form = _BEGIN[pick(len(_BEGIN))], pick(3)
    first = _clause(good, pick)
    if form == 0:
        return f"{begin}{first} ."
    if form == 1:
        return f"{begin}{first} {_JOIN[pick(len(_JOIN))]} {_clause(good, pick)} ."
    aside = f"{_ASIDE[pick(len(_ASIDE))]} {_clause(not good, pick)}"
    return f"{aside} , {first} ."


def _clause(good: bool, pick: Pick) -> str:
    """The … is …, or is not the contrary."""
    denied = pick(3) == 0
    verbs = _DENIED if denied else _PLAIN
    words = _GOOD if good != denied else _BAD
    what, verb = _WHAT[pick(len(_WHAT))], verbs[pick(len(verbs))]
    return f"the {what} {verb} {_VERY[pick(len(_VERY))]}{words[pick(len(words))]}"
