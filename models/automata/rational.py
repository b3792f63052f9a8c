"""Automata built of automata: one of several, one after the other, any number of times."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from striate.core.errors import UsageError
from striate.models.automata.fsa import EPSILON, FINAL, Fsa, create_fsa_vec
from striate.models.automata.rearrange import connect, empty_like, renumber


def union(fsas: Sequence[Fsa]) -> Fsa:
    """What any of them accepts: a new start, ε to each one's, and one end.

    Args:
        fsas: at least one, all acceptors or all transducers; gradients reach each.

    Raises:
        UsageError: there are none, or of both kinds.
    """
    _check_kinds(fsas)
    parts = [fsa for fsa in fsas if fsa.num_states]
    if not parts:
        return empty_like(fsas[0])
    flat = _side_by_side(parts)
    splits = torch.tensor([part.num_states for part in parts], device=flat.labels.device).cumsum(0)
    numbers = torch.arange(flat.num_states, device=splits.device) + 1
    numbers[splits - 1] = flat.num_states + 1
    joined = renumber(flat, numbers, flat.num_states + 2)
    starts = [0, *splits[:-1].tolist()]
    return connect(_add_arcs(joined, [(0, start + 1, EPSILON) for start in starts]))


def cat(fsas: Sequence[Fsa]) -> Fsa:
    """What they accept one after the other.

    Raises:
        UsageError: there are none, or acceptors and transducers.
    """
    _check_kinds(fsas)
    if not all(fsa.num_states for fsa in fsas):
        return empty_like(fsas[0])
    flat, at = _side_by_side(fsas), 0
    for fsa in fsas[:-1]:
        at += fsa.num_states
        flat = _redirect(flat, at - 1, at)
    return connect(flat)


def closure(fsa: Fsa) -> Fsa:
    """What it accepts, any number of times one after the other, and nothing at all.

    Of one that accepts nothing at all by itself the result has a cycle of ε.
    """
    if not fsa.num_states:
        return _add_arcs(replace(fsa, num_states=2), [(0, 1, FINAL)])
    # A new start, to which the ends lead back; the old end stays the end.
    end = fsa.num_states
    numbers = torch.arange(end, device=fsa.labels.device) + 1
    looped = _redirect(renumber(fsa, numbers, end + 1), end, 0)
    return _add_arcs(looped, [(0, 1, EPSILON), (0, end, FINAL)])


def _check_kinds(fsas: Sequence[Fsa]) -> None:
    if not fsas or len({fsa.aux_labels is None for fsa in fsas}) > 1:
        raise UsageError("Automata are joined if all are acceptors, or all transducers.")


def _side_by_side(fsas: Sequence[Fsa]) -> Fsa:
    """The arcs of all, states numbered through."""
    vec = create_fsa_vec(fsas)
    arcs = (vec.sources, vec.destinations, vec.labels, vec.scores)
    return Fsa(*arcs, vec.num_states, vec.aux_labels)


def _redirect(fsa: Fsa, end: int, state: int) -> Fsa:
    """Arcs into `end` become ε arcs into `state`."""
    there = fsa.destinations == end
    aux = fsa.aux_labels
    return replace(
        fsa,
        destinations=torch.where(there, state, fsa.destinations),
        labels=torch.where(there, EPSILON, fsa.labels),
        aux_labels=None if aux is None else torch.where(there, EPSILON, aux),
    )


def _add_arcs(fsa: Fsa, arcs: Sequence[tuple[int, int, int]]) -> Fsa:
    """The same with further arcs of score 0: source, destination, and label read and written."""
    new = torch.tensor(arcs, dtype=torch.int64, device=fsa.labels.device)
    aux = None if fsa.aux_labels is None else torch.cat([fsa.aux_labels, new[:, 2]])
    whole = Fsa(
        torch.cat([fsa.sources, new[:, 0]]),
        torch.cat([fsa.destinations, new[:, 1]]),
        torch.cat([fsa.labels, new[:, 2]]),
        torch.cat([fsa.scores, fsa.scores.new_zeros(len(new))]),
        fsa.num_states,
        aux,
    )
    return renumber(whole, torch.arange(fsa.num_states, device=new.device), fsa.num_states)
