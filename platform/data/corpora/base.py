"""What a corpus is to the rest of Striate: a layout on disk that can be opened and read.

A new corpus is one file with an ``open_…`` function and one line in
`striate.data.corpora.CORPORA`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict


class ImageColumn(BaseModel):
    """How the images of a corpus are stored in its shards.

    Attributes:
        encoding: ``raw``: each image is its bytes, row by row.
        dtype: element type of a raw image.
        shape: (channels, height, width) of every raw image.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoding: Literal["raw"] = "raw"
    dtype: Literal["uint8"] = "uint8"
    shape: tuple[int, int, int]

    @property
    def size_bytes(self) -> int:
        """Bytes of one image."""
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class Sample:
    """One readable item of a corpus.

    Attributes:
        item: its index in the split of the source.
        image: its bytes, as the corpus's `ImageColumn` says.
        label: index into the corpus's labels.
    """

    item: int
    image: bytes
    label: int


@dataclass(frozen=True)
class Skipped:
    """One item that cannot be used, and why, in words that make a good key to count by."""

    item: int
    reason: str


class OpenCorpus(Protocol):
    """A corpus in the layout in which it is published, ready to be read in any order."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names."""

    @property
    def image(self) -> ImageColumn:
        """How its images are stored."""

    @property
    def item_bytes(self) -> Mapping[str, NDArray[np.int64]]:
        """Split → stored size of each of its items, in bytes: what shards are planned from."""

    @property
    def source_sha256(self) -> str:
        """A hash that changes when the source does."""

    def read(self, split: str, start: int, stop: int) -> Iterator[Sample | Skipped]:
        """The items ``start`` to ``stop`` of a split, in order."""


@dataclass(frozen=True)
class Corpus:
    """An entry of the table of corpora.

    Attributes:
        summary: one line for people.
        open: reads a folder in the corpus's layout.
        write: writes the folder, for a corpus that comes inside an installed package.
    """

    summary: str
    open: Callable[[Path], OpenCorpus]
    write: Callable[[Path], None] | None = None
