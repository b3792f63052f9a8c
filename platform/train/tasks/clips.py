"""Clips of videos, which may have several labels: clip hit@1, video hit@1 and hit@5.

A video's score is the mean of the softmax over its clips (Tran et al., ICCV 2015, section 4). A hit
at k is any true label among the k most likely. The loss is the cross-entropy with a target that is
even over the true labels, in training and in evaluation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from striate.core.bundle import TensorSpec
from striate.data.stream.batch import Batch
from striate.train.config import TaskConfig
from striate.train.run.mistake import Mistake
from striate.train.tasks.drawings import HeldOut, Picture, draw_classes
from striate.train.tasks.mistakes import Mistakes
from striate.train.tasks.outputs import OUTPUT, Network, Outputs, name_outputs
from striate.train.tasks.signature import Signature

_SUMS = 6


@dataclass(frozen=True)
class VideoCounts:
    """Sums over evaluated videos and their clips; additive over batches and workers.

    Attributes:
        sums: (6,) float64: clips, clips hit at 1, videos, videos hit at 1, at 5, the clips' loss.
        confusion: (classes, classes) float64 counts of videos; row: the label that was found, or
            else the first one; column: most likely class.
    """

    sums: Tensor
    confusion: Tensor

    @classmethod
    def zero(cls, classes: int, device: torch.device) -> Self:
        """No video yet."""
        square = torch.zeros(classes, classes, dtype=torch.float64, device=device)
        return cls(torch.zeros(_SUMS, dtype=torch.float64, device=device), square)

    def pack(self) -> Tensor:
        """All sums as one float64 vector, for one all-reduce; exact up to 2^53 clips."""
        return torch.cat([self.sums, self.confusion.flatten()])

    @classmethod
    def unpack(cls, packed: Tensor, classes: int) -> Self:
        """The inverse of `pack`."""
        return cls(packed[:_SUMS], packed[_SUMS:].view(classes, classes))

    def __add__(self, other: "VideoCounts") -> "VideoCounts":
        return VideoCounts(self.sums + other.sums, self.confusion + other.confusion)

    def metrics(self) -> dict[str, float]:
        """``clip_hit1``, ``video_hit1``, ``video_hit5`` and the clips' mean ``loss``."""
        clips, clip_hits, videos, hits, hits5, loss = self.sums.tolist()
        return {
            "clip_hit1": clip_hits / clips,
            "video_hit1": hits / videos,
            "video_hit5": hits5 / videos,
            "loss": loss / clips,
        }


class Clips:
    """Loss and counts of a network on clips; the clips of a video are evaluated together."""

    headline = "video_hit1"
    unit = "clips"
    by_row = True
    per_label = True

    def __init__(self, config: TaskConfig, classes: int) -> None:
        self.config = config
        self.classes = classes

    def compute(self, network: Network, batch: Batch) -> Outputs:
        """(N, classes) logits of the clips."""
        return name_outputs(network(batch.inputs))

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Cross-entropy with a target even over each clip's labels, summed over the clips."""
        return self._of(outputs[OUTPUT], _labels(batch)).sum()

    def _of(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(N,) losses of (N, classes) logits; `labels` (N, most) is filled up with −1."""
        share = self.config.label_smoothing
        log_p, known = logits.log_softmax(1), labels >= 0
        true = log_p.gather(1, labels.clamp(min=0)).where(known, 0).sum(1) / known.sum(1)
        return -(1 - share) * true - share * log_p.mean(1)

    def predict(self, network: Network, batch: Batch) -> Outputs:
        """As `compute`."""
        return self.compute(network, batch)

    def zero(self, device: torch.device) -> VideoCounts:
        return VideoCounts.zero(self.classes, device)

    def unpack(self, packed: Tensor, device: torch.device) -> VideoCounts:
        return VideoCounts.unpack(packed.to(device), self.classes)

    def signature(self, model: nn.Module, taken: TensorSpec, labels: tuple[str, ...]) -> Signature:
        return Signature.of_classes(taken, labels)

    def count(self, outputs: Outputs, batch: Batch) -> VideoCounts:
        """Counts of one batch that holds all clips of its videos."""
        logits, labels = outputs[OUTPUT], _labels(batch)
        scores, first = _videos(logits, batch.rows)
        of_videos = labels[first]
        found, best = _hit(scores, of_videos, 1), scores.argmax(1)
        true = best.where(found, of_videos[:, 0])
        square = torch.bincount(true * self.classes + best, minlength=self.classes**2)
        sums = [
            torch.tensor(len(logits), device=logits.device),
            _hit(logits, labels, 1).sum(),
            torch.tensor(len(first), device=logits.device),
            found.sum(),
            _hit(scores, of_videos, min(5, self.classes)).sum(),
            self._of(logits, labels).sum(),
        ]
        return VideoCounts(
            torch.stack([one.double() for one in sums]),
            square.view(self.classes, self.classes).double(),
        )

    def mistakes(self, outputs: Outputs, batch: Batch) -> Mistakes:
        """The videos of one batch that were most confidently taken for others."""
        scores, first = _videos(outputs[OUTPUT], batch.rows)
        labels, rows = _labels(batch)[first], batch.rows[first]
        right = _hit(scores, labels, 1)
        return Mistakes.among(scores, labels[:, 0], right, rows, torch.zeros_like(rows))

    def draw_mistakes(self, mistakes: Sequence[Mistake], held_out: HeldOut) -> Picture:
        """Film strips of the videos."""
        return draw_classes(mistakes, held_out)


def _labels(batch: Batch) -> Tensor:
    """(N, most) int64 labels, filled up with −1; one column where samples have one."""
    return batch.tensors.get("all_labels", batch.labels[:, None])


def _videos(logits: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The videos' mean softmax (videos, classes), and the index of a clip of each."""
    videos, which, clips = torch.unique(rows, return_inverse=True, return_counts=True)
    scores = logits.new_zeros((len(videos), logits.shape[1]), dtype=torch.float64)
    scores.index_add_(0, which, logits.double().softmax(1))
    first = torch.full_like(videos, len(rows))
    first.scatter_reduce_(0, which, torch.arange(len(rows), device=rows.device), "amin")
    return scores / clips[:, None], first


def _hit(scores: Tensor, labels: Tensor, k: int) -> Tensor:
    """(N,) bool: whether any true label is among the k most likely classes."""
    best = scores.topk(k, dim=1).indices
    return (best[:, :, None] == labels[:, None, :]).flatten(1).any(1)
