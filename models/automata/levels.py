"""The order in which an automaton is swept: its states by levels, a level at a time.

A state's level is the length of the longest path that leads to it, so that every arc goes from a
lower level to a higher one and all the arcs into a level can be taken together.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import UsageError


@dataclass(frozen=True, eq=False)
class ArcGroups:
    """Arcs grouped by a number of theirs: by level, by state.

    Attributes:
        order: (A,) int64, the arcs, those of group 0 first; inside a group as they were.
        ends: where each group ends in `order`.
    """

    order: Tensor
    ends: tuple[int, ...]

    @classmethod
    def by(cls, numbers: Tensor, groups: int) -> "ArcGroups":
        """Group by (A,) numbers below `groups`."""
        counts = torch.bincount(numbers, minlength=groups)
        return cls(torch.argsort(numbers, stable=True), tuple(counts.cumsum(0).tolist()))

    def __iter__(self) -> Iterator[Tensor]:
        start = 0
        for end in self.ends:
            yield self.order[start:end]
            start = end

    def __reversed__(self) -> Iterator[Tensor]:
        for at in range(len(self.ends) - 1, -1, -1):
            yield self.order[self.ends[at - 1] if at else 0 : self.ends[at]]


def expand(first: Tensor, groups: Tensor) -> tuple[Tensor, Tensor]:
    """All members of some groups that lie one after the other.

    Args:
        first: (G + 1,) where each group begins, and where the last one ends.
        groups: (n,) which ones.

    Returns:
        (m,) which of the n it is of, and (m,) the member.
    """
    return expand_ranges(first[groups], first[groups + 1])


def expand_ranges(starts: Tensor, stops: Tensor) -> tuple[Tensor, Tensor]:
    """(n,) ranges → (m,) which range, and (m,) each number in it."""
    counts = stops - starts
    owner = torch.repeat_interleave(counts)
    before = counts.cumsum(0) - counts
    return owner, torch.arange(len(owner), device=owner.device) - (before - starts)[owner]


def first_of(sources: Tensor, num_states: int) -> Tensor:
    """(S + 1,) where each state's arcs begin among arcs that are sorted by source."""
    counts = torch.bincount(sources, minlength=num_states)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def levels_of(sources: Tensor, destinations: Tensor, num_states: int) -> Tensor:
    """(S,) int64, each state's level.

    Args:
        sources: (A,) ascending.
        destinations: (A,).
        num_states: S.

    Raises:
        UsageError: there is a cycle.
    """
    first = first_of(sources, num_states)
    waiting = torch.bincount(destinations, minlength=num_states)
    levels = torch.zeros_like(waiting)
    ready = (waiting == 0).nonzero().flatten()
    done, level = 0, 0
    while len(ready):
        levels[ready] = level
        done, level = done + len(ready), level + 1
        _, arcs = expand(first, ready)
        entered = destinations[arcs]
        waiting.index_add_(0, entered, torch.full_like(entered, -1))
        ready = torch.unique(entered)
        ready = ready[waiting[ready] == 0]
    if done < num_states:
        raise UsageError(
            "The automaton has a cycle, and this needs one without.",
            "Intersect it with what is finite first.",
        )
    return levels


def reached(sources: Tensor, destinations: Tensor, num_states: int, start: int) -> Tensor:
    """(S,) bool, the states to which a path leads from `start`.

    Args:
        sources: (A,) in any order.
        destinations: (A,).
        num_states: S.
        start: a state.
    """
    order = torch.argsort(sources, stable=True)
    first = first_of(sources, num_states)
    found = torch.zeros(num_states, dtype=torch.bool, device=sources.device)
    found[start] = True
    new = torch.tensor([start], device=sources.device)
    while len(new):
        _, at = expand(first, new)
        entered = destinations[order[at]]
        new = torch.unique(entered[~found[entered]])
        found[new] = True
    return found
