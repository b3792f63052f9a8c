"""What turns stored samples into tensors: the part of the stream that differs between corpora.

A pipeline is given samples as the shards hold them and where they stand in the order, and nothing
else: so its tensors are the same whatever thread, worker, node or restart makes them. The table of
them is `striate.data.pipelines.registry.PIPELINES`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.core.errors import DataError
from striate.data.shards.folder import ShardFolder
from striate.data.transforms.damage import DamagedSample
from striate.data.transforms.random import Places

__all__ = [
    "DamagedSample",
    "DescribesInput",
    "HasVocabulary",
    "Label",
    "NeedsShards",
    "OfOneImage",
    "OfSequences",
    "Pipeline",
    "Places",
    "Preparing",
    "Stored",
    "class_labels",
]

Label = int | Sequence[int] | NDArray[np.int32] | bytes | memoryview


@dataclass(frozen=True, slots=True)
class Stored:
    """One sample of the order, as its shard holds it.

    Attributes:
        row: its global row id in the split.
        unit: which unit of the row is meant: a clip of a video, a frame of an utterance; 0 where
            rows are not divided.
        payload: its bytes: an encoded image, video or sound, or raw pixels.
        label: a class; (n,) int32 classes, or a state for each frame; or (dense) a view of
            little-endian int16; −1 without labels.
        key: its name in the source, which reports use.
        fields: the row's further columns.
        prepared: what the pipeline's `Preparing.prepare` made of the row, where it has one.
        companions: other rows that the sample needs, as the pipeline chose them, where it is one
            of `striate.data.pipelines.companions.NeedsCompanions`.
    """

    row: int
    unit: int
    payload: bytes | memoryview
    label: Label
    key: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    prepared: Any = None
    companions: tuple["Stored", ...] = ()

    def with_unit(self, unit: int) -> "Stored":
        """Another unit of the same row."""
        return self if unit == self.unit else replace(self, unit=unit)

    def with_prepared(self, prepared: Any, companions: tuple["Stored", ...] = ()) -> "Stored":
        """The same sample with the row's prepared form, its payload no longer needed."""
        kept = (self.row, self.unit, b"", self.label, self.key, self.fields)
        return Stored(*kept, prepared, companions)


def class_labels(stored: Sequence[Stored]) -> Tensor:
    """(n,) int64: the class of each sample, −1 where the shards have no labels.

    Raises:
        DataError: a sample has several classes, or one for each frame or pixel.
    """
    for sample in stored:
        if not isinstance(sample.label, int):
            raise DataError(
                f"{sample.key or f'Row {sample.row}'} has not one class but several, or one for"
                " each frame or pixel.",
                "Choose a pipeline for such labels: clips-train for several, speech-frames for"
                " frames, dense-labels for pixels.",
            )
    return torch.tensor([sample.label for sample in stored], dtype=torch.int64)


@runtime_checkable
class Pipeline(Protocol):
    """Stored samples to a model's tensors; pure, safe to call from several threads at once.

    Every random choice is a function of `places` (`striate.data.transforms.random`), and
    a sample's tensor depends on no other sample of the call: the stream cuts batches as it likes.
    """

    @property
    def units_per_row(self) -> int | None:
        """Units that each row is to the order: 1, a number, or None: the column ``units``."""

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        """Tensors with one entry a sample along their first dimension.

        Args:
            stored: n samples.
            places: where each stands: one seed, (n,) epochs and positions.

        Returns:
            ``images`` (n, channels, height, width), ``clips`` (n, channels, frames, height, width)
            or ``features`` (n, …), float32; ``labels``; and what else the task wants. Of what
            varies between samples (boxes, words) there are as many as the most that arguments
            allow, and a mask or a length beside them: a batch is put together of several calls.

        Raises:
            DamagedSample: one of the samples cannot be used; the stream finds out which by itself.
        """


@runtime_checkable
class OfOneImage(Protocol):
    """A pipeline whose tensor is what steps of `striate.data.transforms.image.preprocess` would
    make.

    A model that was evaluated through it can then be served on decoded images alone.
    """

    @property
    def preprocessing(self) -> Sequence[Mapping[str, Any]]:
        """The steps from a decoded image to the model's input."""


@runtime_checkable
class NeedsShards(Pipeline, Protocol):
    """A pipeline that is made for certain shards: its vocabulary is that of their texts.

    The stream binds it before its first sample.
    """

    def bind(self, folder: ShardFolder) -> "NeedsShards":
        """The same, with what it needs of the shards; equal on every node.

        Raises:
            DataError: the shards are not such that it can use, or one is missing or damaged.
            UnknownName: no such split or column.
            PlatformError: the disk is full.
        """

    @property
    def assets(self) -> Mapping[str, str]:
        """File name → text of what a bundle keeps of it, once it is bound."""


@runtime_checkable
class HasVocabulary(NeedsShards, Protocol):
    """A pipeline whose tensors hold ids of words."""

    @property
    def vocabulary(self) -> int:
        """Every id is below it, once the pipeline is bound."""


@runtime_checkable
class OfSequences(Protocol):
    """A pipeline of sequences: padded to what arguments allow, then cut to a batch's longest.

    Each row is one unit.
    """

    @property
    def length_columns(self) -> tuple[str, ...]:
        """Columns of text that batches are to be of one length in; none: of any lengths."""

    def trim(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """A whole batch without what is padding in all of its samples."""


@runtime_checkable
class DescribesInput(Protocol):
    """A pipeline that says what its tensor is, where that is no image of normalised intensity."""

    @property
    def layout(self) -> str:
        """The dimensions of one sample: ``CFT`` for channels, bands and frames in time."""

    @property
    def units(self) -> str:
        """What its numbers are, for people: ``normalised log-mel energy``."""


@runtime_checkable
class Preparing(Protocol):
    """A pipeline whose rows are costly to decode and asked for many times, like utterances.

    The stream calls `prepare` once for a row, keeps the result among the latest used ones, and
    gives it as `Stored.prepared` to each call that wants a unit of that row.
    """

    def prepare(self, stored: Stored) -> Any:
        """The row's decoded form: a tensor, an array, or a tuple of them (so it can be weighed).

        Raises:
            DamagedSample: the row cannot be used; all of its units are replaced.
        """
