"""What a task is to the loop: a loss to learn by, and sums that are exact however they are split.

The loop knows nothing of classes or images. A batch is named tensors; the task says which of them
go into the network and how it is called: once, once for each member of a pair or triplet
(`striate.train.tasks.outputs.compute_views`), or once for each answer whose energy is compared.
What the network gives are named tensors again, and only the task knows what they mean: scores of
classes, an embedding, a map for each class, boxes and masks, the log-probabilities of a sequence.

A new task is a file beside this one and a line in `striate.train.tasks.TASKS`.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from striate.core.bundle import TensorSpec
from striate.data.stream.batch import Batch
from striate.train.config import Location
from striate.train.run.mistake import Mistake
from striate.train.tasks.mistakes import Mistakes
from striate.train.tasks.outputs import Network, Outputs
from striate.train.tasks.signature import Signature

if TYPE_CHECKING:
    from striate.train.tasks.drawings import HeldOut, Picture


class Tally(Protocol):
    """Sums over evaluated samples; additive over batches and workers, in any order."""

    @property
    def confusion(self) -> Tensor | None:
        """(classes, classes) counts, true by most likely, of a task with one class a sample."""

    def __add__(self, other: Any, /) -> "Tally":
        """The sums of both."""

    def pack(self) -> Tensor:
        """All sums as one float64 vector, for one all-reduce; counts are exact up to 2^53.

        Its length is a matter of the task and not of the samples.
        """

    def metrics(self) -> dict[str, float]:
        """Ratios and means over all samples counted."""


@runtime_checkable
class Task(Protocol):
    """A kind of problem."""

    @property
    def headline(self) -> str:
        """The metric that says which model is best; larger is better."""

    @property
    def unit(self) -> str:
        """What a sample is, in the plural: ``images``, ``pairs``."""

    @property
    def by_row(self) -> bool:
        """Whether evaluation needs all units of a row in one batch of one worker."""

    @property
    def per_label(self) -> bool:
        """Whether the network's output has one entry for each label of the corpus."""

    def compute(self, network: Network, batch: Batch) -> Outputs:
        """What `loss` looks at: the network on the tensors of a batch, in training.

        It runs under autocast where the recipe says so, and may call the network several times.
        """

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """The loss of a batch, or of a part of one, summed over its samples.

        The loop divides by the global batch size, so a sample that is itself a sum (of pixels, of
        the words of a sequence) is a mean over its own parts here.
        """

    def predict(self, network: Network, batch: Batch) -> Outputs:
        """What `count` looks at: the network on the tensors of a batch, in evaluation.

        Gradients are off; a task that infers by descent of an energy turns them on.
        """

    def zero(self, device: torch.device) -> Tally:
        """No sample yet."""

    def count(self, outputs: Outputs, batch: Batch) -> Tally:
        """Sums over one batch, from what `predict` gave for it."""

    def unpack(self, packed: Tensor, device: torch.device) -> Tally:
        """The inverse of `Tally.pack`."""

    def signature(self, model: nn.Module, taken: TensorSpec, labels: tuple[str, ...]) -> Signature:
        """What the bundle says of the network's inputs and outputs.

        Args:
            model: the network.
            taken: its ``input_shape``, as the recipe's pipeline fills it.
            labels: of the corpus.
        """


@runtime_checkable
class ShowsMistakes(Protocol):
    """A task that can say which of its answers are the worst, and draw them; not every one can."""

    def mistakes(self, outputs: Outputs, batch: Batch) -> Mistakes:
        """The worst answers of one batch, from what `predict` gave for it."""

    def draw_mistakes(self, mistakes: Sequence[Mistake], held_out: "HeldOut") -> "Picture | None":
        """The worst answers of the whole evaluation as a picture, or nothing.

        Args:
            mistakes: the worst first; at least one.
            held_out: the samples that they name.

        Raises:
            StriateError: the shards are not in reach.
        """


@runtime_checkable
class TellsLabels(Task, Protocol):
    """A task that has a metric for each of several labels, and calls it by the label's name."""

    def with_labels(self, labels: tuple[str, ...]) -> "Task":
        """The same, on a corpus with these labels."""


@runtime_checkable
class HasAssets(Protocol):
    """A task whose bundle holds files beside the weights: priors, a vocabulary, a table."""

    def gather_assets(
        self, shards: Location, split: str, labels: tuple[str, ...]
    ) -> Mapping[str, str | Path]:
        """File name → its text, or the path of a file of any size.

        Args:
            shards: that the run was trained on.
            split: that it was trained on.
            labels: of the corpus.

        Raises:
            DataError: a shard is missing or damaged.
        """


@runtime_checkable
class Calibrating(Protocol):
    """A task whose bundle says how sure its answers are, fitted once the network has learnt."""

    @property
    def calibration_split(self) -> str:
        """The split to fit on, which nothing else was learnt or chosen by."""

    def calibrate(
        self, network: Network, batches: Iterable[Batch], split: str
    ) -> Mapping[str, str | Path]:
        """File name → its text, for the bundle.

        Args:
            network: the trained one, in evaluation mode, on the CPU.
            batches: of the split, as in evaluation.
            split: its name: `calibration_split`, or the one that was trained on where the shards
                have none of that name.
        """
