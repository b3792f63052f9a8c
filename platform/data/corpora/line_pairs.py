"""Text files side by side, whose lines belong together by their numbers."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.core.arrays import Integers
from striate.core.errors import DataError
from striate.data.corpora.text_lines import LineFile

_ODD = np.uint64(0x9E3779B97F4A7C15)  # times it, nothing of a hash is lost


@dataclass(frozen=True)
class LinePairs:
    """Files whose lines belong together by their numbers; see `Lines`.

    A line's content is that of all files, apart by tabs; a file's own tabs become blanks.

    Attributes:
        files: side by side.
        numbers: (n,) line numbers at which at least one of the files has text.
    """

    files: tuple[LineFile, ...]
    numbers: Integers

    @classmethod
    def of(cls, files: Sequence[LineFile]) -> "LinePairs":
        """Files side by side.

        Raises:
            DataError: they have not equally many lines.
        """
        if len({file.lines for file in files}) > 1:
            said = ", ".join(f"{file.path} {file.lines:,}" for file in files)
            raise DataError(
                f"The files of {files[0].source} do not belong together line by line: {said}"
                " lines.",
                "Give files of equally many lines.",
            )
        return cls(tuple(files), np.unique(np.concatenate([file.numbers for file in files])))

    @property
    def sizes(self) -> Integers:
        """(n,) bytes of each."""
        sizes = np.full(len(self.numbers), len(self.files) - 1, np.int64)
        for file, (there, items) in zip(self.files, self._places(), strict=True):
            sizes[there] += file.sizes[items]
        return sizes

    @property
    def hashes(self) -> NDArray[np.uint64]:
        """(n,) of the lines' hashes together."""
        hashes = np.zeros(len(self.numbers), np.uint64)
        for file, (there, items) in zip(self.files, self._places(), strict=True):
            hashes *= _ODD
            hashes[there] += file.hashes[items]
        return hashes

    @property
    def sha256(self) -> str:
        """Of all files."""
        return hashlib.sha256("".join(file.sha256 for file in self.files).encode()).hexdigest()

    def name(self, item: int) -> str:
        """``FILE:LINE`` of the first file."""
        return f"{self.files[0].path}:{self.numbers[item]}"

    def read(self, items: Integers) -> Iterator[bytes]:
        """The content of some lines, in rising order."""
        columns = [
            self._column(file, there, places, items)
            for file, (there, places) in zip(self.files, self._places(), strict=True)
        ]
        return (b"\t".join(cells) for cells in zip(*columns, strict=True))

    def _places(self) -> Iterator[tuple[Integers, Integers]]:
        """For each file: which of the pairs it has a line of, and which of its lines that is."""
        for file in self.files:
            yield np.searchsorted(self.numbers, file.numbers), np.arange(len(file.numbers))

    @staticmethod
    def _column(
        file: LineFile, there: Integers, places: Integers, items: Integers
    ) -> Iterator[bytes]:
        at = np.minimum(np.searchsorted(there, items), max(0, len(there) - 1))
        has = there[at] == items if len(there) else np.zeros(len(items), bool)
        lines = file.read(places[at[has]])
        return (next(lines).replace(b"\t", b" ") if one else b"" for one in has.tolist())
