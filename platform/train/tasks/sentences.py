"""The task ``sentences``: one label a sentence, or any other short text."""

from torch import nn

from striate.core.bundle import DimensionSpec, TensorSpec
from striate.data.stream.batch import Batch
from striate.train.config import TaskConfig
from striate.train.tasks.classification import Classification
from striate.train.tasks.outputs import OUTPUT, Network, Outputs
from striate.train.tasks.signature import Signature

TOKENS, LENGTH, SCORES, EMBEDDING = "tokens", "length", "scores", "embedding"
MOST_TOKENS = 4096
"""Tokens of a text that a served network takes."""


class Sentences(Classification):
    """Loss and counts of a classifier of token sequences that also gives what it judges by."""

    unit = "sentences"

    def __init__(self, config: TaskConfig, classes: int) -> None:
        super().__init__(config.model_copy(update={"loss": "cross_entropy"}), classes)

    def compute(self, network: Network, batch: Batch) -> Outputs:
        """(N, classes) logits."""
        return {OUTPUT: super().compute(network, batch)[SCORES]}

    def predict(self, network: Network, batch: Batch) -> Outputs:
        """(N, classes) logits."""
        return self.compute(network, batch)

    def signature(self, model: nn.Module, taken: TensorSpec, labels: tuple[str, ...]) -> Signature:
        """Words as their numbers to a logit for each class, and a vector of the sentence."""
        size = int(model.output.in_features)  # type: ignore[union-attr, arg-type]
        tokens = taken.model_copy(update={"dtype": "int64", "shape": (LENGTH,)})
        outputs = {
            SCORES: TensorSpec(dtype="float32", shape=(len(labels),), layout="C", units="logit"),
            EMBEDDING: TensorSpec(dtype="float32", shape=(size,), layout="C", units="embedding"),
        }
        sizes = {LENGTH: DimensionSpec(most=MOST_TOKENS)}
        return Signature({TOKENS: tokens}, outputs, labels, sizes)
