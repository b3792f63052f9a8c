"""Words of a network's outputs: what a bundle of speech carries to be decoded by itself."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Self

from torch import Tensor

from striate.core.bundle import Bundle
from striate.core.errors import BundleError, StriateError
from striate.models.automata import Fsa
from striate.models.speech.beam_search import BEAM, MAX_ACTIVE, BeamSearch, Hypothesis, SearchStream
from striate.models.speech.decoding_graph import PhoneStates, decoding_graph
from striate.models.speech.grammar import bigram_grammar
from striate.models.speech.lexicon import Lexicon

LEXICON_FILE = "lexicon.txt"
GRAMMAR_FILE = "grammar.txt"
QUIET = ("h#", "pau", "epi")
"""TIMIT's symbols of silence."""
SCALE = 0.15
"""By which frames' scores are multiplied: the best on generated speech of voices that were kept for
choosing it, and not trained on (`benchmarks/answers_speech_rows.py`)."""


class WordDecoder:
    """Scores of frames → words.

    Args:
        labels: of the network's outputs: phones, or their numbered states.
        lexicon: how words are said.
        grammar: acceptor over `Lexicon.words`, word i having the label i + 1.
        beam, max_active, scale: of the search.

    Raises:
        DataError: labels, lexicon and grammar do not go together.
        UsageError: a number of the search makes no sense.
    """

    def __init__(
        self,
        labels: Sequence[str],
        lexicon: Lexicon,
        grammar: Fsa,
        beam: float = BEAM,
        max_active: int = MAX_ACTIVE,
        scale: float = SCALE,
    ) -> None:
        self.words = lexicon.words
        states = PhoneStates.of_labels(labels, QUIET)
        graph = decoding_graph(lexicon, grammar, self.words, states)
        self.search = BeamSearch(graph, beam, max_active, scale)

    @classmethod
    def of_bundle(
        cls,
        bundle: Bundle,
        beam: float = BEAM,
        max_active: int = MAX_ACTIVE,
        scale: float = SCALE,
    ) -> Self:
        """The decoder whose lexicon and grammar a bundle holds (`decoder_files`).

        Raises:
            BundleError: it holds none, or they do not go with its labels.
        """
        try:
            lexicon = Lexicon.of_text(bundle.asset(LEXICON_FILE))
            grammar = Fsa.from_str(bundle.asset(GRAMMAR_FILE))
            return cls(bundle.spec.labels, lexicon, grammar, beam, max_active, scale)
        except BundleError:
            raise
        except StriateError as error:
            raise BundleError(
                f"The bundle {bundle.path.name} cannot be decoded to words: {error.message}"
            ) from None

    def start(self) -> SearchStream:
        """A stream of frames of its own."""
        return self.search.start()

    def decode(self, scores: Tensor) -> Hypothesis:
        """(T, outputs) logarithms of posteriors divided by priors → the words."""
        return self.search.decode(scores)

    def said(self, found: Hypothesis) -> tuple[str, ...]:
        """A hypothesis in words."""
        return tuple(self.words[label - 1] for label in found.words)


def decoder_files(lexicon: Lexicon, sentences: Iterable[Sequence[str]]) -> Mapping[str, str]:
    """What a bundle needs to be decoded to words: the lexicon, and a grammar of sentences."""
    grammar = bigram_grammar(sentences, lexicon.words)
    return {LEXICON_FILE: lexicon.to_text(), GRAMMAR_FILE: grammar.to_str()}
