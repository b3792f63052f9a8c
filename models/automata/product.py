"""Intersection and composition: two automata read the same, step by step.

Breadth first, all pairs of states of a step at once: the arcs of one are joined to those of the
other by (state, label), which are sorted. Where both could make an ε move, the first makes all of
its own before the second (the sequence filter of Mohri, Pereira, Riley, 2008, section 3.3), so that
two paths give one path and sums of scores stay right.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import UsageError
from striate.models.automata.fsa import EPSILON, FINAL, Fsa
from striate.models.automata.levels import expand, expand_ranges, first_of
from striate.models.automata.rearrange import connect

_NONE = -1
_KINDS = 2  # of a pair of states: whether the second has begun its ε moves


def intersect(a: Fsa, b: Fsa) -> Fsa:
    """What both accept, with the sum of both scores; gradients reach both.

    Args:
        a, b: acceptors; one of them may be a transducer, whose output the result writes.

    Returns:
        trimmed; without states if they have nothing in common.

    Raises:
        UsageError: both are transducers.
    """
    if a.aux_labels is not None and b.aux_labels is not None:
        raise UsageError("Two transducers cannot be intersected.", "Compose them.")
    joined = _join(a, a.labels, b)
    labels = _pick(joined, a.labels, b.labels)
    if a.aux_labels is None and b.aux_labels is None:
        return joined.automaton(a, b, labels, None)
    written = a.aux_labels if a.aux_labels is not None else b.aux_labels
    assert written is not None
    arcs = joined.of_a if a.aux_labels is not None else joined.of_b
    return joined.automaton(a, b, labels, _or_epsilon(written, arcs))


def compose(a: Fsa, b: Fsa) -> Fsa:
    """The transducer that reads what `a` reads and writes what `b` makes of what `a` writes.

    Args:
        a, b: transducers, or acceptors, which write what they read.

    Returns:
        trimmed, an acceptor if both are; without states where nothing fits. Gradients reach both.
    """
    joined = _join(a, a.output_labels, b)
    if a.aux_labels is None and b.aux_labels is None:
        return joined.automaton(a, b, _pick(joined, a.labels, b.labels), None)
    read = _or_epsilon(a.labels, joined.of_a)
    return joined.automaton(a, b, read, _or_epsilon(b.output_labels, joined.of_b))


@dataclass(frozen=True, eq=False)
class _Joined:
    """Arcs between pairs of states, each of an arc of `a`, of one of `b`, or of both."""

    sources: Tensor
    destinations: Tensor
    of_a: Tensor
    of_b: Tensor
    num_states: int

    def automaton(self, a: Fsa, b: Fsa, labels: Tensor, aux_labels: Tensor | None) -> Fsa:
        scores = _or_zero(a.scores, self.of_a) + _or_zero(b.scores, self.of_b)
        order = torch.argsort(self.sources, stable=True)
        return connect(
            Fsa(
                self.sources[order],
                self.destinations[order],
                labels[order],
                scores[order],
                self.num_states,
                None if aux_labels is None else aux_labels[order],
            )
        )


def _join(a: Fsa, read: Tensor, b: Fsa) -> _Joined:
    """All pairs of states that a path leads to, the (A,) labels `read` of `a` matching b's."""
    pairs = _Pairs(a, read, b)
    end = ((a.num_states - 1) * b.num_states + b.num_states - 1) * _KINDS
    seen: dict[int, int] = {0: 0} if a.num_states and b.num_states else {}
    frontier, steps = torch.tensor(list(seen), dtype=torch.int64, device=read.device), []
    while len(frontier):
        step = pairs.step(frontier)
        steps.append(step)
        new = [key for key in torch.unique(step[1]).tolist() if key not in seen]
        seen.update(zip(new, range(len(seen), len(seen) + len(new)), strict=True))
        frontier = torch.tensor(new, dtype=torch.int64, device=read.device)
    if end not in seen:
        nothing = read.new_zeros(0)
        return _Joined(nothing, nothing, nothing, nothing, 0)
    # The final state comes last.
    last, of_end = len(seen) - 1, seen[end]
    keys, order = torch.tensor(list(seen), device=read.device).sort()
    order = torch.where(order == of_end, last, torch.where(order > of_end, order - 1, order))
    sources, destinations, of_a, of_b = map(torch.cat, zip(*steps, strict=True))
    return _Joined(
        order[torch.searchsorted(keys, sources)],
        order[torch.searchsorted(keys, destinations)],
        of_a,
        of_b,
        len(seen),
    )


class _Pairs:
    """The moves out of pairs of states, which are numbered (state of a, state of b, kind)."""

    def __init__(self, a: Fsa, read: Tensor, b: Fsa) -> None:
        self.a, self.read, self.b = a, read, b
        self.first_a = first_of(a.sources, a.num_states)
        highest = [int(labels.max()) for labels in (read, b.labels) if len(labels)]
        self.symbols = max(highest, default=0) + 2
        keys = b.sources * self.symbols + b.labels + 1
        self.b_order = torch.argsort(keys, stable=True)
        self.b_keys = keys[self.b_order]

    def step(self, pairs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(source, destination, arc of a or −1, arc of b or −1) of all moves."""
        of_a, of_b, kind = self._split(pairs)
        owner, arcs = expand(self.first_a, of_a)
        labels = self.read[arcs]
        reads = labels != EPSILON
        both = self._both(owner[reads], arcs[reads], of_b)
        alone = ~reads & (kind[owner] == 0)
        moves = [both, self._a_alone(owner[alone], arcs[alone], of_b), self._b_alone(of_a, of_b)]
        owners, *rest = map(torch.cat, zip(*moves, strict=True))
        return pairs[owners], rest[0], rest[1], rest[2]

    def _split(self, pairs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        states, kind = pairs // _KINDS, pairs % _KINDS
        return states // self.b.num_states, states % self.b.num_states, kind

    def _joined(self, of_a: Tensor, of_b: Tensor, kind: int) -> Tensor:
        return (of_a * self.b.num_states + of_b) * _KINDS + kind

    def _find(self, states: Tensor, labels: Tensor | int) -> tuple[Tensor, Tensor]:
        """The arcs of b out of (n,) states with (n,) labels: which of the n, and the arc."""
        keys = states * self.symbols + labels + 1
        low = torch.searchsorted(self.b_keys, keys)
        high = torch.searchsorted(self.b_keys, keys, right=True)
        owner, at = expand_ranges(low, high)
        return owner, self.b_order[at]

    def _both(self, owner: Tensor, arcs: Tensor, of_b: Tensor) -> tuple[Tensor, ...]:
        which, others = self._find(of_b[owner], self.read[arcs])
        arcs = arcs[which]
        entered = self._joined(self.a.destinations[arcs], self.b.destinations[others], 0)
        return owner[which], entered, arcs, others

    def _a_alone(self, owner: Tensor, arcs: Tensor, of_b: Tensor) -> tuple[Tensor, ...]:
        entered = self._joined(self.a.destinations[arcs], of_b[owner], 0)
        return owner, entered, arcs, torch.full_like(arcs, _NONE)

    def _b_alone(self, of_a: Tensor, of_b: Tensor) -> tuple[Tensor, ...]:
        owner, arcs = self._find(of_b, EPSILON)
        entered = self._joined(of_a[owner], self.b.destinations[arcs], 1)
        return owner, entered, torch.full_like(arcs, _NONE), arcs


def _or_zero(scores: Tensor, arcs: Tensor) -> Tensor:
    return torch.cat([scores, scores.new_zeros(1)])[arcs]


def _or_epsilon(labels: Tensor, arcs: Tensor) -> Tensor:
    return torch.cat([labels, labels.new_full((1,), EPSILON)])[arcs]


def _pick(joined: _Joined, of_a: Tensor, of_b: Tensor) -> Tensor:
    """The label of a move of one or both acceptors."""
    return torch.maximum(_or_least(of_a, joined.of_a), _or_least(of_b, joined.of_b))


def _or_least(labels: Tensor, arcs: Tensor) -> Tensor:
    return torch.cat([labels, labels.new_full((1,), FINAL)])[arcs]
