"""What a corpus gives to ingest: its samples, its columns, and what it leaves out."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from striate.core.numbers import Count, Positive

FieldKind = Literal[
    "int32",
    "int64",
    "float32",
    "string",
    "binary",
    "list<int32>",
    "list<float32>",
    "list<string>",
]


AssetContent = str | bytes | memoryview
"""A file that goes along with shards: its text, or its bytes."""

UNKNOWN = -1
"""The class of a pixel of which nobody knows one."""


class PayloadColumn(BaseModel):
    """How what a corpus is made of is stored in its shards.

    Attributes:
        kind: ``raw``: each payload is an array's bytes, row by row; ``image``, ``video``,
            ``audio``: an encoded file, as it was published; ``text``: UTF-8.
        dtype: element type of a raw payload.
        shape: (channels, height, width) of every raw payload.
        name: what a text is called among the further columns of texts, such as its language;
            ``text`` when None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["raw", "image", "video", "audio", "text"] = "raw"
    dtype: Literal["uint8"] | None = None
    shape: tuple[Count, Count, Count] | None = None
    name: str | None = None

    @model_serializer(mode="wrap")
    def _without_name(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As ever where there is none: a manifest's hash stays what it was."""
        written: dict[str, Any] = write(self)
        return {name: value for name, value in written.items() if name != "name" or value}

    @model_validator(mode="after")
    def _shape_is_for_raw(self) -> Self:
        if (self.kind == "raw") != (self.shape is not None and self.dtype is not None):
            raise ValueError("a raw payload, and no other, has a dtype and a shape")
        return self

    @classmethod
    def raw(cls, channels: int, height: int, width: int) -> Self:
        """Unencoded uint8 images, all of one shape."""
        return cls(kind="raw", dtype="uint8", shape=(channels, height, width))

    @property
    def raw_shape(self) -> tuple[int, int, int]:
        """(channels, height, width); only a raw payload has one."""
        assert self.shape is not None, "asked an encoded payload for its shape"
        return self.shape

    @property
    def size_bytes(self) -> int:
        """Bytes of one raw payload."""
        return int(np.prod(self.raw_shape))


class LabelColumn(BaseModel):
    """What a label is.

    Attributes:
        kind: ``class``: one class; ``multi``: several classes; ``frames``: one state id for each
            frame; ``dense``: one class for each pixel, int16 little-endian, row by row, −1 where
            unknown; ``none``: there are no labels.
        frame_s: seconds from one frame to the next, for ``frames``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["class", "multi", "frames", "dense", "none"] = "class"
    frame_s: Positive | None = None


def asset_bytes(content: AssetContent) -> bytes | memoryview:
    """What is written of an asset."""
    return content.encode() if isinstance(content, str) else content


def hash_asset(content: AssetContent) -> str:
    """Hexadecimal SHA-256 of an asset."""
    return hashlib.sha256(asset_bytes(content)).hexdigest()


def dense_classes(label: bytes | memoryview) -> NDArray[np.int16]:
    """The classes in a label of the kind ``dense``, row by row: a view of it."""
    return np.frombuffer(label, "<i2")


@dataclass(frozen=True)
class Sample:
    """One readable item of a corpus.

    Attributes:
        item: its index in the split of the source.
        payload: its bytes, as the corpus's `PayloadColumn` says.
        label: as the corpus's `LabelColumn` says: an int for ``class``, ints for ``multi`` and
            ``frames``, bytes for ``dense``; not looked at for ``none``.
        key: its name in the source (path, id, URL), which reports use.
        fields: values of the corpus's further columns.
    """

    item: int
    payload: bytes
    label: int | Sequence[int] | bytes = -1
    key: str = ""
    fields: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Skipped:
    """One item that cannot be used.

    Attributes:
        item: its index in the split of the source.
        reason: why, in words that make a good key to count by (no names or numbers in it).
        key: its name in the source.
    """

    item: int
    reason: str
    key: str = ""


class OpenCorpus(Protocol):
    """A corpus in the layout in which it is published, ready to be read in any order."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names, or names of states."""

    @property
    def payload(self) -> PayloadColumn:
        """How its payloads are stored."""

    @property
    def label(self) -> LabelColumn:
        """What its labels are."""

    @property
    def fields(self) -> Mapping[str, FieldKind]:
        """Further columns of every sample.

        The int32 column ``units``, where there is one, says how many units of the order a row
        has (an utterance: its frames); without it each row is one.
        """

    @property
    def item_bytes(self) -> Mapping[str, NDArray[np.int64]]:
        """Split → stored size of each of its items, in bytes: what shards are planned from."""

    @property
    def source_sha256(self) -> str:
        """A hash that changes when the source does.

        For a big corpus over names, sizes and the metadata files, not over all content.
        """

    @property
    def assets(self) -> Mapping[str, AssetContent]:
        """File name → content of files that go along with the shards."""

    def read(self, split: str, start: int, stop: int) -> Iterator[Sample | Skipped]:
        """The items ``start`` to ``stop`` of a split, in order."""
