"""Translation: texts in, texts out, each the same alone and in any batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from striate.core.bundle import Bundle
from striate.core.errors import BundleError, PayloadTooLarge
from striate.core.validation import check_arguments
from striate.data.pipelines.texts import FILE, SequenceSpec, TextArguments
from striate.data.transforms.text.clean import clean_text
from striate.data.transforms.text.markup import split_markup
from striate.data.transforms.text.tokenizer import PAD, UNKNOWN, Tokenizer
from striate.models import build_from
from striate.models.seq2seq import Seq2SeqLstm
from striate.models.translation.beam_search import BEAM, LENGTH_PENALTY, Candidate, SentenceSearch

MOST_TOKENS = 1024
"""Words, pieces of words and tags of the longest text that is translated."""
CHUNK = 32
"""Sentences that are computed together."""

_SOURCE, _TARGET = "source", "target"


@dataclass(frozen=True)
class Translation:
    """A text in the other language.

    Attributes:
        text: the translation; empty for a text without words.
        score: natural logarithm of the probability that the network gives to it; 0 where there
            was nothing to translate.
        complete: whether it ends where the network ended it; else it was cut, at twice the
            source's length and ten words more.
    """

    text: str
    score: float
    complete: bool = True


@dataclass(frozen=True)
class _Part:
    """A stretch of a text between tags.

    Attributes:
        lead, trail: the blanks around it; of what is not translated, `lead` is all of it.
        ids: what the network reads; none where it is not translated.
        unknown: its words that are not in the vocabulary, in order.
    """

    lead: str
    trail: str = ""
    ids: tuple[int, ...] = ()
    unknown: tuple[str, ...] = ()


class Translator:
    """A bundle of the task ``translation``, with its vocabularies.

    Args:
        network: in evaluation mode. It is changed to float64, in which a text has the same
            translation in whatever batch it is computed.
        source: how texts become what the network reads.
        tokenizers: of the source and of the target.
        device: a torch device.
    """

    def __init__(
        self,
        network: Seq2SeqLstm,
        source: SequenceSpec,
        tokenizers: tuple[Tokenizer, Tokenizer],
        device: str = "cpu",
    ) -> None:
        self._network = network.double().to(device).eval()
        self._spec = source
        self._source, self._target = tokenizers
        self._device = device

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> Self:
        """Build the bundle's network on a torch device.

        Raises:
            BundleError: it does not translate, or its weights or vocabularies cannot be used.
        """
        network, pipeline = build_from(bundle), bundle.spec.pipeline
        if not isinstance(network, Seq2SeqLstm) or pipeline is None:
            raise BundleError(f"The bundle is for {bundle.spec.task}, not for translation.")
        arguments = check_arguments(TextArguments, pipeline.arguments, "pipeline text")
        source, target = (Tokenizer(bundle.asset(FILE.format(name))) for name in (_SOURCE, _TARGET))
        return cls(network, arguments.sequences[_SOURCE], (source, target), device)

    def translate(
        self, texts: Sequence[str], beam: int = BEAM, length_penalty: float = LENGTH_PENALTY
    ) -> list[Translation]:
        """The best translation of each text.

        Tags of markup stay whole and where they are: what stands between two of them is translated
        for itself. Stretches without a letter or a digit stay as they are.

        Args:
            texts: a sentence each, as people write it; see `clean_text`.
            beam: partial translations that are kept of each sentence; 1 is the greedy choice.
            length_penalty: see `SentenceSearch`.

        Raises:
            PayloadTooLarge: a text is longer than a megabyte, or has more than `MOST_TOKENS` words.
            UsageError: the beam or the penalty cannot be meant.
        """
        return [found[0] for found in self.candidates(texts, 1, beam, length_penalty)]

    def candidates(
        self,
        texts: Sequence[str],
        most: int,
        beam: int = BEAM,
        length_penalty: float = LENGTH_PENALTY,
    ) -> list[list[Translation]]:
        """Of each text the best translations, the best first, `most` or fewer.

        Args:
            texts, beam, length_penalty: as for `translate`.
            most: how many; no more than `beam` are found.

        Raises:
            PayloadTooLarge, UsageError: as `translate`.
        """
        search = SentenceSearch(self._network, beam, length_penalty)
        planned = [list(self._parts(text)) for text in texts]
        found = self._search(search, [part.ids for parts in planned for part in parts if part.ids])
        return [self._assemble(parts, found, most) for parts in planned]

    def _parts(self, text: str) -> Iterator[_Part]:
        left = MOST_TOKENS
        for part, is_tag in split_markup(clean_text(text)):
            if is_tag or not any(map(str.isalnum, part)):
                left -= 1
                made = _Part(part)
            else:
                pieces = self._source.pieces(part, left + 1)
                left -= len(pieces)
                ids = tuple(self._spec.mark([number for number, _ in pieces]))
                unknown = tuple(piece for number, piece in pieces if number == UNKNOWN)
                lead, trail = part[: len(part) - len(part.lstrip())], part[len(part.rstrip()) :]
                made = _Part(lead, trail, ids, unknown)
            if left < 0:
                raise PayloadTooLarge(
                    f"The text has more than {MOST_TOKENS:,} words and parts of words.",
                    "Send it in parts, a sentence each.",
                )
            yield made

    def _search(
        self, search: SentenceSearch, sentences: Sequence[tuple[int, ...]]
    ) -> dict[tuple[int, ...], list[Candidate]]:
        """What is found for each sentence; those of nearly one length are computed together."""
        found: dict[tuple[int, ...], list[Candidate]] = {}
        waiting = sorted(set(sentences), key=len)
        for at in range(0, len(waiting), CHUNK):
            some = waiting[at : at + CHUNK]
            found.update(zip(some, search.translate(self._padded(some)), strict=True))
        return found

    def _padded(self, sentences: Sequence[tuple[int, ...]]) -> Tensor:
        ids = torch.full((len(sentences), max(map(len, sentences))), PAD)
        for at, sentence in enumerate(sentences):
            ids[at, : len(sentence)] = torch.tensor(sentence)
        return ids.to(self._device)

    def _assemble(
        self,
        parts: Sequence[_Part],
        found: dict[tuple[int, ...], list[Candidate]],
        most: int,
    ) -> list[Translation]:
        """Whole texts: the first of the best of all parts, the second of the second ones, ….

        A part of which fewer were found has its last one in those that follow.
        """
        counts = [len(found[part.ids]) for part in parts if part.ids]
        made = []
        for rank in range(max(1, min(most, max(counts, default=1)))):
            texts, score, complete = [], 0.0, True
            for part in parts:
                texts.append(part.lead)
                if part.ids:
                    one = found[part.ids][min(rank, len(found[part.ids]) - 1)]
                    texts += [self._text(one.words, part.unknown), part.trail]
                    score, complete = score + one.score, complete and one.complete
            made.append(Translation("".join(texts), score, complete))
        return made

    def _text(self, words: Sequence[int], unknown: Sequence[str]) -> str:
        """Ids as clean text; what is unknown is, in its order, as the source has it."""
        texts, run, left = [], list[int](), iter(unknown)
        for word in words:
            if word == UNKNOWN:
                texts += [self._target.decode(run), next(left, "")]
                run = []
            else:
                run.append(word)
        texts.append(self._target.decode(run))
        return clean_text(" ".join(filter(None, texts)))
