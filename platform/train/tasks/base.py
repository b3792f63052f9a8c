"""What a task is to the loop: a loss to learn by, and counts that are exact however they are split.

A new one is a file beside this one and a line in `striate.train.tasks.TASKS`.
"""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from striate.data.stream.batch import Batch
from striate.train.tasks.mistakes import Mistakes

Output = Tensor | tuple[Tensor, ...]
"""What a network gives: logits, or in training the main ones followed by auxiliary heads'."""

Network = Callable[[Tensor], Output]


class Tally(Protocol):
    """Sums over evaluated samples; additive over batches and workers."""

    @property
    def confusion(self) -> Tensor | None:
        """(classes, classes) counts, true by most likely, of a task with one class a sample."""

    def __add__(self, other: Any, /) -> "Tally":
        """The sums of both."""

    def pack(self) -> Tensor:
        """All sums as one float64 vector, for one all-reduce; exact up to 2^53 samples."""

    def metrics(self) -> dict[str, float]:
        """Ratios and means over all samples counted."""


class Task(Protocol):
    """A kind of problem."""

    @property
    def classes(self) -> int:
        """How many classes there are."""

    @property
    def headline(self) -> str:
        """The metric that says which model is best; larger is better."""

    @property
    def by_row(self) -> bool:
        """Whether evaluation needs all units of a row in one batch of one worker."""

    def loss(self, output: Output, batch: Batch) -> Tensor:
        """The loss of a batch, or of a part of one, summed over its samples."""

    def predict(self, network: Network, batch: Batch) -> Tensor:
        """What evaluation counts: (samples, classes), larger is more likely."""

    def zero(self, device: torch.device) -> Tally:
        """No sample yet."""

    def count(self, output: Tensor, batch: Batch) -> Tally:
        """Sums over one batch, from what `predict` gave for it."""

    def mistakes(self, output: Tensor, batch: Batch) -> Mistakes:
        """The most confident wrong answers of one batch, from what `predict` gave for it."""

    def unpack(self, packed: Tensor, device: torch.device) -> Tally:
        """The inverse of `Tally.pack`."""


def to_full_precision(values: Tensor) -> Tensor:
    """At least float32: losses and softmaxes are not for the half-width types."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def main_and_auxiliary(output: Output) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The main logits, and those of auxiliary heads, all in full precision."""
    if isinstance(output, Tensor):
        return to_full_precision(output), ()
    return to_full_precision(output[0]), tuple(to_full_precision(one) for one in output[1:])
