"""One state a frame of speech: cross-entropy, frame accuracy, and the states' priors.

A decoder wants likelihoods: the network's posteriors divided by how often each state comes in the
training data (`striate.data.transforms.audio.state_priors`). Those counts go into the bundle as
`PRIORS_FILE`, and where the shards say which words are said, a lexicon and a grammar too.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.bundle import TensorSpec
from striate.data.stream.batch import Batch
from striate.data.stream.state_counts import count_states
from striate.data.transforms.audio.state_priors import PRIORS_FILE
from striate.train.config import Location, TaskConfig
from striate.train.run.mistake import Mistake
from striate.train.tasks.counts import Counts
from striate.train.tasks.drawings import HeldOut, Picture, draw_classes
from striate.train.tasks.frame_words import decoder_of_shards
from striate.train.tasks.mistakes import Mistakes
from striate.train.tasks.outputs import OUTPUT, Network, Outputs, name_outputs
from striate.train.tasks.signature import Signature

NAMES = ("frame_accuracy", "frame_top5")


class FrameStates:
    """Loss and counts of a network that tells the state of a window's centre frame."""

    headline = NAMES[0]
    unit = "frames"
    by_row = False
    per_label = True

    def __init__(self, config: TaskConfig, classes: int) -> None:
        self.config = config
        self.classes = classes

    def compute(self, network: Network, batch: Batch) -> Outputs:
        """(N, states) logits."""
        return name_outputs(network(batch.inputs))

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Cross-entropy of (N, states) logits with (N,) states, summed over the frames."""
        return self._of(outputs[OUTPUT], batch.labels)

    def _of(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(
            logits, labels, reduction="sum", label_smoothing=self.config.label_smoothing
        )

    def predict(self, network: Network, batch: Batch) -> Outputs:
        """As `compute`."""
        return self.compute(network, batch)

    def zero(self, device: torch.device) -> Counts:
        return Counts.zero(self.classes, device, NAMES)

    def unpack(self, packed: Tensor, device: torch.device) -> Counts:
        return Counts.unpack(packed.to(device), self.classes, NAMES)

    def signature(self, model: nn.Module, taken: TensorSpec, labels: tuple[str, ...]) -> Signature:
        return Signature.of_classes(taken, labels)

    def count(self, outputs: Outputs, batch: Batch) -> Counts:
        """Counts of one batch of frames."""
        logits = outputs[OUTPUT]
        return Counts.of(logits, batch.labels, self._of(logits, batch.labels), NAMES)

    def mistakes(self, outputs: Outputs, batch: Batch) -> Mistakes:
        """The most confident wrong answers of one batch."""
        labels, probabilities = batch.labels, outputs[OUTPUT].softmax(1)
        right = probabilities.argmax(1) == labels
        return Mistakes.among(probabilities, labels, right, batch.rows, batch.units)

    def draw_mistakes(self, mistakes: Sequence[Mistake], held_out: HeldOut) -> Picture:
        """Spectrograms about the frames."""
        return draw_classes(mistakes, held_out)

    def gather_assets(
        self, shards: Location, split: str, labels: tuple[str, ...]
    ) -> Mapping[str, str]:
        """How often each state came in training, as `PRIORS_FILE`; lexicon and grammar."""
        priors = count_states(shards, split, len(labels))
        return {PRIORS_FILE: priors.to_text(labels), **decoder_of_shards(shards, split, labels)}
