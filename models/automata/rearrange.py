"""The same automaton otherwise arranged: sorted, trimmed, turned round."""

from dataclasses import replace

import torch
from torch import Tensor

from striate.models.automata.fsa import Fsa
from striate.models.automata.levels import levels_of, reached


def take_arcs(fsa: Fsa, arcs: Tensor) -> Fsa:
    """Some (n,) arcs of an automaton, with the same states; sources must stay ascending."""
    return Fsa(
        fsa.sources[arcs],
        fsa.destinations[arcs],
        fsa.labels[arcs],
        fsa.scores[arcs],
        fsa.num_states,
        None if fsa.aux_labels is None else fsa.aux_labels[arcs],
    )


def renumber(fsa: Fsa, numbers: Tensor, num_states: int) -> Fsa:
    """The same with (S,) new numbers of its states, arcs sorted by source again."""
    moved = replace(
        fsa,
        sources=numbers[fsa.sources],
        destinations=numbers[fsa.destinations],
        num_states=num_states,
    )
    return take_arcs(moved, torch.argsort(moved.sources, stable=True))


def empty_like(fsa: Fsa) -> Fsa:
    """An automaton without states, which accepts nothing, of the same kind."""
    return replace(take_arcs(fsa, fsa.labels.new_zeros(0)), num_states=0)


def arc_sort(fsa: Fsa) -> Fsa:
    """The arcs of each state in the order of their labels, of equal ones by output label."""
    order = torch.argsort(fsa.output_labels, stable=True)
    order = order[torch.argsort(fsa.labels[order], stable=True)]
    return take_arcs(fsa, order[torch.argsort(fsa.sources[order], stable=True)])


def connect(fsa: Fsa) -> Fsa:
    """Without states that no path from start to end goes through, and their arcs."""
    states = fsa.num_states
    if not states:
        return fsa
    kept = reached(fsa.sources, fsa.destinations, states, 0)
    kept &= reached(fsa.destinations, fsa.sources, states, states - 1)
    if not kept[-1] or not kept[0]:
        return empty_like(fsa)
    arcs = (kept[fsa.sources] & kept[fsa.destinations]).nonzero().flatten()
    return renumber(take_arcs(fsa, arcs), kept.cumsum(0) - 1, int(kept.sum()))


def top_sort(fsa: Fsa) -> Fsa:
    """Trimmed, with states numbered so that every arc goes to a higher one.

    Raises:
        UsageError: there is a cycle.
    """
    fsa = connect(fsa)
    order = torch.argsort(levels_of(fsa.sources, fsa.destinations, fsa.num_states), stable=True)
    return renumber(fsa, torch.argsort(order), fsa.num_states)


def invert(fsa: Fsa) -> Fsa:
    """A transducer that reads what this one writes, and writes what it reads."""
    return replace(fsa, labels=fsa.output_labels, aux_labels=fsa.labels)


def project(fsa: Fsa, output: bool = False) -> Fsa:
    """An acceptor of what a transducer reads, or of what it writes."""
    return replace(fsa, labels=fsa.output_labels if output else fsa.labels, aux_labels=None)
