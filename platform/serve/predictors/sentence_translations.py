"""Sentences to be translated as a server takes them: many at a time, in batches by their beam."""

from collections.abc import Sequence
from dataclasses import dataclass

from striate.models.translation.beam_search import BEAM
from striate.serve.predictors.translation import Translation, Translator


@dataclass(frozen=True)
class TranslateText:
    """A sentence to be translated.

    Attributes:
        text: of one sentence.
        beam: hypotheses that the search keeps; None for `BEAM`.
    """

    text: str
    beam: int | None = None


class SentencePredictor:
    """Translates sentences together; one that cannot be translated fails alone.

    Args:
        translator: of a bundle.
    """

    def __init__(self, translator: Translator) -> None:
        self._translator = translator

    def answers(self, requests: Sequence[TranslateText]) -> list[Translation | Exception]:
        """In the order of `requests`, their translations, or why there is none."""
        found: dict[int, Translation | Exception] = {}
        for beam, places in _by_beam(requests).items():
            texts = [requests[place].text for place in places]
            found.update(zip(places, self._translated(texts, beam), strict=True))
        return [found[place] for place in range(len(requests))]

    def _translated(self, texts: Sequence[str], beam: int) -> Sequence[Translation | Exception]:
        try:
            return self._translator.translate(texts, beam)
        except Exception as error:  # told apart by the status table
            if len(texts) == 1:
                return [error]
            return [one for text in texts for one in self._translated([text], beam)]


def _by_beam(requests: Sequence[TranslateText]) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = {}
    for place, request in enumerate(requests):
        groups.setdefault(request.beam or BEAM, []).append(place)
    return groups
