"""The pipeline ``words``: words with their neighbours to learn from, and analogies to be asked.

In training a text becomes its words and their windows, as
`striate.data.transforms.text.word_windows` draws them; in evaluation a row is an analogy of four
words. Words outside of the vocabulary are left out of
texts before windows are drawn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from striate.core.arrays import Integers
from striate.core.errors import PayloadTooLarge
from striate.core.numbers import Share
from striate.core.validation import check_arguments
from striate.data.pipelines.base import DamagedSample, Places, Stored, class_labels
from striate.data.pipelines.vocabularies import check_columns, vocabulary_of
from striate.data.pipelines.word_counts import count_words
from striate.data.shards.folder import ShardFolder
from striate.data.shards.manifest import TEXT
from striate.data.transforms.text.tokenizer import SPECIAL, Tokenizer
from striate.data.transforms.text.training import TokenizerSpec
from striate.data.transforms.text.word_windows import (
    WordDraws,
    blocks_used,
    draw_windows,
    keep_shares,
    noise_sums,
)

FILE = "words.tokenizer.json"
"""What the bundle's file with the vocabulary is called."""
ANALOGY, CANDIDATES = "analogy", "candidates"
"""Tensors of a batch of analogies: see `Analogies`."""
WINDOW_TENSORS = ("centres", "contexts", "reach", "negatives")

_ASKED = 4  # words of an analogy


class WordArguments(BaseModel):
    """Of ``words``.

    Attributes:
        column: the column of text.
        split: whose texts the vocabulary is made and counted from.
        tokenizer: what the vocabulary is to be; of the kind ``words``.
        most: words of a text at most; of a longer one the rest is left out.
        window: words on either side that are neighbours at most; how many, is drawn for each word.
        sample: share of all words above which a word is thinned out; 0 keeps all.
        power: of the words' counts, by which negatives are drawn.
        drawn: negatives that each block of 16 words shares.
        most_frequent: words of the vocabulary, the most frequent ones, that answer analogies;
            questions with others are left out, and counted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str = TEXT
    split: str = "train"
    tokenizer: TokenizerSpec = TokenizerSpec(kind="words", lowercase=True, marks=False)
    most: int = Field(default=1024, ge=2, le=65_536)
    window: int = Field(default=5, ge=1, le=64)
    sample: Share = 1e-3
    power: float = Field(default=0.75, ge=0, le=1, allow_inf_nan=False)
    drawn: int = Field(default=32, ge=1, le=1024)
    most_frequent: int = Field(default=30_000, ge=4, le=2**24)

    @model_validator(mode="after")
    def _is_of_words(self) -> Self:
        if self.tokenizer.kind != "words":
            raise ValueError("its tokenizer is of the kind words, not of pieces")
        return self


@dataclass(frozen=True)
class WordWindows:
    """Texts to windows.

    Attributes:
        arguments: what they are made of.
        tokenizer: the vocabulary; none before `bind`.
        counts: (vocabulary,) how often each word comes; 0 for the special ones.
    """

    arguments: WordArguments
    tokenizer: Tokenizer | None = None
    counts: Integers = field(default_factory=lambda: np.zeros(0, np.int64), compare=False)
    units_per_row: int | None = 1
    layout: ClassVar[str] = "T"
    units: ClassVar[str] = "token id"

    def bind(self, folder: ShardFolder) -> "WordWindows":
        """The same with the vocabulary of some shards; see `NeedsShards`."""
        asked = self.arguments
        tokenizer = _vocabulary(folder, asked)
        counts = count_words(folder, asked.split, (asked.column,), tokenizer)
        counts[: len(SPECIAL)] = 0
        return replace(self, tokenizer=tokenizer, counts=counts)

    @property
    def assets(self) -> Mapping[str, str]:
        """The vocabulary, for the bundle."""
        return _assets(self.tokenizer)

    @property
    def vocabulary(self) -> int:
        """Words of the vocabulary; see `HasVocabulary`."""
        return 0 if self.tokenizer is None else self.tokenizer.size

    @property
    def length_columns(self) -> tuple[str, ...]:
        """The column of text: batches are of texts of nearly one length."""
        return (self.arguments.column,)

    @cached_property
    def draws(self) -> WordDraws:
        """What words are drawn by."""
        asked = self.arguments
        return WordDraws(
            keep=keep_shares(self.counts, asked.sample),
            noise=noise_sums(self.counts, asked.power),
            window=asked.window,
            drawn=asked.drawn,
        )

    def prepare(self, stored: Stored) -> NDArray[np.int32]:
        """The words of a text that the vocabulary has, as ids.

        Raises:
            DamagedSample: the text is not UTF-8, or is longer than is looked at.
        """
        assert self.tokenizer is not None, "bind comes first"
        value = stored.fields.get(self.arguments.column)
        try:
            text = value if isinstance(value, str) else bytes(stored.payload).decode()
            ids = np.array(self.tokenizer.encode(text), np.int32)
        except UnicodeDecodeError:
            raise DamagedSample(stored.key, "the text is not UTF-8") from None
        except PayloadTooLarge:
            raise DamagedSample(stored.key, "the text is longer than a megabyte") from None
        return ids[self.counts[ids] > 0][: self.arguments.most]

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        """`WINDOW_TENSORS` as `Windows` says, ids int64, with as many blocks as `most` words have.

        Raises:
            DamagedSample: as `prepare`.
        """
        texts = [self.prepare(one) if one.prepared is None else one.prepared for one in stored]
        made = draw_windows(texts, self.draws, places, self.arguments.most)
        return {name: torch.from_numpy(getattr(made, name)) for name in WINDOW_TENSORS}

    def trim(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """A whole batch without blocks that are empty in all of its samples; see `OfSequences`."""
        used = blocks_used(tensors["centres"].numpy())
        cut = {name: tensors[name][:, :used].contiguous() for name in WINDOW_TENSORS}
        return {**tensors, **cut}


@dataclass(frozen=True)
class Analogies:
    """Rows of four words to their ids, and who may answer.

    Attributes:
        arguments: as for `WordWindows`.
        tokenizer: the vocabulary; none before `bind`.
    """

    arguments: WordArguments
    tokenizer: Tokenizer | None = None
    units_per_row: int | None = 1
    layout: ClassVar[str] = "T"
    units: ClassVar[str] = "token id"

    def bind(self, folder: ShardFolder) -> "Analogies":
        """The same with the vocabulary of some shards; see `NeedsShards`."""
        return replace(self, tokenizer=_vocabulary(folder, self.arguments))

    @property
    def assets(self) -> Mapping[str, str]:
        """The vocabulary, for the bundle."""
        return _assets(self.tokenizer)

    @property
    def vocabulary(self) -> int:
        """Words of the vocabulary; see `HasVocabulary`."""
        return 0 if self.tokenizer is None else self.tokenizer.size

    @property
    def candidates(self) -> int:
        """Ids of words that may answer are below it, and not those of special ones."""
        return min(self.arguments.most_frequent, self.vocabulary)

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        """``analogy`` (n, 4) int64 ids, −1 for a word that may not answer; ``labels`` (n,).

        ``candidates`` (n,) is `candidates`.

        Raises:
            DamagedSample: a row is not four words in UTF-8.
        """
        del places  # nothing here is drawn
        asked = torch.full((len(stored), _ASKED), -1, dtype=torch.int64)
        for at, sample in enumerate(stored):
            asked[at] = torch.tensor([self._id(word) for word in _four(sample)])
        candidates = torch.full((len(stored),), self.candidates, dtype=torch.int64)
        return {ANALOGY: asked, CANDIDATES: candidates, "labels": class_labels(stored)}

    def _id(self, word: str) -> int:
        assert self.tokenizer is not None, "bind comes first"
        ids = self.tokenizer.encode(word)
        return ids[0] if len(ids) == 1 and len(SPECIAL) <= ids[0] < self.candidates else -1


def words(arguments: Mapping[str, Any], training: bool) -> WordWindows | Analogies:
    """The pipeline of that name. See `WordArguments`.

    Raises:
        RecipeError: an unknown or wrong argument.
    """
    checked = check_arguments(WordArguments, arguments, "pipeline words")
    return WordWindows(checked) if training else Analogies(checked)


def _vocabulary(folder: ShardFolder, asked: WordArguments) -> Tokenizer:
    check_columns(folder, (asked.column,))
    return vocabulary_of(folder, asked.split, (asked.column,), asked.tokenizer)


def _assets(tokenizer: Tokenizer | None) -> Mapping[str, str]:
    return {} if tokenizer is None else {FILE: tokenizer.to_text()}


def _four(sample: Stored) -> list[str]:
    try:
        found = bytes(sample.payload).decode().split()
    except UnicodeDecodeError:
        raise DamagedSample(sample.key, "the text is not UTF-8") from None
    if len(found) != _ASKED:
        raise DamagedSample(sample.key, "no analogy of four words")
    return found
