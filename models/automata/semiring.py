"""Sums of scores in the two semirings: the best one, or the logarithm of summed exponentials."""

import torch
from torch import Tensor

_LEAST = -1e300  # in place of −∞ where it would be taken from itself


def scatter_best(scores: Tensor, groups: Tensor, count: int) -> Tensor:
    """(n,) scores → (count,) the best of each group; −∞ where there is none."""
    none = scores.new_full((count,), -torch.inf)
    return none.scatter_reduce(0, groups, scores, "amax")


def scatter_logsumexp(scores: Tensor, groups: Tensor, count: int) -> Tensor:
    """(n,) scores → (count,) log Σ exp of each group; differentiable; −∞ where there is none."""
    best = scatter_best(scores.detach(), groups, count).clamp_min(torch.finfo(scores.dtype).min / 4)
    total = scores.new_zeros(count).index_add(0, groups, (scores - best[groups]).exp())
    # A group without members must not give 0 · ∞ as its gradient.
    there = total > 0
    logs = torch.where(there, total, torch.ones_like(total)).log()
    return torch.where(there, best + logs, -torch.inf)


def add_best(into: Tensor, groups: Tensor, scores: Tensor) -> None:
    """Take (n,) scores into the best of their groups, in place."""
    into.scatter_reduce_(0, groups, scores, "amax")


def add_logsumexp(into: Tensor, groups: Tensor, scores: Tensor) -> None:
    """Take (n,) float64 scores into groups that hold −∞ so far, in place: log Σ exp."""
    into.scatter_reduce_(0, groups, scores, "amax")
    best = into[groups].clamp_min(_LEAST)
    total = torch.zeros_like(into).index_add_(0, groups, (scores - best).exp())
    into[groups] = best + total[groups].log()
