"""Weighted automata: acceptors and transducers as flat tensors of arcs.

The conventions are k2's (k2-fsa.github.io/k2/core_concepts): the start state is 0, the one final
state is the last, every arc into it and no other has the label −1, label 0 is ε, states have no
scores. A score is a logarithm, so that more is better; a path's score is the sum of its arcs'.
In the tropical semiring the score of several paths is the best one's, in the log semiring the
logarithm of their summed exponentials (Mohri, Pereira, Riley, "Speech recognition with weighted
finite-state transducers", 2008).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from striate.core.errors import UsageError

EPSILON = 0
FINAL = -1

Arc = tuple[int, int, int, float] | tuple[int, int, int, int, float]
"""(source, destination, label, score), or with the output label before the score."""


@dataclass(frozen=True, eq=False)
class Fsa:
    """A weighted automaton. One that accepts nothing may have no states at all.

    Attributes:
        sources: (A,) int64, the states that the arcs leave, ascending.
        destinations: (A,) int64, the states that they enter.
        labels: (A,) int64, what they read; 0 is ε, −1 the end.
        scores: (A,) floating, which may require gradients.
        num_states: S; state 0 is the start, S − 1 the final one.
        aux_labels: (A,) int64, what they write; None of an acceptor, which writes what it reads.
    """

    sources: Tensor
    destinations: Tensor
    labels: Tensor
    scores: Tensor
    num_states: int
    aux_labels: Tensor | None = None

    @property
    def num_arcs(self) -> int:
        """A."""
        return len(self.labels)

    @property
    def output_labels(self) -> Tensor:
        """(A,) what is written: the aux labels, or the labels of an acceptor."""
        return self.labels if self.aux_labels is None else self.aux_labels

    @classmethod
    def from_arcs(cls, arcs: Iterable[Arc], num_states: int | None = None) -> Self:
        """Of single arcs, in any order.

        Args:
            arcs: all with output labels, or none.
            num_states: the last state is the final one; by default the highest that an arc names.

        Raises:
            UsageError: an arc breaks the conventions.
        """
        rows = sorted(arcs, key=lambda arc: arc[0])
        if len({len(row) for row in rows}) > 1:
            raise UsageError("Either all arcs of an automaton have output labels, or none.")
        highest = max((max(row[:2]) for row in rows), default=-1) + 1
        whole = torch.tensor([row[:-1] for row in rows], dtype=torch.int64)
        whole = whole.reshape(len(rows), len(rows[0]) - 1 if rows else 3)
        sources, destinations, labels, *aux = whole.T
        fsa = cls(
            sources,
            destinations,
            labels,
            torch.tensor([float(row[-1]) for row in rows]),
            highest if num_states is None else num_states,
            aux[0] if aux else None,
        )
        fsa.check()
        return fsa

    @classmethod
    def from_str(cls, text: str) -> Self:
        """Of k2's text: a line ``source destination label [aux label] score`` each arc, and last
        the final state.

        Raises:
            UsageError: a line is no such thing.
        """
        lines = [line.split() for line in text.splitlines() if line.strip()]
        try:
            *rows, (final,) = lines
            arcs = [(*map(int, row[:-1]), float(row[-1])) for row in rows]
            return cls.from_arcs(arcs, int(final) + 1)  # type: ignore[arg-type]
        except (ValueError, IndexError):
            raise UsageError(
                "The text is no automaton.",
                "Write `source destination label score` a line, and the final state last.",
            ) from None

    def to_str(self) -> str:
        """The inverse of `from_str`."""
        columns = [self.sources, self.destinations, self.labels]
        columns += [] if self.aux_labels is None else [self.aux_labels]
        rows = zip(*(column.tolist() for column in columns), self.scores.tolist(), strict=True)
        lines = [" ".join(map(str, row)) for row in rows]
        return "\n".join([*lines, *([str(self.num_states - 1)] if self.num_states else [])]) + "\n"

    def check(self) -> None:
        """Raise UsageError where the arcs break the conventions."""
        if not self.num_arcs:
            return
        into_final = self.destinations == self.num_states - 1
        wrong = {
            "leaves or enters a state that is not there": (
                torch.minimum(self.sources, self.destinations) < 0
            )
            | (torch.maximum(self.sources, self.destinations) >= self.num_states),
            "leaves the final state": self.sources == self.num_states - 1,
            "enters the final state without the label -1, or another with it": (
                into_final != (self.labels == FINAL)
            )
            | (into_final != (self.output_labels == FINAL)),
            "has a label below -1": torch.minimum(self.labels, self.output_labels) < FINAL,
        }
        for what, where in wrong.items():
            if where.any():
                at = int(where.nonzero()[0])
                arc = f"{int(self.sources[at])} → {int(self.destinations[at])}"
                raise UsageError(f"The arc {arc} {what}.")

    def with_scores(self, scores: Tensor) -> Self:
        """The same arcs with other (A,) scores."""
        return replace(self, scores=scores)

    def to(self, device: torch.device | str) -> Self:
        """The same on another device."""
        names = ("sources", "destinations", "labels", "scores")
        moved = {name: getattr(self, name).to(device) for name in names}
        aux = None if self.aux_labels is None else self.aux_labels.to(device)
        return replace(self, **moved, aux_labels=aux)


@dataclass(frozen=True, eq=False)
class FsaVec:
    """Several automata side by side, so that one pass scores them all.

    Attributes:
        sources, destinations, labels, scores, aux_labels: as `Fsa`'s, one after the other, states
            numbered through.
        state_splits: (F + 1,) int64, where each one's states begin.
    """

    sources: Tensor
    destinations: Tensor
    labels: Tensor
    scores: Tensor
    state_splits: Tensor
    aux_labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.state_splits) - 1

    @property
    def num_states(self) -> int:
        """Of all together."""
        return int(self.state_splits[-1])


def create_fsa_vec(fsas: Sequence[Fsa]) -> FsaVec:
    """Several automata as one vector; gradients reach each one's own scores.

    Raises:
        UsageError: some have output labels and some have none, or there are none at all.
    """
    if not fsas or len({fsa.aux_labels is None for fsa in fsas}) > 1:
        raise UsageError("A vector of automata is of acceptors alone, or of transducers alone.")
    sizes = torch.tensor([0, *(fsa.num_states for fsa in fsas)])
    splits = sizes.cumsum(0).to(fsas[0].labels.device)
    shifts = splits[:-1].tolist()
    transducers = fsas[0].aux_labels is not None
    return FsaVec(
        torch.cat([fsa.sources + at for fsa, at in zip(fsas, shifts, strict=True)]),
        torch.cat([fsa.destinations + at for fsa, at in zip(fsas, shifts, strict=True)]),
        torch.cat([fsa.labels for fsa in fsas]),
        torch.cat([fsa.scores for fsa in fsas]),
        splits,
        torch.cat([fsa.output_labels for fsa in fsas]) if transducers else None,
    )
