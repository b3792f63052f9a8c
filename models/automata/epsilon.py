"""The same automaton without arcs that read and write nothing."""

from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import UsageError
from striate.models.automata.fsa import EPSILON, Fsa
from striate.models.automata.levels import ArcGroups, expand, first_of, levels_of
from striate.models.automata.rearrange import connect, take_arcs
from striate.models.automata.semiring import scatter_best, scatter_logsumexp


def remove_epsilon(fsa: Fsa, log_semiring: bool) -> Fsa:
    """An automaton without ε:ε arcs that gives every sequence the same score; differentiable.

    A state takes over the arcs of those that ε leads to; arcs that have become the same are one,
    with the sum of their scores in the semiring.

    Args:
        fsa: its ε arcs must form no cycle.
        log_semiring: whether paths are summed; else the best one counts.

    Raises:
        UsageError: there is a cycle of ε arcs.
    """
    silent = (fsa.labels == EPSILON) & (fsa.output_labels == EPSILON)
    if not silent.any():
        return connect(fsa)
    arcs = take_arcs(fsa, (~silent).nonzero().flatten())
    moves = take_arcs(fsa, silent.nonzero().flatten())
    for step in _from_the_last(moves):
        arcs = _take_over(arcs, moves, step, log_semiring)
    return connect(arcs)


def _from_the_last(moves: Fsa) -> list[Tensor]:
    """Groups of ε arcs: what one leads to has no ε arcs but those of the groups before."""
    try:
        levels = levels_of(moves.sources, moves.destinations, moves.num_states)
    except UsageError:
        raise UsageError("The automaton has a cycle of ε arcs.") from None
    groups = ArcGroups.by(levels[moves.sources], int(levels.max()) + 1)
    return [group for group in reversed(groups) if len(group)]


def _take_over(arcs: Fsa, moves: Fsa, step: Tensor, log_semiring: bool) -> Fsa:
    """Copy the arcs of the states that some ε arcs lead to, to where these start."""
    first = first_of(arcs.sources, arcs.num_states)
    owner, taken = expand(first, moves.destinations[step])
    copies = take_arcs(arcs, taken)
    aux = arcs.aux_labels
    merged = Fsa(
        torch.cat([arcs.sources, moves.sources[step][owner]]),
        torch.cat([arcs.destinations, copies.destinations]),
        torch.cat([arcs.labels, copies.labels]),
        torch.cat([arcs.scores, moves.scores[step][owner] + copies.scores]),
        arcs.num_states,
        None if aux is None else torch.cat([aux, aux[taken]]),
    )
    return merge_arcs(merged, log_semiring)


@dataclass(frozen=True, eq=False)
class _Same:
    """Which arcs are the same but for their scores: (A,) group of each, one arc of each group."""

    groups: Tensor
    one: Tensor


def merge_arcs(fsa: Fsa, log_semiring: bool) -> Fsa:
    """Arcs that go the same way, read and write the same become one; differentiable.

    Args:
        fsa: its arcs in any order.
        log_semiring: whether scores are summed; else the best one counts.
    """
    same = _same(fsa)
    count = len(same.one)
    if log_semiring:
        scores = scatter_logsumexp(fsa.scores, same.groups, count)
    else:
        best = scatter_best(fsa.scores.detach(), same.groups, count)
        arcs = (fsa.scores.detach() == best[same.groups]).nonzero().flatten()
        none = arcs.new_full((count,), fsa.num_arcs)
        scores = fsa.scores[none.scatter_reduce(0, same.groups[arcs], arcs, "amin")]
    return take_arcs(fsa, same.one).with_scores(scores)


def _same(fsa: Fsa) -> _Same:
    rows = torch.stack([fsa.sources, fsa.destinations, fsa.labels, fsa.output_labels], 1)
    _, groups = torch.unique(rows, dim=0, return_inverse=True)
    arcs = torch.arange(fsa.num_arcs, device=rows.device)
    count = int(groups.max()) + 1 if len(groups) else 0
    none = arcs.new_full((count,), fsa.num_arcs)
    return _Same(groups, none.scatter_reduce(0, groups, arcs, "amin"))
