"""What a server asks networks of words and of sentences, and what they answer."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class EmbedTexts:
    """Texts to be told as vectors."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class FindNearest:
    """A word, or a vector where that is empty, whose neighbours are wanted."""

    word: str
    vector: tuple[float, ...]
    top_k: int


@dataclass(frozen=True)
class FindAnalogy:
    """What is to `c` as `b` is to `a`."""

    a: str
    b: str
    c: str
    top_k: int


WordRequest = EmbedTexts | FindNearest | FindAnalogy


@dataclass(frozen=True)
class TranslateText:
    """A sentence to be translated.

    Attributes:
        text: of one sentence.
        beam: hypotheses that the search keeps; None for the predictor's own number.
    """

    text: str
    beam: int | None = None


def by_beam(requests: Sequence[TranslateText]) -> dict[int | None, list[int]]:
    """Which requests are translated together: places by beam."""
    groups: dict[int | None, list[int]] = {}
    for place, request in enumerate(requests):
        groups.setdefault(request.beam, []).append(place)
    return groups
