"""The best path of an automaton, with cycles or without."""

import torch
from torch import Tensor

from striate.core.errors import UsageError
from striate.models.automata.fsa import Fsa
from striate.models.automata.rearrange import empty_like
from striate.models.automata.semiring import scatter_best


def shortest_path(fsa: Fsa) -> Fsa:
    """The best path as an automaton of its own; of several equal ones, one.

    The path of n arcs has states 0 … n, its scores are the arcs' own, gradients included; an
    automaton that accepts nothing gives one without states.

    Args:
        fsa: cycles are allowed whose score is not above 0.

    Raises:
        UsageError: a cycle makes a path the better the longer it is.
    """
    path = _path(fsa)
    if not path:
        return empty_like(fsa)
    arcs = torch.tensor(path, dtype=torch.int64, device=fsa.labels.device)
    states = torch.arange(len(path) + 1, device=arcs.device)
    aux = None if fsa.aux_labels is None else fsa.aux_labels[arcs]
    return Fsa(states[:-1], states[1:], fsa.labels[arcs], fsa.scores[arcs], len(states), aux)


def _path(fsa: Fsa) -> list[int]:
    """Its arcs in order."""
    entering, sources = _entering(fsa).tolist(), fsa.sources.tolist()
    path, state = list[int](), fsa.num_states - 1
    while state > 0:
        if entering[state] < 0:
            return []
        path.append(entering[state])
        state = sources[path[-1]]
    return path[::-1]


@torch.no_grad()
def _entering(fsa: Fsa) -> Tensor:
    """(S,) the arc by which the best path enters each state, −1 where none does.

    All arcs at once, as often as the best paths have arcs (Bellman, 1958). A state's arc is
    replaced by a strictly better one alone, so that the arcs never go in a circle.
    """
    states, scores = fsa.num_states, fsa.scores.double()
    best = scores.new_full((states,), -torch.inf)
    best[:1] = 0.0
    entering = fsa.labels.new_full((states,), -1)
    for _ in range(states + 1):
        reached = best[fsa.sources] + scores
        better = torch.maximum(scatter_best(reached, fsa.destinations, states), best)
        entered = better[fsa.destinations]
        arcs = ((reached == entered) & (entered > best[fsa.destinations])).nonzero().flatten()
        if not len(arcs):
            return entering
        first = fsa.labels.new_full((states,), fsa.num_arcs)
        first = first.scatter_reduce(0, fsa.destinations[arcs], arcs, "amin")
        entering = torch.where(first < fsa.num_arcs, first, entering)
        best = better
    raise UsageError("The automaton has a cycle with a score above 0: no path is the best one.")
