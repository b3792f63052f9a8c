"""Files of text, a sample a line: where each line lies, and a hash of it to find repeated ones by.

A file is gone through once, and its lines are read from where they lie after that. Lines end in
LF, CR LF or CR; lines of blanks alone are none, but count. A file that ends in ``.gz`` stays in
memory, unpacked.
"""

import codecs
import gzip
import hashlib
import io
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from striate.core.arrays import Integers
from striate.core.errors import DataError
from striate.core.text import wide_encoding
from striate.data.storage import Source, explain_storage_error

PIECE = 4096
"""Bytes of a piece of a long line, where such are cut."""

_CHUNK = 16 << 20
_TOGETHER = 8 << 20  # bytes of neighbouring lines that are read at once


class Lines(Protocol):
    """Lines that are there to be read, numbered from 0: of a file, or of several side by side."""

    @property
    def sizes(self) -> Integers:
        """(n,) bytes of each."""

    @property
    def hashes(self) -> NDArray[np.uint64]:
        """(n,) the same for the same content."""

    @property
    def sha256(self) -> str:
        """Of all that was read."""

    def name(self, item: int) -> str:
        """What a line is called in reports: its file and its number from 1."""

    def read(self, items: Integers) -> Iterator[bytes]:
        """The content of some lines, in rising order, without their ends."""


@dataclass(frozen=True)
class LineFile:
    """The lines of a file that are not blank, or pieces of such; see `Lines`.

    Attributes:
        source: where it lies.
        path: its name there.
        starts: (n,) the first byte of each.
        stops: (n,) the byte after its last.
        numbers: (n,) the number of its line, from 1.
        hashes: (n,) hash of its content.
        lines: lines in the file, blank ones too.
        sha256: hash of the file.
        unpacked: the text of a gzipped one.
    """

    source: Source
    path: str
    starts: Integers
    stops: Integers
    numbers: Integers
    hashes: NDArray[np.uint64]
    lines: int
    sha256: str
    unpacked: bytes | None = field(default=None, repr=False)

    @property
    def sizes(self) -> Integers:
        """(n,) bytes of each."""
        return self.stops - self.starts

    def after(self, skip: int) -> "LineFile":
        """The lines without the first `skip`, which name columns."""
        return replace(
            self,
            starts=self.starts[skip:],
            stops=self.stops[skip:],
            numbers=self.numbers[skip:],
            hashes=self.hashes[skip:],
        )

    def name(self, item: int) -> str:
        """``FILE:LINE``, and of the further pieces of a line ``FILE:LINE@BYTE``."""
        number = self.numbers[item]
        first = item == 0 or bool(self.numbers[item - 1] != number)
        return f"{self.path}:{number}" + ("" if first else f"@{self.starts[item]}")

    def read(self, items: Integers) -> Iterator[bytes]:
        """The content of some lines, in rising order, without their ends."""
        with _open(self.source, self.path, self.unpacked) as file:
            for run in _runs(self.starts[items], self.stops[items]):
                starts, stops = self.starts[items[run]], self.stops[items[run]]
                file.seek(int(starts[0]))
                whole = file.read(int(stops[-1] - starts[0]))
                for start, stop in zip(starts - starts[0], stops - starts[0], strict=True):
                    yield whole[start:stop].rstrip(b"\r\n")


def index_lines(source: Source, path: str, *, cut: bool = False) -> LineFile:
    """Find the lines of a file.

    Args:
        source: where it lies.
        path: its name there.
        cut: whether a line of more than `PIECE` bytes is cut into such pieces, at blanks.

    Raises:
        DataError: there is no such file, it is a damaged gzip, or it is UTF-16 or UTF-32.
    """
    unpacked = _unpack(source, path) if path.endswith(".gz") else None
    digest = hashlib.sha256()
    starts, stops, numbers, hashes = array("q"), array("q"), array("q"), array("Q")
    number = 0
    with explain_storage_error(source.named(path)), _open(source, path, unpacked) as file:
        for number, at, line in _read_lines(file, digest, source.named(path)):
            for start, stop in _pieces(line) if cut else [(0, len(line))]:
                content = line[start:stop].strip()
                if content:
                    starts.append(at + start)
                    stops.append(at + stop)
                    numbers.append(number)
                    hashes.append(hash_content(content))
    return LineFile(
        source,
        path,
        starts=np.array(starts, np.int64),
        stops=np.array(stops, np.int64),
        numbers=np.array(numbers, np.int64),
        hashes=np.array(hashes, np.uint64),
        lines=number,
        sha256=digest.hexdigest(),
        unpacked=unpacked,
    )


def hash_content(content: bytes) -> int:
    """The same number from 0 to 2⁶⁴ − 1 for the same content, wherever it is asked for."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def _read_lines(
    file: BinaryIO, digest: "hashlib._Hash", name: str
) -> Iterator[tuple[int, int, bytes]]:
    """(number from 1, first byte, line with its end), every byte of them told to `digest`."""
    number, at, rest = 0, 0, b""
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        if not at and not rest:
            if (encoding := wide_encoding(chunk)) is not None:
                raise DataError(f"{name} is {encoding}, not UTF-8.", "Save it as UTF-8.")
            if chunk.startswith(codecs.BOM_UTF8):
                at, chunk = len(codecs.BOM_UTF8), chunk[len(codecs.BOM_UTF8) :]
        lines = (rest + chunk).splitlines(keepends=True)
        # The last one may go on, or its CR be the half of a CR LF.
        rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        for line in lines:
            number += 1
            yield number, at, line
            at += len(line)
    if rest:
        yield number + 1, at, rest


def _pieces(line: bytes) -> Iterator[tuple[int, int]]:
    """Where the pieces of a line start and stop: before a blank, or else between characters."""
    start = 0
    while len(line) - start > PIECE:
        stop = line.rfind(b" ", start + 1, start + PIECE)
        if stop < 0:
            stop = start + PIECE
            while line[stop] & 0xC0 == 0x80 and stop > start + PIECE - 4:  # inside a character
                stop -= 1
        yield start, stop
        start = stop
    yield start, len(line)


def _runs(starts: Integers, stops: Integers) -> Iterator[slice]:
    """Stretches of lines that lie close enough to be read at once."""
    first = 0
    for at in range(1, len(starts) + 1):
        if at == len(starts) or stops[at] - starts[first] > _TOGETHER:
            yield slice(first, at)
            first = at


def _open(source: Source, path: str, unpacked: bytes | None) -> BinaryIO:
    return source.open(path) if unpacked is None else io.BytesIO(unpacked)


def _unpack(source: Source, path: str) -> bytes:
    try:
        return gzip.decompress(source.read(path))
    except (EOFError, OSError, zlib.error) as error:
        name = source.named(path)
        raise DataError(f"{name} is truncated or damaged: {error}.", "Fetch it again.") from None
