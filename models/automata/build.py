"""Automata of sequences, of tables of scores, and of edits."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from striate.core.errors import UsageError
from striate.models.automata.fsa import EPSILON, FINAL, Arc, Fsa


def linear_fsa(labels: Sequence[int]) -> Fsa:
    """The acceptor of one sequence of (n,) labels, with n + 2 states and scores of 0."""
    return Fsa.from_arcs([(at, at + 1, label, 0.0) for at, label in enumerate([*labels, FINAL])])


def linear_fst(labels: Sequence[int], aux_labels: Sequence[int]) -> Fsa:
    """The transducer of one sequence to another of the same length.

    Raises:
        UsageError: they are of different lengths.
    """
    if len(labels) != len(aux_labels):
        raise UsageError(f"{len(labels)} labels and {len(aux_labels)} output labels do not pair.")
    pairs = zip([*labels, FINAL], [*aux_labels, FINAL], strict=True)
    return Fsa.from_arcs([(at, at + 1, *pair, 0.0) for at, pair in enumerate(pairs)])


def dense_fsa(scores: Tensor) -> Fsa:
    """The acceptor of every sequence of T columns, with the scores of a table; differentiable.

    Intersected with a graph it scores the graph's sequences by a network's outputs frame by frame.

    Args:
        scores: (T, C); column c of frame t is the score of label c + 1 from state t to t + 1.
    """
    frames, columns = scores.shape
    device = scores.device
    at = torch.arange(frames, device=device).repeat_interleave(columns)
    labels = torch.arange(1, columns + 1, device=device).repeat(frames)
    end = torch.tensor([frames], device=device)
    return Fsa(
        torch.cat([at, end]),
        torch.cat([at, end]) + 1,
        torch.cat([labels, torch.full_like(end, FINAL)]),
        torch.cat([scores.flatten(), scores.new_zeros(1)]),
        frames + 2,
    )


def levenshtein_graph(symbols: Iterable[int], cost: float = 1.0) -> Fsa:
    """The transducer that keeps, replaces, drops and adds symbols, each change at a cost.

    The best path of a sequence, this, and another, composed, has minus their edit distance.

    Args:
        symbols: labels above 0.
        cost: of a substitution, an insertion, a deletion.
    """
    known = sorted(set(symbols))
    loops: list[Arc] = [
        (0, 0, one, other, 0.0 if one == other else -cost)
        for one in [EPSILON, *known]
        for other in [EPSILON, *known]
        if one or other
    ]
    return Fsa.from_arcs([*loops, (0, 1, FINAL, FINAL, 0.0)])
