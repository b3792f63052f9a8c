"""Beam search: the likeliest translations of a batch of sentences.

Word by word, the best partial translations of each sentence are kept, all of one length; one to
which the end mark is added leaves the beam, which is narrower by one from then on (Sutskever,
Vinyals, Le, NIPS 2014, section 3.2, as recalled). A beam of one is the greedy choice.

A sentence has the same translations in whatever batch it comes. Kernels add up in another order for
another number of rows; so a network in float64 is to be asked, and the logarithms of its
probabilities are rounded to multiples of 2⁻³⁰. What differs by the order of sums alone is equal
then, sums of such numbers are exact, and of equals the first one wins.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from striate.core.errors import UsageError
from striate.models.seq2seq import BEGIN, END, PAD, Seq2SeqLstm

BEAM = 12
MOST_BEAM = 64
LENGTH_PENALTY = 1.0
_RATIO, _EXTRA = 2, 10
_STEPS_IN_ONE = float(2**30)


@dataclass(frozen=True)
class Candidate:
    """A translation.

    Attributes:
        words: ids, without marks.
        score: natural logarithm of its probability, that of the end mark included.
        complete: whether the network ended it; else it was cut at the greatest length.
    """

    words: tuple[int, ...]
    score: float
    complete: bool

    def rank(self, length_penalty: float) -> tuple[bool, float]:
        """What translations are ordered by, larger is better: the score over length^penalty."""
        return self.complete, self.score / (len(self.words) + self.complete) ** length_penalty


@dataclass(frozen=True)
class SentenceSearch:
    """A network and how it is searched; several threads may use one.

    Attributes:
        network: in evaluation mode, and in float64 if batches shall not matter.
        beam: partial translations kept of each sentence.
        length_penalty: power of a translation's length by which its score is divided before it is
            compared: 0 likes short ones, 1 compares means over the words.

    Raises:
        UsageError: a number makes no sense.
    """

    network: Seq2SeqLstm
    beam: int = BEAM
    length_penalty: float = LENGTH_PENALTY

    def __post_init__(self) -> None:
        if not 1 <= self.beam <= MOST_BEAM:
            raise UsageError(
                f"A beam of {self.beam} cannot be searched with.", f"Give 1 to {MOST_BEAM}."
            )
        if not 0 <= self.length_penalty <= 10:
            raise UsageError(
                f"A length penalty of {self.length_penalty} cannot be meant.", "Give 0 to 10."
            )

    @torch.inference_mode()
    def translate(self, source: Tensor) -> list[list[Candidate]]:
        """The translations found of each sentence, at most `beam`, the best first.

        None is longer than twice its source and ten words more, nor of no words.

        Args:
            source: (n, S) ids, 0 where there is no word; in any row at least one word.
        """
        found: list[list[Candidate]] = [[] for _ in source]
        limits = _RATIO * (source != PAD).sum(1) + _EXTRA
        partial = _Partial.begin(self.network.forward_features(source))
        length = 0
        while len(partial.sentences):
            length += 1
            widths = torch.tensor([self.beam - len(one) for one in found], device=source.device)
            partial = self._grow(partial, widths)
            done = (partial.words[:, -1] == END) | (limits[partial.sentences] == length)
            for sentence, candidate in partial.only(done).candidates():
                found[sentence].append(candidate)
            partial = partial.only(~done)
        return [
            sorted(some, key=lambda one: one.rank(self.length_penalty), reverse=True)
            for some in found
        ]

    def _grow(self, partial: "_Partial", widths: Tensor) -> "_Partial":
        """The best partial translations that are longer by one word, (n,) `widths` of each."""
        logits, code = self.network.write(partial.words[:, -1:], partial.code)
        log_p = _rounded(logits[:, 0])
        log_p[:, [PAD, BEGIN]] = -torch.inf
        if partial.words.shape[1] == 1:
            log_p[:, END] = -torch.inf
        best, words = log_p.topk(min(self.beam, log_p.shape[1]), 1)
        scores = partial.scores[:, None] + best
        rows, columns = take_best(scores, partial.sentences, widths)
        return partial.follow(rows, words[rows, columns], scores[rows, columns], code)


@dataclass(frozen=True)
class _Partial:
    """Partial translations, those of a sentence one after the other.

    Attributes:
        sentences: (R,) which sentence each is of, rising.
        scores: (R,) float64.
        words: (R, 1 + length) ids, `BEGIN` first.
        code: (R, 2 · layers, dim) the network's state after all but the last word.
    """

    sentences: Tensor
    scores: Tensor
    words: Tensor
    code: Tensor

    @classmethod
    def begin(cls, code: Tensor) -> Self:
        """Of each sentence one, without a word."""
        sentences = torch.arange(len(code), device=code.device)
        scores = torch.zeros(len(code), dtype=torch.float64, device=code.device)
        return cls(sentences, scores, torch.full_like(sentences, BEGIN)[:, None], code)

    def follow(self, rows: Tensor, words: Tensor, scores: Tensor, code: Tensor) -> Self:
        """(m,) of the rows, longer by (m,) words."""
        longer = torch.cat([self.words[rows], words[:, None]], 1)
        return type(self)(self.sentences[rows], scores, longer, code[rows])

    def only(self, chosen: Tensor) -> Self:
        """Some of the rows, (R,) bool."""
        kept = (self.sentences, self.scores, self.words, self.code)
        return type(self)(*(one[chosen] for one in kept))

    def candidates(self) -> list[tuple[int, Candidate]]:
        """All rows as translations, each with its sentence."""
        rows = zip(*(x.tolist() for x in (self.sentences, self.words, self.scores)), strict=True)
        return [(sentence, _candidate(words[1:], score)) for sentence, words, score in rows]


def take_best(scores: Tensor, sentences: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
    """The best continuations of each sentence.

    Args:
        scores: (R, k), of the continuations of each row.
        sentences: (R,) which sentence a row is of, rising.
        widths: (n,) how many to take of each sentence.

    Returns:
        Rows and columns, by sentence and then by score; of equals the first ones are taken.
    """
    first = torch.searchsorted(sentences, torch.arange(len(widths), device=scores.device))
    slots = torch.arange(len(sentences), device=scores.device) - first[sentences]
    columns = scores.shape[1]
    table = scores.new_full((len(widths), int(slots.max()) + 1, columns), -torch.inf)
    table[sentences, slots] = scores
    ranked = table.flatten(1).sort(dim=1, descending=True, stable=True)
    ranks = torch.arange(ranked.values.shape[1], device=scores.device)
    taken = (ranks < widths[:, None]) & (ranked.values > -torch.inf)
    owners, at = taken.nonzero(as_tuple=True)
    places = ranked.indices[owners, at]
    return first[owners] + places // columns, places % columns


def _candidate(words: list[int], score: float) -> Candidate:
    complete = words[-1] == END
    return Candidate(tuple(words[:-1] if complete else words), score, complete)


def _rounded(logits: Tensor) -> Tensor:
    """(R, words) log-probabilities in float64, multiples of 2⁻³⁰."""
    log_p = logits.double().log_softmax(1)
    return log_p.mul_(_STEPS_IN_ONE).round_().div_(_STEPS_IN_ONE)
