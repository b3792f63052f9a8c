"""A batch, as a training loop takes it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from striate.data.stream.decoding import Damage

INPUTS = ("images", "clips", "features", "tokens")


@dataclass(frozen=True)
class Batch:
    """One rank's part of a global batch.

    Attributes:
        tensors: name → tensor with one entry a sample, as the pipeline gives them.
        cursor: the cursor after the whole global batch.
        epoch: epoch of the global batch's first sample.
        global_size: samples in the global batch, over all ranks.
        damaged: samples met in making it that could not be used.
    """

    tensors: dict[str, Tensor]
    cursor: int
    epoch: int
    global_size: int
    damaged: tuple[Damage, ...] = ()

    @property
    def size(self) -> int:
        """How many samples there are."""
        return len(next(iter(self.tensors.values())))

    @property
    def inputs(self) -> Tensor:
        """What a model of one input takes: `images`, ``clips`` or ``features``, float32, or
        ``tokens``, int64."""
        return next(self.tensors[name] for name in INPUTS if name in self.tensors)

    @property
    def images(self) -> Tensor:
        """(n, channels, height, width) float32, preprocessed; of pipelines of images."""
        return self.tensors["images"]

    @property
    def labels(self) -> Tensor:
        """(n, …), int64 where a sample has one class."""
        return self.tensors["labels"]

    @property
    def rows(self) -> Tensor:
        """(n,) int64, global row ids in the split."""
        return self.tensors["rows"]

    @property
    def units(self) -> Tensor:
        """(n,) int64, which unit of its row each sample is."""
        return self.tensors.get("units", torch.zeros_like(self.rows))

    def map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """The same batch with every tensor changed, to another device for example."""
        return replace(self, tensors={name: change(one) for name, one in self.tensors.items()})

    def parts(self, count: int) -> "list[Batch]":
        """The samples cut into `count` nearly equal parts, in order; fewer where there are fewer
        samples."""
        if count == 1:
            return [self]
        count = min(count, self.size)
        cut = {name: one.tensor_split(count) for name, one in self.tensors.items()}
        return [
            replace(self, tensors={name: parts[index] for name, parts in cut.items()})
            for index in range(count)
        ]
