"""A class for each pixel: cross-entropy, accuracies, and the overlap of regions.

Pixels whose class nobody knows, −1, are neither learnt from nor counted.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.bundle import INPUT, TensorSpec
from striate.data.shards.schema import UNKNOWN
from striate.data.stream.batch import Batch
from striate.train.config import TaskConfig
from striate.train.run.mistake import Mistake
from striate.train.tasks.dense_counts import DenseCounts, confusion_cells
from striate.train.tasks.drawings import HeldOut, Picture
from striate.train.tasks.mistakes import Mistakes, candidates
from striate.train.tasks.outputs import OUTPUT, Network, Outputs, name_outputs
from striate.train.tasks.region_drawings import draw_regions, encode_regions
from striate.train.tasks.signature import Signature


class DenseLabels:
    """Loss and counts of a network that gives (n, classes, height, width) scores."""

    headline = "pixel_accuracy"
    unit = "images"
    by_row = False
    per_label = True

    def __init__(self, config: TaskConfig, classes: int) -> None:
        self.config = config
        self.classes = classes

    def compute(self, network: Network, batch: Batch) -> Outputs:
        """(n, classes, height, width) scores."""
        return name_outputs(network(batch.inputs))

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Each image's mean cross-entropy over its labelled pixels, summed over the images."""
        labels = batch.labels
        losses = F.cross_entropy(
            outputs[OUTPUT],
            labels,
            ignore_index=UNKNOWN,
            reduction="none",
            label_smoothing=self.config.label_smoothing,
        )
        known = (labels != UNKNOWN).sum((1, 2)).clamp(min=1)
        return (losses.sum((1, 2)) / known).sum()

    def predict(self, network: Network, batch: Batch) -> Outputs:
        """As `compute`."""
        return self.compute(network, batch)

    def zero(self, device: torch.device) -> DenseCounts:
        return DenseCounts.zero(self.classes, device)

    def unpack(self, packed: Tensor, device: torch.device) -> DenseCounts:
        return DenseCounts.unpack(packed.to(device), self.classes)

    def signature(self, model: nn.Module, taken: TensorSpec, labels: tuple[str, ...]) -> Signature:
        """Images of any height and width to ``scores`` of the same."""
        size = ("height", "width")
        image = taken.model_copy(update={"shape": (taken.shape[0], *size)})
        scores = TensorSpec(
            dtype="float32", shape=(len(labels), *size), layout="CHW", units="logit"
        )
        return Signature({INPUT: image}, {"scores": scores}, labels)

    def count(self, outputs: Outputs, batch: Batch) -> DenseCounts:
        """Counts of one batch of images."""
        return DenseCounts.of(outputs[OUTPUT], batch.labels, self.loss(outputs, batch))

    def mistakes(self, outputs: Outputs, batch: Batch) -> Mistakes:
        """The images with the largest share of wrong pixels, and what was most often confused."""
        predicted, labels, units = outputs[OUTPUT].argmax(1), batch.labels, batch.units
        known = labels != UNKNOWN
        wrong = ((predicted != labels) & known).sum((1, 2)).double()
        shares = wrong / known.sum((1, 2)).clamp(min=1)
        some = shares.nonzero()[:, 0]
        chosen = some[candidates(shares[some])].tolist()
        found = [
            self._mistake(predicted[at], labels[at], (int(batch.rows[at]), int(units[at])), share)
            for at, share in zip(chosen, shares[chosen].tolist(), strict=True)
        ]
        return Mistakes.of(found)

    def _mistake(
        self, predicted: Tensor, labels: Tensor, place: tuple[int, int], share: float
    ) -> Mistake:
        cells = confusion_cells(predicted, labels, self.classes)
        counts = torch.bincount(cells, minlength=self.classes**2)
        counts[:: self.classes + 1] = 0  # those found
        true, taken = divmod(int(counts.argmax()), self.classes)
        return Mistake(*place, true, taken, share, encode_regions(predicted.cpu().numpy()))

    def draw_mistakes(self, mistakes: Sequence[Mistake], held_out: HeldOut) -> Picture | None:
        """The images, their true regions and the predicted ones, side by side."""
        return draw_regions(mistakes, held_out)
