"""One LSTM reads a sentence, and another writes its translation.

Sutskever, Vinyals, Le, "Sequence to sequence learning with neural networks", NIPS 2014, as
recalled. The reader's last state, the outputs and cells of all layers, is all that the writer is
given: 8 vectors of 1000 numbers. The source is read from its last word to its first, which the
paper found to help: the first words of both sentences then stand near each other.

At the paper's sizes, 160,000 and 80,000 words, 1000 cells and 4 layers, there are exactly
384,000,000 parameters, as the paper counts: 160 and 80 million of the words' vectors, 80 million
of the output, and 64 million of the layers, 8 · 4 · 1000 · 2000, none of them biases. The initial
weights are the paper's at 1000 cells, uniform within ±0.08; with other numbers of cells within
±0.08 · √(1000 / cells), with which signals keep their size from layer to layer.
"""

import math

import torch
from torch import Tensor, nn

from striate.core.numbers import BelowOne, Classes, Maps
from striate.models.layers.lstm_stack import LstmStack

PAD, UNKNOWN, BEGIN, END = range(4)
"""Ids of what is no word, as `striate.data.transforms.text.tokenizer` has them."""

_INIT, _INIT_DIM = 0.08, 1000
_LEAST_WORDS = 4
_EXAMPLE = 32  # words of the source that `input_shape` tells; it may be any number


class Seq2SeqLstm(nn.Module):
    """From the words of a sentence, and those of its translation so far, to the next word.

    Args:
        source_words: the source's vocabulary, the ids that are no words among it.
        classes: the target's.
        dim: of the words' vectors, and cells of a layer.
        layers: of the reader, and of the writer.
        reverse: whether the source is read from its end.
        dropout: probability that a unit is dropped in training, between layers; the paper has none.
    """

    def __init__(
        self,
        source_words: Classes = 160_000,
        classes: Classes = 80_000,
        dim: Maps = 1000,
        layers: Maps = 4,
        reverse: bool = True,
        dropout: BelowOne = 0.0,
    ) -> None:
        super().__init__()
        if min(source_words, classes) < _LEAST_WORDS:
            raise ValueError(f"a vocabulary has at least {_LEAST_WORDS} ids")
        self.input_shape = (_EXAMPLE,)
        self.classes = classes
        self.vocabularies = {"source": source_words, "target": classes}
        self.reverse = reverse
        self.source = nn.Embedding(source_words, dim, padding_idx=PAD)
        self.reader = LstmStack(dim, layers, dropout)
        self.target = nn.Embedding(classes, dim, padding_idx=PAD)
        self.writer = LstmStack(dim, layers, dropout, salt=layers + 1)
        self.head = nn.Linear(dim, classes, bias=False)
        self._begin(_INIT * math.sqrt(_INIT_DIM / dim))

    @torch.no_grad()
    def _begin(self, bound: float) -> None:
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)
        for words in (self.source, self.target):
            words.weight[PAD] = 0

    def forward_features(self, source: Tensor) -> Tensor:
        """(n, S) ids, 0 where there is no word → (n, 2 · layers, dim) the sentence's code."""
        ids = known(source, self.vocabularies["source"])
        if self.reverse:
            ids = ids.flip(1)
        nothing_first = (ids != PAD).long().argsort(dim=1, stable=True)
        _, code = self.reader(self.source(ids.gather(1, nothing_first)))
        return code  # type: ignore[no-any-return]

    def forward_head(self, code: Tensor) -> Tensor:
        """A sentence's code → (n, classes) logits of the first word."""
        begin = torch.full((code.shape[0], 1), BEGIN, device=code.device)
        return self.write(begin, code)[0][:, 0]

    def write(self, target: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        """Read on in the translation.

        Args:
            target: (n, T) ids of its words so far, or of those after the ones that `code` knows;
                the very first is `BEGIN`.
            code: (n, 2 · layers, dim), the sentence's, or what this gave before.

        Returns:
            (n, T, classes) logits of the word after each, and the code after the last one.
        """
        units, after = self.writer(self.target(known(target, self.classes)), code)
        return self.head(units), after

    def forward(self, source: Tensor, target: Tensor | None = None) -> Tensor:
        """(n, S) and (n, T) ids, from `BEGIN` on → (n, T, classes) logits of the word after each.

        Without a target: (n, classes) logits of the first word.
        """
        code = self.forward_features(source)
        return self.forward_head(code) if target is None else self.write(target, code)[0]


def known(ids: Tensor, words: int) -> Tensor:
    """Ids as int64; one that a vocabulary of so many words does not have is `UNKNOWN`."""
    ids = ids.long()
    return torch.where((ids < 0) | (ids >= words), UNKNOWN, ids)
