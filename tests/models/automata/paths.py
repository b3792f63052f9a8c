"""Brute force: every path of a small automaton, and random automata to enumerate."""

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from striate.models.automata import EPSILON, FINAL, Fsa

Sequences = tuple[tuple[int, ...], tuple[int, ...]]
"""What a path reads and what it writes, without ε and the end."""


def paths_of(fsa: Fsa, state: int = 0) -> Iterator[tuple[int, ...]]:
    """The arcs of every path from `state` to the end of an automaton without cycles."""
    if not fsa.num_states:
        return
    if state == fsa.num_states - 1:
        yield ()
        return
    for arc in (fsa.sources == state).nonzero().flatten().tolist():
        for rest in paths_of(fsa, int(fsa.destinations[arc])):
            yield (arc, *rest)


def score_of(fsa: Fsa, path: tuple[int, ...]) -> float:
    return sum(float(fsa.scores[arc]) for arc in path)


def add(scores: list[float], log_semiring: bool) -> float:
    """The score of several paths."""
    if not scores or max(scores) == -math.inf:
        return -math.inf
    best = max(scores)
    return best + math.log(sum(math.exp(s - best) for s in scores)) if log_semiring else best


def language_of(fsa: Fsa, log_semiring: bool) -> dict[Sequences, float]:
    """The score of each pair of sequences that an automaton without cycles accepts."""
    found: dict[Sequences, list[float]] = defaultdict(list)
    for path in paths_of(fsa):
        read, written = (
            tuple(x for x in (int(labels[arc]) for arc in path) if x not in {EPSILON, FINAL})
            for labels in (fsa.labels, fsa.output_labels)
        )
        found[read, written].append(score_of(fsa, path))
    return {one: add(scores, log_semiring) for one, scores in found.items()}


def join(
    left: dict[Sequences, float], right: dict[Sequences, float], log: bool
) -> dict[Sequences, float]:
    """What two languages make of each other where one writes what the other reads."""
    found = defaultdict(list)
    for (read, middle), score in left.items():
        for (other, written), more in right.items():
            if middle == other:
                found[read, written].append(score + more)
    return {one: add(scores, log) for one, scores in found.items()}


@st.composite
def automata(
    draw: st.DrawFn, transducer: bool = False, epsilon: bool = True, most_states: int = 5
) -> Fsa:
    """A random automaton without cycles, some of its states dead ends."""
    states = draw(st.integers(2, most_states))
    labels = st.integers(0 if epsilon else 1, 3)
    arcs: list[Any] = []
    for _ in range(draw(st.integers(1, 9))):
        source = draw(st.integers(0, states - 2))
        destination = draw(st.integers(source + 1, states - 1))
        end = destination == states - 1
        read = [FINAL if end else draw(labels) for _ in range(1 + transducer)]
        arcs.append((source, destination, *read, draw(st.integers(-8, 8)) / 4))
    return Fsa.from_arcs(arcs, states)
