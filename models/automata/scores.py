"""Scores of automata without cycles: of all paths, of the best one, of each arc."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from striate.models.automata.fsa import Fsa, FsaVec
from striate.models.automata.levels import ArcGroups, levels_of
from striate.models.automata.semiring import add_best, add_logsumexp

Automata = Fsa | FsaVec


def get_tot_scores(fsas: Automata, log_semiring: bool) -> Tensor:
    """The score of all paths from start to end; differentiable in the arcs' scores.

    One pass over the states by levels, and one back for the gradient: an arc's is its posterior,
    the share of it in all paths (log), or whether the best path takes it (tropical; of several
    best paths one is taken). Not differentiable twice.

    Args:
        fsas: one automaton, or several.
        log_semiring: whether paths are summed; else the best one counts.

    Returns:
        (F,) float64, (1,) of one; −∞ where no path is accepted.

    Raises:
        UsageError: there is a cycle.
    """
    if not fsas.num_states:
        return fsas.scores.new_full((_count(fsas),), -torch.inf, dtype=torch.float64)
    total: Tensor = _TotalScores.apply(fsas.scores.double(), fsas, log_semiring)  # type: ignore[no-untyped-call]
    return total


@torch.no_grad()
def get_forward_scores(fsas: Automata, log_semiring: bool) -> Tensor:
    """(S,) float64, the score of all paths from the start to each state.

    Raises:
        UsageError: there is a cycle.
    """
    return _forward(fsas, fsas.scores.double(), log_semiring)


@torch.no_grad()
def get_backward_scores(fsas: Automata, log_semiring: bool) -> Tensor:
    """(S,) float64, the score of all paths from each state to the end.

    Raises:
        UsageError: there is a cycle.
    """
    return _backward(fsas, fsas.scores.double(), log_semiring)


@torch.no_grad()
def get_arc_post(fsas: Automata, log_semiring: bool = True) -> Tensor:
    """(A,) float64, the logarithm of each arc's posterior.

    In the log semiring the exponentials of the arcs that leave a set of states through which every
    path goes once sum to 1; in the tropical one an arc of a best path has 0.

    Raises:
        UsageError: there is a cycle.
    """
    scores = fsas.scores.double()
    forward = _forward(fsas, scores, log_semiring)
    return _posteriors(fsas, scores, forward, log_semiring)


def best_arcs(fsas: Automata, forward: Tensor) -> list[list[int]]:
    """The arcs of one best path of each automaton, none where there is no path.

    Args:
        fsas: without cycles.
        forward: (S,) float64, tropical forward scores of the same scores.
    """
    candidates = forward[fsas.sources] + fsas.scores.detach().double()
    best = (candidates == forward[fsas.destinations]) & (candidates > -torch.inf)
    arcs = best.nonzero().flatten()
    none = arcs.new_full((fsas.num_states,), len(best))
    entering = none.scatter_reduce(0, fsas.destinations[arcs], arcs, "amin")
    into, sources = entering.tolist(), fsas.sources.tolist()
    starts, finals = _ends(fsas)
    paths = []
    for start, state in zip(starts.tolist(), finals.tolist(), strict=True):
        path = list[int]()
        while state != start and state >= 0 and into[state] < len(best):
            path.append(into[state])
            state = sources[into[state]]
        paths.append(path[::-1] if state == start else [])
    return paths


class _TotalScores(torch.autograd.Function):
    """Total scores, with the arcs' posteriors as their gradient."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, fsas: Automata, log_semiring: bool) -> Tensor:
        forward = _forward(fsas, scores, log_semiring)
        ctx.save_for_backward(scores, forward)
        ctx.fsas, ctx.log_semiring = fsas, log_semiring
        starts, finals = _ends(fsas)
        total = forward[finals.clamp_min(0)]
        return torch.where(finals >= starts, total, -torch.inf)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        scores, forward = ctx.saved_tensors
        if ctx.log_semiring:
            shares = _posteriors(ctx.fsas, scores, forward, log_semiring=True).exp()
        else:
            taken = [arc for path in best_arcs(ctx.fsas, forward) for arc in path]
            shares = torch.zeros_like(scores)
            shares[torch.tensor(taken, dtype=torch.int64, device=shares.device)] = 1.0
        return shares * grad[_owner_of_arcs(ctx.fsas)], None, None


def _forward(fsas: Automata, scores: Tensor, log_semiring: bool) -> Tensor:
    sources, destinations = fsas.sources, fsas.destinations
    add = add_logsumexp if log_semiring else add_best
    forward = scores.new_full((fsas.num_states,), -torch.inf)
    starts, finals = _ends(fsas)
    forward[starts[finals >= starts]] = 0.0
    for arcs in _grouped(fsas, destinations):
        add(forward, destinations[arcs], forward[sources[arcs]] + scores[arcs])
    return forward


def _backward(fsas: Automata, scores: Tensor, log_semiring: bool) -> Tensor:
    sources, destinations = fsas.sources, fsas.destinations
    add = add_logsumexp if log_semiring else add_best
    backward = scores.new_full((fsas.num_states,), -torch.inf)
    starts, finals = _ends(fsas)
    backward[finals[finals >= starts]] = 0.0
    for arcs in reversed(_grouped(fsas, sources)):
        add(backward, sources[arcs], backward[destinations[arcs]] + scores[arcs])
    return backward


def _posteriors(fsas: Automata, scores: Tensor, forward: Tensor, log_semiring: bool) -> Tensor:
    backward = _backward(fsas, scores, log_semiring)
    _, finals = _ends(fsas)
    total = forward[finals.clamp_min(0)][_owner_of_arcs(fsas)]
    through = forward[fsas.sources] + scores + backward[fsas.destinations]
    return torch.where(total > -torch.inf, through - total, -torch.inf)


def _grouped(fsas: Automata, states: Tensor) -> ArcGroups:
    """Arcs by the level of (A,) states of theirs."""
    levels = levels_of(fsas.sources, fsas.destinations, fsas.num_states)
    return ArcGroups.by(levels[states], int(levels.max()) + 1 if len(levels) else 0)


def _ends(fsas: Automata) -> tuple[Tensor, Tensor]:
    """(F,) start and final states; one without states ends before it starts."""
    if isinstance(fsas, FsaVec):
        return fsas.state_splits[:-1], fsas.state_splits[1:] - 1
    ends = torch.tensor([[0], [fsas.num_states - 1]], device=fsas.labels.device)
    return ends[0], ends[1]


def _count(fsas: Automata) -> int:
    return len(fsas) if isinstance(fsas, FsaVec) else 1


def _owner_of_arcs(fsas: Automata) -> Tensor:
    """(A,) which automaton an arc is of."""
    if isinstance(fsas, FsaVec):
        return torch.bucketize(fsas.sources, fsas.state_splits[1:], right=True)
    return torch.zeros_like(fsas.sources)
