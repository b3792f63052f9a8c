"""The pipeline ``text``: columns of text as sequences of tokens, padded, with masks.

Batches are put together of texts of nearly one length, and each is as wide as its longest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from striate.core.errors import PayloadTooLarge
from striate.core.validation import check_arguments
from striate.data.pipelines.base import DamagedSample, Places, Stored, class_labels
from striate.data.pipelines.vocabularies import check_columns, vocabulary_of
from striate.data.shards.folder import ShardFolder
from striate.data.shards.manifest import TEXT
from striate.data.transforms.text.tokenizer import BEGIN, END, PAD, Tokenizer
from striate.data.transforms.text.training import TokenizerSpec

MASK = "{}_mask"
FILE = "{}.tokenizer.json"
"""What the bundle's file with the tokeniser of a sequence is called."""


class SequenceSpec(BaseModel):
    """A column of text as a sequence of tokens.

    Attributes:
        column: the column: ``text``, or where languages are named, one of them.
        most: tokens at most, marks included; of a longer text the rest is left out.
        begin: whether a mark stands before them.
        end: whether a mark stands behind them.
        reverse: whether they come last first, between the marks.
        tokenizer: what the vocabulary is to be.
        shared: further columns that the vocabulary is made from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str = TEXT
    most: int = Field(default=128, ge=3, le=65_536)
    begin: bool = False
    end: bool = False
    reverse: bool = False
    tokenizer: TokenizerSpec = TokenizerSpec()
    shared: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """What the vocabulary is made from: sequences of the same columns share it."""
        return tuple(sorted({self.column, *self.shared}))

    def encode(self, tokenizer: Tokenizer, text: str) -> list[int]:
        """The ids of a text; none where it has no word.

        Raises:
            PayloadTooLarge: the text is longer than is looked at.
        """
        ids = tokenizer.encode(text, self.most - self.begin - self.end)
        return self.mark(ids) if ids else []

    def mark(self, ids: list[int]) -> list[int]:
        """The ids of a text in the order in which a network gets them, between the marks."""
        return [BEGIN] * self.begin + (ids[::-1] if self.reverse else ids) + [END] * self.end


class TextArguments(BaseModel):
    """Of ``text``.

    Attributes:
        sequences: name of a tensor → what it is made of.
        split: whose texts the vocabularies are made from, in training and in evaluation.
        by_length: whether batches are put together of texts of nearly one length.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequences: dict[str, SequenceSpec] = Field(
        default_factory=lambda: {"tokens": SequenceSpec()}, min_length=1, max_length=16
    )
    split: str = "train"
    by_length: bool = True

    @model_validator(mode="after")
    def _names_are_free(self) -> Self:
        masks = {MASK.format(name) for name in self.sequences}
        for name in self.sequences:
            if not name.isidentifier() or name in masks | {"labels", "rows", "units"}:
                raise ValueError(f"a sequence cannot be named {name!r}")
        return self


@dataclass(frozen=True)
class TextPipeline:
    """Texts to padded sequences of ids.

    Attributes:
        arguments: what they are made of.
        tokenizers: name of a sequence → its tokeniser; none before `bind`.
    """

    arguments: TextArguments
    tokenizers: Mapping[str, Tokenizer] = field(default_factory=dict)
    units_per_row: int | None = 1
    layout: ClassVar[str] = "T"
    units: ClassVar[str] = "token id"

    def bind(self, folder: ShardFolder) -> "TextPipeline":
        """The same with the vocabularies of some shards; see `NeedsShards`."""
        made = {}
        for name, spec in self.arguments.sequences.items():
            check_columns(folder, spec.columns)
            made[name] = vocabulary_of(folder, self.arguments.split, spec.columns, spec.tokenizer)
        return replace(self, tokenizers=made)

    @property
    def assets(self) -> Mapping[str, str]:
        """The tokenisers, for the bundle."""
        return {FILE.format(name): one.to_text() for name, one in self.tokenizers.items()}

    @property
    def vocabulary(self) -> int:
        """Words of the largest vocabulary; see `HasVocabulary`."""
        return max((one.size for one in self.tokenizers.values()), default=0)

    @property
    def length_columns(self) -> tuple[str, ...]:
        """The sequences' columns; none where length does not matter."""
        columns = (spec.column for spec in self.arguments.sequences.values())
        return tuple(dict.fromkeys(columns)) if self.arguments.by_length else ()

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        """Of each sequence (n, most) int64 ids and (n, most) bool masks; ``labels`` (n,) int64.

        A mask is true where there is a token or a mark, and false where ids are padding.

        Raises:
            DamagedSample: a text is not UTF-8, is longer than is looked at, or has no word.
        """
        del places  # nothing here is drawn
        made: dict[str, Tensor] = {}
        for name, spec in self.arguments.sequences.items():
            ids = torch.full((len(stored), spec.most), PAD, dtype=torch.int64)
            mask = torch.zeros(len(stored), spec.most, dtype=torch.bool)
            for at, sample in enumerate(stored):
                found = _ids(spec, self.tokenizers[name], sample)
                ids[at, : len(found)] = torch.tensor(found)
                mask[at, : len(found)] = True
            made |= {name: ids, MASK.format(name): mask}
        return {**made, "labels": class_labels(stored)}

    def trim(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """A whole batch without what is padding in all of its samples; see `OfSequences`."""
        cut = dict(tensors)
        for name in self.arguments.sequences:
            mask = MASK.format(name)
            width = max(1, int(tensors[mask].sum(1).max())) if len(tensors[mask]) else 1
            cut[name] = tensors[name][:, :width].contiguous()
            cut[mask] = tensors[mask][:, :width].contiguous()
        return cut


def texts(arguments: Mapping[str, Any], training: bool) -> TextPipeline:
    """The pipeline of that name; the same in training and in evaluation. See `TextArguments`.

    Raises:
        RecipeError: an unknown or wrong argument.
    """
    del training
    return TextPipeline(check_arguments(TextArguments, arguments, "pipeline text"))


def _ids(spec: SequenceSpec, tokenizer: Tokenizer, sample: Stored) -> list[int]:
    value = sample.fields.get(spec.column)
    try:
        text = value if isinstance(value, str) else bytes(sample.payload).decode()
        found = spec.encode(tokenizer, text)
    except UnicodeDecodeError:
        raise DamagedSample(sample.key, "the text is not UTF-8") from None
    except PayloadTooLarge:
        raise DamagedSample(sample.key, "the text is longer than a megabyte") from None
    if not found:
        raise DamagedSample(sample.key, "the text has no word")
    return found
