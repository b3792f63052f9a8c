"""Sentences and their translations: the true words are given, and the next one is to be told.

What is made small is −ln p(T | S), summed over the words of a translation T and its end mark, and
averaged over the sentences of a batch (Sutskever, Vinyals, Le, NIPS 2014, equation 1, as recalled).
So each word counts alike, as in the perplexity, and rates and limits of the gradient's norm are the
paper's.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.bundle import DimensionSpec, TensorSpec
from striate.data.stream.batch import Batch
from striate.train.config import TaskConfig
from striate.train.run.mistake import Mistake
from striate.train.tasks.drawings import HeldOut, Picture
from striate.train.tasks.mistakes import Mistakes, candidates
from striate.train.tasks.outputs import OUTPUT, Network, Outputs, name_outputs
from striate.train.tasks.signature import Signature
from striate.train.tasks.translation_counts import TranslationCounts
from striate.train.tasks.translation_drawings import draw_translations, encode_ids

SOURCE, TARGET, SCORES = "source", "target", "scores"
_MASK = "target_mask"
_MOST_WORDS = 4096


class Translations:
    """Loss and counts of a network that gives a logit for each word that may come next."""

    headline = "token_likelihood"
    unit = "sentences"
    by_row = False
    per_label = False

    def __init__(self, config: TaskConfig, classes: int) -> None:
        del classes  # the corpus's, which has none
        self.label_smoothing = config.label_smoothing

    def compute(self, network: Network, batch: Batch) -> Outputs:
        """(n, T − 1, words) logits of what comes after each word of (n, T) translations."""
        source, target = batch.tensors[SOURCE], batch.tensors[TARGET]
        return name_outputs(network(source, target[:, :-1]))

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """−ln p of the translations, summed over their words and the sentences."""
        logits, wanted = _told(outputs, batch)
        return F.cross_entropy(
            logits, wanted, reduction="sum", label_smoothing=self.label_smoothing
        )

    def predict(self, network: Network, batch: Batch) -> Outputs:
        """As `compute`."""
        return self.compute(network, batch)

    def zero(self, device: torch.device) -> TranslationCounts:
        return TranslationCounts.unpack(torch.zeros(4, dtype=torch.float64, device=device))

    def unpack(self, packed: Tensor, device: torch.device) -> TranslationCounts:
        return TranslationCounts.unpack(packed.to(device))

    def count(self, outputs: Outputs, batch: Batch) -> TranslationCounts:
        """Counts of one batch of sentences."""
        logits, wanted = _told(outputs, batch)
        losses = F.cross_entropy(logits, wanted, reduction="none").double()
        return TranslationCounts(
            sentences=losses.new_tensor(batch.size),
            tokens=losses.new_tensor(len(wanted)),
            right=(logits.argmax(1) == wanted).sum().double(),
            loss=losses.sum(),
        )

    def mistakes(self, outputs: Outputs, batch: Batch) -> Mistakes:
        """The sentences whose true words surprise the most, by −ln p a word.

        A mistake names the word that surprises most and what was expected there; its evidence are
        the likeliest words after the true ones.
        """
        logits, wanted = outputs[OUTPUT], batch.tensors[TARGET][:, 1:]
        mask = batch.tensors[_MASK][:, 1:]
        losses = F.cross_entropy(logits.transpose(1, 2), wanted, reduction="none").double() * mask
        means = losses.sum(1) / mask.sum(1)
        expected = logits.argmax(2)
        some = ((expected != wanted) & mask).any(1).nonzero()[:, 0]
        chosen = some[candidates(means[some])]
        worst = losses[chosen].argmax(1)
        columns = (
            batch.rows[chosen],
            wanted[chosen, worst],
            expected[chosen, worst],
            means[chosen],
        )
        guesses = [encode_ids(expected[at][mask[at]]) for at in chosen.tolist()]
        found = [
            Mistake(row, 0, true, guess, mean, words)
            for row, true, guess, mean, words in zip(
                *(x.tolist() for x in columns), guesses, strict=True
            )
        ]
        return Mistakes.of(found)

    def draw_mistakes(self, mistakes: Sequence[Mistake], held_out: HeldOut) -> Picture:
        """The sentences, their translations, and what was expected word by word."""
        return draw_translations(mistakes, held_out, SOURCE, TARGET)

    def signature(self, model: nn.Module, taken: TensorSpec, labels: tuple[str, ...]) -> Signature:
        """Ids of a sentence and of the beginning of its translation to logits of the next words."""
        ids = taken.model_copy(update={"dtype": "int64"})
        inputs = {
            SOURCE: ids.model_copy(update={"shape": ("source_words",)}),
            TARGET: ids.model_copy(update={"shape": ("target_words",)}),
        }
        words = int(model.classes)  # type: ignore[arg-type]
        scores = TensorSpec(
            dtype="float32", shape=("target_words", words), layout="TC", units="logit"
        )
        sizes = DimensionSpec(most=_MOST_WORDS)
        return Signature(
            inputs, {SCORES: scores}, dimensions={"source_words": sizes, "target_words": sizes}
        )


def _told(outputs: Outputs, batch: Batch) -> tuple[Tensor, Tensor]:
    """(words, vocabulary) logits and (words,) ids of all that is no padding."""
    mask = batch.tensors[_MASK][:, 1:]
    return outputs[OUTPUT][mask], batch.tensors[TARGET][:, 1:][mask]
