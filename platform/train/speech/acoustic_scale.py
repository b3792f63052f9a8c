"""The weight of frames' scores in a decoder, chosen on utterances kept for that.

Windows of neighbouring frames overlap, and their scores count the same evidence several times over
the words' probabilities; by how much is found by trying. What it is chosen on is not what error
rates are told of.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from pathlib import Path

from striate.core.bundle import Bundle
from striate.models.speech.word_decoder import WordDecoder
from striate.models.speech.word_errors import WordErrors, word_errors
from striate.train.speech.word_error_rate import score_split

SCALES = (0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5)


def errors_by_scale(
    bundle: Bundle, shards: str | Path, split: str, scales: Sequence[float] = SCALES
) -> Mapping[float, WordErrors]:
    """The errors over a split, decoded with each scale.

    Args:
        bundle: of a network of the task ``frames``, with priors, a lexicon and a grammar.
        shards: of a corpus of speech whose texts are known.
        split: its name; utterances that were not trained on.
        scales: to try.

    Raises:
        BundleError, DataError, DamagedSample: as
            `striate.train.speech.word_error_rate.read_split`.
    """
    utterances = list(score_split(bundle, shards, split))
    found = {}
    for scale in scales:
        decoder = WordDecoder.of_bundle(bundle, scale=scale)
        errors = (
            word_errors(one.said, decoder.said(decoder.decode(one.scores))) for one in utterances
        )
        found[scale] = reduce(add, errors, WordErrors())
    return found


def best_scale(found: Mapping[float, WordErrors]) -> float:
    """The scale with the fewest errors; of several the one in their middle.

    >>> best_scale({0.1: WordErrors(5), 0.2: WordErrors(3), 0.3: WordErrors(3), 0.5: WordErrors(3)})
    0.3
    """
    fewest = min(one.errors for one in found.values())
    best = sorted(scale for scale, one in found.items() if one.errors == fewest)
    return best[len(best) // 2]
