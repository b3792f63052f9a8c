"""Answers to questions about stories, each one word of the vocabulary: cross-entropy."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.bundle import DimensionSpec, TensorSpec
from striate.data.stream.batch import Batch
from striate.data.transforms.text.stories import SPARE, VOCABULARY_FILE
from striate.train.config import Location, TaskConfig
from striate.train.run.mistake import Mistake
from striate.train.tasks.counts import Counts
from striate.train.tasks.drawings import HeldOut, Picture, draw_classes
from striate.train.tasks.mistakes import Mistakes
from striate.train.tasks.outputs import OUTPUT, Network, Outputs, name_outputs
from striate.train.tasks.signature import Signature
from striate.train.tasks.temperature import temperature_asset

STORY, ANSWERS = "story", "answers"
NAMES = ("answer_accuracy", "answer_top5")
CALIBRATION_SPLIT = "valid"


class Answers:
    """Loss and counts of a network that gives each place of the vocabulary a logit."""

    headline = NAMES[0]
    unit = "questions"
    by_row = False
    per_label = True

    def __init__(self, config: TaskConfig, classes: int) -> None:
        self.config = config
        self.classes = classes

    def compute(self, network: Network, batch: Batch) -> Outputs:
        """(n, classes) logits."""
        return name_outputs(network(batch.inputs))

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Cross-entropy of the answers, summed over the questions."""
        return F.cross_entropy(
            outputs[OUTPUT],
            batch.labels,
            reduction="sum",
            label_smoothing=self.config.label_smoothing,
        )

    def predict(self, network: Network, batch: Batch) -> Outputs:
        """As `compute`."""
        return self.compute(network, batch)

    def zero(self, device: torch.device) -> Counts:
        return Counts.zero(self.classes, device, NAMES)

    def unpack(self, packed: Tensor, device: torch.device) -> Counts:
        return Counts.unpack(packed.to(device), self.classes, NAMES)

    def count(self, outputs: Outputs, batch: Batch) -> Counts:
        """Counts of one batch of questions."""
        return Counts.of(outputs[OUTPUT], batch.labels, self.loss(outputs, batch), NAMES)

    def signature(self, model: nn.Module, taken: TensorSpec, labels: tuple[str, ...]) -> Signature:
        """A story as word numbers to a logit for each place of the vocabulary."""
        return story_signature(taken, {ANSWERS: answers_spec(labels, "logit")})

    def mistakes(self, outputs: Outputs, batch: Batch) -> Mistakes:
        """The most confident wrong answers of one batch."""
        labels, probabilities = batch.labels, outputs[OUTPUT].softmax(1)
        right = probabilities.argmax(1) == labels
        return Mistakes.among(probabilities, labels, right, batch.rows, batch.units)

    def draw_mistakes(self, mistakes: Sequence[Mistake], held_out: HeldOut) -> Picture:
        """The stories with their questions, and what was answered."""
        return draw_classes(mistakes, held_out)

    @property
    def calibration_split(self) -> str:
        """Questions that the network has not learnt from."""
        return CALIBRATION_SPLIT

    def calibrate(
        self, network: Network, batches: Iterable[Batch], split: str
    ) -> Mapping[str, str | Path]:
        """How sure an answer is: the temperature of the scores, as `TEMPERATURE_FILE`."""
        answered = ((self.predict(network, one)[OUTPUT], one.labels) for one in batches)
        return temperature_asset(answered, split)

    def gather_assets(
        self, shards: Location, split: str, labels: tuple[str, ...]
    ) -> Mapping[str, str]:
        """The vocabulary without its spare places, a word a line, as `VOCABULARY_FILE`."""
        return {VOCABULARY_FILE: "".join(f"{word}\n" for word in labels[: len(labels) - SPARE])}


def story_signature(taken: TensorSpec, outputs: Mapping[str, TensorSpec]) -> Signature:
    """Of a network of stories: it takes whole numbers, of stories of any length."""
    story = taken.model_copy(update={"dtype": "int64", "shape": ("lines", "words")})
    sizes = {"lines": DimensionSpec(least=2, most=4096), "words": DimensionSpec(most=256)}
    return Signature({STORY: story}, outputs, dimensions=sizes)


def answers_spec(labels: tuple[str, ...], units: str) -> TensorSpec:
    """What a network of stories gives: a number for each place of the vocabulary."""
    return TensorSpec(dtype="float32", shape=(len(labels),), layout="C", units=units)
