"""One state a frame of speech: cross-entropy, frame accuracy, and the states' priors.

A decoder wants likelihoods: the network's posteriors divided by how often each state comes in the
training data (`striate.data.stream.state_priors`). Those counts go into the bundle as
`PRIORS_FILE`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.data.stream.batch import Batch
from striate.train.config import TaskConfig
from striate.train.tasks.base import Network, Output, main_and_auxiliary, to_full_precision
from striate.train.tasks.counts import Counts
from striate.train.tasks.mistakes import Mistakes

NAMES = ("frame_accuracy", "frame_top5")


class FrameStates:
    """Loss and counts of a network that tells the state of a window's centre frame."""

    headline = NAMES[0]
    by_row = False

    def __init__(self, config: TaskConfig, classes: int) -> None:
        self.config = config
        self.classes = classes

    def loss(self, output: Output, batch: Batch) -> Tensor:
        """Cross-entropy of (N, states) logits with (N,) states, summed over the frames."""
        return self._of(main_and_auxiliary(output)[0], batch.labels)

    def _of(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(
            logits, labels, reduction="sum", label_smoothing=self.config.label_smoothing
        )

    def predict(self, network: Network, batch: Batch) -> Tensor:
        """(N, states) logits."""
        return main_and_auxiliary(network(batch.inputs))[0]

    def zero(self, device: torch.device) -> Counts:
        return Counts.zero(self.classes, device, NAMES)

    def unpack(self, packed: Tensor, device: torch.device) -> Counts:
        return Counts.unpack(packed.to(device), self.classes, NAMES)

    def count(self, output: Tensor, batch: Batch) -> Counts:
        """Counts of one batch of frames."""
        logits = to_full_precision(output)
        return Counts.of(logits, batch.labels, self._of(logits, batch.labels), NAMES)

    def mistakes(self, output: Tensor, batch: Batch) -> Mistakes:
        """The most confident wrong answers of one batch."""
        labels, probabilities = batch.labels, to_full_precision(output).softmax(1)
        right = probabilities.argmax(1) == labels
        return Mistakes.among(probabilities, labels, right, batch.rows, batch.units)
