"""Negative sampling over windows of words, a block at a time: loss and gradients.

Mikolov, Chen, Corrado, Dean, "Efficient estimation of word representations in vector space", 2013,
and Mikolov, Sutskever, Chen, Corrado, Dean, "Distributed representations of words and phrases and
their compositionality", NIPS 2013, equation 4, as recalled: for a vector x that predicts a word
with the vector u, −log σ(u·x) − k·E[log σ(−u'·x)], u' drawn from the noise.

word2vec takes the words of each pair by themselves. Here a block of centre words is one product of
matrices with what is around it and with the negatives that it shares; each negative is weighed by
the draws that it stands for. The gradients are written out: those of the few rows that a batch uses
are never spread over the table.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

NONE = 0
"""The id of no word."""

Method = Literal["skip_gram", "cbow"]


@dataclass(frozen=True)
class WordBlocks:
    """Blocks of centre words, the words around them, and negatives; ids are whole numbers.

    Attributes:
        centres: (n, blocks, b), `NONE` where there is no word.
        contexts: (n, blocks, w + b + w), the same words with w more on either side.
        reach: (n, blocks, b) how far off a neighbour may be, at most w.
        negatives: (n, blocks, drawn).
    """

    centres: Tensor
    contexts: Tensor
    reach: Tensor
    negatives: Tensor

    def used(self) -> "WordBlocks":
        """The blocks that have a word, (blocks, …)."""
        there = self.centres[:, :, 0] != NONE
        parts = (self.centres, self.contexts, self.reach, self.negatives)
        return WordBlocks(*(one[there] for one in parts))


def window_loss(
    inputs: Tensor, outputs: Tensor, blocks: WordBlocks, method: Method, k: int, sparse: bool
) -> Tensor:
    """() the loss, summed over all centre words.

    In skip-gram each centre predicts each of its neighbours; in CBOW their mean predicts it, and as
    in word2vec's own code the error of the mean goes to each of its words undivided.

    Args:
        inputs: (words, dim) vectors of words as they predict.
        outputs: (words, dim) vectors of words as they are predicted.
        blocks: the words.
        method: who predicts whom.
        k: negatives of each prediction; one that is the word predicted itself is left out.
        sparse: whether gradients are sparse: of the rows that were used alone.
    """
    loss: Tensor = _WindowLoss.apply(inputs, outputs, blocks, method, k, sparse)  # type: ignore[no-untyped-call]
    return loss


class _Rows(NamedTuple):
    """Gradients of some rows of a table; of a row that comes several times their sum is meant."""

    ids: Tensor
    values: Tensor

    def of(self, table: Tensor, factor: Tensor, sparse: bool) -> Tensor:
        ids, values = self.ids.flatten(), self.values.flatten(0, -2) * factor
        if sparse:
            size = list(table.shape)
            return torch.sparse_coo_tensor(ids[None].long(), values, size, check_invariants=False)
        return torch.zeros_like(table).index_add_(0, ids, values)


class _WindowLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        outputs: Tensor,
        blocks: WordBlocks,
        method: Method,
        k: int,
        sparse: bool,
    ) -> Tensor:
        with _own_precision(inputs.device.type):
            loss, *rows = _loss_and_rows(inputs, outputs, blocks.used(), method, k)
        ctx.save_for_backward(inputs, outputs, *rows[0], *rows[1])
        ctx.sparse = sparse
        return loss

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs, outputs, *rows = ctx.saved_tensors
        into, out = _Rows(*rows[:2]), _Rows(*rows[2:])
        (factor,) = gradients
        into_rows = into.of(inputs, factor, ctx.sparse)
        return into_rows, out.of(outputs, factor, ctx.sparse), None, None, None, None


def _loss_and_rows(
    inputs: Tensor, outputs: Tensor, blocks: WordBlocks, method: Method, k: int
) -> tuple[Tensor, _Rows, _Rows]:
    pairs = neighbours(blocks, inputs.dtype)
    if method == "skip_gram":
        predicting, predicted, near = F.embedding(blocks.centres, inputs), blocks.contexts, pairs
    else:
        counts = pairs.sum(2, keepdim=True)
        predicting = (pairs @ F.embedding(blocks.contexts, inputs)) / counts.clamp(min=1)
        predicted, near = blocks.centres, torch.diag_embed((counts[..., 0] > 0).to(inputs.dtype))
    ids = torch.cat([predicted, blocks.negatives], 1)
    loss, slopes_in, slopes_out = _predict(
        predicting, F.embedding(ids, outputs), near, _against(predicted, blocks.negatives, near, k)
    )
    if method == "skip_gram":
        return loss, _Rows(blocks.centres, slopes_in), _Rows(ids, slopes_out)
    shared = pairs.transpose(1, 2) @ slopes_in
    return loss, _Rows(blocks.contexts, shared), _Rows(ids, slopes_out)


def neighbours(blocks: WordBlocks, dtype: torch.dtype) -> Tensor:
    """(blocks, b, w + b + w): 1 where a word around is a neighbour of a centre, else 0."""
    size, around = blocks.centres.shape[1], blocks.contexts.shape[1]
    device, most = blocks.centres.device, (around - size) // 2
    centres = torch.arange(size, device=device)
    away = (torch.arange(around, device=device) - most - centres[:, None]).abs()
    reaches = torch.arange(most + 1, device=device)[:, None, None]
    near = ((away > 0) & (away <= reaches)).to(dtype)  # for each reach, centre and word around
    found = F.embedding(blocks.reach.long() * size + centres, near.flatten(0, 1))
    return found.mul_((blocks.contexts != NONE).unsqueeze(1))


def _against(predicted: Tensor, negatives: Tensor, near: Tensor, k: int) -> Tensor:
    """(blocks, b, drawn): draws that each negative stands for, against each that predicts."""
    other = (predicted.unsqueeze(2) != negatives.unsqueeze(1)).to(near.dtype)
    return (near @ other).mul_(k / negatives.shape[1])


def _predict(
    predicting: Tensor, vectors: Tensor, near: Tensor, against: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss, and its slopes by the vectors that predict and by those that are predicted.

    Args:
        predicting: (blocks, b, dim).
        vectors: (blocks, m + drawn, dim) of the words predicted, then of the negatives.
        near: (blocks, b, m) weights of the predictions.
        against: (blocks, b, drawn) weights of the negatives.
    """
    scores = predicting @ vectors.transpose(1, 2)
    scores[..., near.shape[2] :].neg_()  # a negative is right to be told from
    weights = torch.cat([near, against], 2)
    right = scores.sigmoid_()
    least = torch.finfo(right.dtype).tiny
    loss = -(right.clamp(min=least).log_().mul_(weights)).sum()
    slopes = right.sub_(1).mul_(weights)
    slopes[..., near.shape[2] :].neg_()
    return loss, slopes @ vectors, slopes.transpose(1, 2) @ predicting


def _own_precision(device: str) -> AbstractContextManager[object]:
    """Keeps autocast out: what is small here is added up to what matters."""
    return nullcontext() if device == "meta" else torch.autocast(device, enabled=False)
