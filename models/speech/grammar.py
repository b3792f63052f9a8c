"""Which words follow which: a bigram grammar as an automaton."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from striate.models.automata import EPSILON, FINAL, Fsa
from striate.models.automata.fsa import Arc

_DISCOUNT = 0.5


def bigram_grammar(
    sentences: Iterable[Sequence[str]], words: Sequence[str], discount: float = _DISCOUNT
) -> Fsa:
    """An acceptor of all sequences of some words, with the probabilities of a bigram model.

    What was seen of each history gives up a fixed discount a bigram; what it gives up goes, by an
    ε arc to a state without history, to the words that were not seen there, in the proportion of
    their own frequencies plus one (absolute discounting with backing off: Ney, Essen, Kneser,
    "On structuring probabilistic dependences in stochastic language modelling", 1994).

    Args:
        sentences: what was said; words that are not among `words` are left out of it.
        words: the vocabulary; word i has the label i + 1.
        discount: what a bigram gives up of its count, in (0, 1).
    """
    labels = {word: at for at, word in enumerate(words, 1)}
    told = [[labels[word] for word in sentence if word in labels] for sentence in sentences]
    after, single = _count(told)
    alone = _log_unigrams(single, len(words))
    # State 0 is the start, i has heard word i; then the one without history, then the end.
    free, end = len(words) + 1, len(words) + 2

    def to(state: int, label: int, score: float) -> Arc:
        return state, end if label == FINAL else label, label, score

    arcs = [to(free, label, score) for label, score in alone.items()]
    for state in range(len(words) + 1):
        seen, total = after[state], sum(after[state].values())
        arcs += [
            to(state, label, math.log((count - discount) / total)) for label, count in seen.items()
        ]
        arcs.append((state, free, EPSILON, _log_backoff(seen, alone, discount)))
    return Fsa.from_arcs(arcs, end + 1)


def _count(told: Iterable[Sequence[int]]) -> tuple[dict[int, Counter[int]], Counter[int]]:
    """History → what followed how often; and how often each came; the end is `FINAL`."""
    after: dict[int, Counter[int]] = defaultdict(Counter)
    single = Counter[int]()
    for sentence in told:
        if sentence:
            ends = [*sentence, FINAL]
            single.update(ends)
            for history, word in zip([0, *sentence], ends, strict=True):
                after[history][word] += 1
    return after, single


def _log_unigrams(single: Counter[int], words: int) -> dict[int, float]:
    labels = [*range(1, words + 1), FINAL]
    total = sum(single.values()) + len(labels)
    return {label: math.log((single[label] + 1) / total) for label in labels}


def _log_backoff(seen: Counter[int], alone: dict[int, float], discount: float) -> float:
    """What a history leaves to the words that did not follow it, over what those have alone."""
    if not seen:
        return 0.0
    left = discount * len(seen) / sum(seen.values())
    unseen = 1.0 - sum(math.exp(alone[label]) for label in seen)
    return math.log(left / max(unseen, 1e-12))
