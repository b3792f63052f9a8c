"""One label an image: losses, and metrics that are exact however the images are split.

Counts are summed over workers before any ratio is taken, so top-1, top-5 and the confusion matrix
are those of the whole evaluation set.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.bundle import TensorSpec
from striate.data.stream.batch import Batch
from striate.train.config import TaskConfig
from striate.train.run.mistake import Mistake
from striate.train.tasks.counts import Counts
from striate.train.tasks.crops import crop_average, dense_average, scales_of
from striate.train.tasks.drawings import HeldOut, Picture, draw_classes
from striate.train.tasks.mistakes import Mistakes
from striate.train.tasks.outputs import OUTPUT, Network, Outputs, auxiliary_outputs, name_outputs
from striate.train.tasks.signature import Signature


class Classification:
    """Loss and counts of a classifier whose larger logits are more likely."""

    headline = "top1"
    unit = "images"
    by_row = False
    per_label = True

    def __init__(self, config: TaskConfig, classes: int) -> None:
        self.config = config
        self.classes = classes

    def compute(self, network: Network, batch: Batch) -> Outputs:
        """(N, classes) logits, and those of auxiliary heads."""
        return name_outputs(network(batch.inputs))

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """The loss summed over the batch, auxiliary heads' added with the recipe's weight.

        ``map`` is the competitive criterion of LeCun et al. 1998, equation 9, with penalties
        y = −logits: E = y_D + log(e^−j + Σ e^−y_i).

        Args:
            outputs: (N, classes) logits, those of auxiliary heads beside them.
            batch: its ``labels`` are (N,) int64.
        """
        loss = self._of(outputs[OUTPUT], batch.labels)
        for logits in auxiliary_outputs(outputs):
            loss = loss + self.config.auxiliary_weight * self._of(logits, batch.labels)
        return loss

    def _of(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.config.loss == "map":
            right = logits.gather(1, labels[:, None]).squeeze(1)
            rejection = torch.full_like(right, -self.config.rejection_penalty)
            return (torch.logaddexp(rejection, logits.logsumexp(1)) - right).sum()
        return F.cross_entropy(
            logits, labels, reduction="sum", label_smoothing=self.config.label_smoothing
        )

    def predict(self, network: Network, batch: Batch) -> Outputs:
        """(N, classes): logits, or the log of the softmax averaged over crops or places.

        Raises:
            RecipeError: a network that cannot be run at every place of an image.
        """
        if self.config.evaluation == "crops":
            return name_outputs(crop_average(network, batch.inputs))
        fine = self.config.evaluation == "fine"
        return name_outputs(dense_average(network, scales_of(batch), fine=fine))

    def zero(self, device: torch.device) -> Counts:
        return Counts.zero(self.classes, device)

    def unpack(self, packed: Tensor, device: torch.device) -> Counts:
        return Counts.unpack(packed.to(device), self.classes)

    def signature(self, model: nn.Module, taken: TensorSpec, labels: tuple[str, ...]) -> Signature:
        return Signature.of_classes(taken, labels)

    def count(self, outputs: Outputs, batch: Batch) -> Counts:
        """Counts of one batch, from (N, classes) logits or log-probabilities."""
        logits, labels = outputs[OUTPUT], batch.labels
        return Counts.of(logits, labels, self._of(logits, labels))

    def mistakes(self, outputs: Outputs, batch: Batch) -> Mistakes:
        """The most confident wrong answers of one batch."""
        labels, probabilities = batch.labels, outputs[OUTPUT].softmax(1)
        right = probabilities.argmax(1) == labels
        return Mistakes.among(probabilities, labels, right, batch.rows, batch.units)

    def draw_mistakes(self, mistakes: Sequence[Mistake], held_out: HeldOut) -> Picture:
        """The images with their classes."""
        return draw_classes(mistakes, held_out)
