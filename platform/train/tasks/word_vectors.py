"""The task ``embeddings``: vectors of words, learnt from neighbours and asked for analogies.

The loss of a text is word2vec's (`striate.models.layers.word_windows`), summed over its words. It
is a sum and no mean, so that a rate of 0.025 for each prediction is `optimizer.lr` of 0.025 times
the batch size.

Analogies follow word2vec's protocol: 3CosAdd over the most frequent words, the three that are given
left out by their numbers; a question with a word outside of these is skipped and counted.
"""

from collections.abc import Sequence

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from striate.core.bundle import DimensionSpec, TensorSpec
from striate.data.pipelines.base import NeedsShards
from striate.data.pipelines.words import ANALOGY, CANDIDATES, FILE, WINDOW_TENSORS
from striate.data.show.contact_sheet import stack
from striate.data.show.text_page import text_page
from striate.data.stream.batch import Batch
from striate.data.transforms.text.tokenizer import SPECIAL, Tokenizer
from striate.models.evaluation.word_vectors import (
    NOT_AN_ANSWER,
    analogy_vectors,
    similarities,
    unit_vectors,
)
from striate.models.layers.word_windows import WordBlocks
from striate.train.config import TaskConfig
from striate.train.run.mistake import Mistake
from striate.train.tasks.analogy_counts import ACCURACY, AnalogyCounts
from striate.train.tasks.arguments import check_task_arguments
from striate.train.tasks.drawings import HeldOut, Picture
from striate.train.tasks.mistakes import Mistakes
from striate.train.tasks.outputs import Network, Outputs, name_outputs
from striate.train.tasks.signature import Signature

EMBEDDING, TOKENS, LENGTH = "embedding", "tokens", "length"
ANSWER, SCORE = "answer", "score"
MOST_TOKENS = 4096
"""Words of a text that a served network takes."""


class EmbeddingArguments(BaseModel):
    """Of the task ``embeddings``.

    Attributes:
        negatives: k, words of the noise for each pair of neighbours.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    negatives: int = Field(default=5, ge=1, le=256)


class WordVectors:
    """Loss and counts of a network of word vectors."""

    headline = ACCURACY
    unit = "questions"
    by_row = False
    per_label = False

    def __init__(self, config: TaskConfig, classes: int) -> None:
        self.config, self.classes = config, classes
        self.negatives = check_task_arguments(EmbeddingArguments, config).negatives
        self.labels: tuple[str, ...] = ()

    def with_labels(self, labels: tuple[str, ...]) -> "WordVectors":
        """The same, which tells the accuracy of each section."""
        named = WordVectors(self.config, len(labels))
        named.labels = labels
        return named

    def compute(self, network: Network, batch: Batch) -> Outputs:
        """() the loss of all words of the batch; see `window_loss`."""
        blocks = WordBlocks(*(batch.tensors[name] for name in WINDOW_TENSORS))
        return name_outputs(network(blocks.centres, blocks, self.negatives))

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """The sum over the batch."""
        return outputs["loss"]

    def predict(self, network: Network, batch: Batch) -> Outputs:
        """(n,) ``answer`` and its cosine, ``score``; of questions that are skipped anything."""
        vectors = unit_vectors(network.inputs.weight)  # type: ignore[attr-defined]
        candidates = int(batch.tensors[CANDIDATES][0])
        asked = batch.tensors[ANALOGY].clamp(min=0)
        a, b, c, _ = asked.unbind(1)
        queries = analogy_vectors(vectors, a, b, c)
        found = similarities(vectors[:candidates], queries, asked[:, :3], len(SPECIAL))
        score, answer = found.max(1)
        return {ANSWER: answer, SCORE: score}

    def zero(self, device: torch.device) -> AnalogyCounts:
        return AnalogyCounts.zero(self.classes, device, self.labels)

    def unpack(self, packed: Tensor, device: torch.device) -> AnalogyCounts:
        return AnalogyCounts.unpack(packed.to(device), self.classes, self.labels)

    def count(self, outputs: Outputs, batch: Batch) -> AnalogyCounts:
        """Counts of one batch of questions."""
        asked = batch.tensors[ANALOGY]
        known, right = (asked >= 0).all(1), outputs[ANSWER] == asked[:, 3]
        return AnalogyCounts.of(batch.labels, known, right, self.classes, self.labels)

    def signature(self, model: nn.Module, taken: TensorSpec, labels: tuple[str, ...]) -> Signature:
        """Words as their numbers to the mean of their vectors."""
        dim = int(model.inputs.embedding_dim)  # type: ignore[union-attr, arg-type]
        tokens = taken.model_copy(update={"dtype": "int64", "shape": (LENGTH,)})
        vector = TensorSpec(dtype="float32", shape=(dim,), layout="C", units="embedding")
        sizes = {LENGTH: DimensionSpec(most=MOST_TOKENS)}
        return Signature({TOKENS: tokens}, {EMBEDDING: vector}, dimensions=sizes)

    def mistakes(self, outputs: Outputs, batch: Batch) -> Mistakes:
        """The wrong answers of one batch with the largest cosines; words by their numbers."""
        asked = batch.tensors[ANALOGY]
        wrong = (asked >= 0).all(1) & (outputs[ANSWER] != asked[:, 3])
        wrong &= outputs[SCORE] > NOT_AN_ANSWER
        columns = (batch.rows, batch.units, asked[:, 3], outputs[ANSWER])
        integers = [column[wrong].tolist() for column in columns]
        scores = outputs[SCORE][wrong].tolist()
        return Mistakes.of([Mistake(*one) for one in zip(*integers, scores, strict=True)])

    def draw_mistakes(self, mistakes: Sequence[Mistake], held_out: HeldOut) -> Picture | None:
        """The questions, with the answers given."""
        if not isinstance(held_out.pipeline, NeedsShards):
            return None
        words = Tokenizer(held_out.pipeline.assets[FILE]).words
        rows = [(one, held_out.row(one.row)) for one in mistakes]
        pages = [
            (
                f"is {words[one.true]}, taken for {words[one.predicted]}  {one.score:.2f}",
                text_page(row.shard.payload(row.at)),
            )
            for one, row in rows
        ]
        return stack(held_out.title, pages)
