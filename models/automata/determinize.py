"""An acceptor in which each state has at most one arc of a label."""

import math
from collections import defaultdict

from striate.core.errors import UsageError
from striate.models.automata.fsa import EPSILON, Arc, Fsa
from striate.models.automata.rearrange import connect

MAX_STATES = 100_000
_DELTA = 1e-4  # scores that differ by less are one, in logarithms

Subset = dict[int, float]
"""States, and what of the scores on the way to them has not been given out yet."""


def determinize(fsa: Fsa, log_semiring: bool, max_states: int = MAX_STATES) -> Fsa:
    """The same scores of all sequences, by subsets of states with scores left over.

    (Mohri, "Finite-state transducers in language and speech processing", 1997, section 3.3.)
    Automata with cycles may have no such form. Gradients end here.

    Args:
        fsa: an acceptor without ε.
        log_semiring: whether paths are summed; else the best one counts.
        max_states: of the result.

    Raises:
        UsageError: it is a transducer or has ε, or the result has too many states.
    """
    if fsa.aux_labels is not None or (fsa.labels == EPSILON).any():
        raise UsageError("Acceptors without ε alone are determinized.", "Remove ε arcs first.")
    if not fsa.num_states:
        return fsa
    leaving = _leaving(fsa)
    start: Subset = {0: 0.0}
    numbers, waiting, arcs = {_key(start): 0}, [start], list[Arc]()
    for at, subset in enumerate(waiting):
        for label, entered in _entered(subset, leaving, log_semiring).items():
            score = _sum(list(entered.values()), log_semiring)
            left = {state: own - score for state, own in entered.items()}
            key = _key(left)
            if key not in numbers:
                numbers[key] = len(waiting)
                waiting.append(left)
            arcs.append((at, numbers[key], label, score))
        if len(waiting) > max_states:
            raise UsageError(f"The determinized automaton has more than {max_states} states.")
    return connect(_end_last(arcs, numbers.get(_key({fsa.num_states - 1: 0.0})), len(waiting)))


def _leaving(fsa: Fsa) -> list[list[tuple[int, int, float]]]:
    """For each state (label, destination, score) of its arcs that can be taken."""
    leaving: list[list[tuple[int, int, float]]] = [[] for _ in range(fsa.num_states)]
    columns = (fsa.sources, fsa.labels, fsa.destinations, fsa.scores.detach().double())
    for source, *arc in zip(*(column.tolist() for column in columns), strict=True):
        if arc[2] > -math.inf:
            leaving[source].append((arc[0], arc[1], arc[2]))
    return leaving


def _entered(
    subset: Subset, leaving: list[list[tuple[int, int, float]]], log_semiring: bool
) -> dict[int, Subset]:
    """Label → the states that it leads to, and the score of all ways there."""
    found: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for state, left in subset.items():
        for label, destination, score in leaving[state]:
            found[label][destination].append(left + score)
    return {
        label: {state: _sum(ways, log_semiring) for state, ways in states.items()}
        for label, states in found.items()
    }


def _sum(scores: list[float], log_semiring: bool) -> float:
    best = max(scores)
    if not log_semiring:
        return best
    return best + math.log(sum(math.exp(score - best) for score in scores))


def _key(subset: Subset) -> tuple[tuple[int, int], ...]:
    return tuple(sorted((state, round(left / _DELTA)) for state, left in subset.items()))


def _end_last(arcs: list[Arc], end: int | None, num_states: int) -> Fsa:
    """An automaton whose state `end` has become the last one."""
    if end is None:
        return Fsa.from_arcs([])

    def moved(state: int) -> int:
        return num_states - 1 if state == end else state - (state > end)

    return Fsa.from_arcs(
        [(moved(arc[0]), moved(arc[1]), arc[2], arc[-1]) for arc in arcs], num_states
    )
