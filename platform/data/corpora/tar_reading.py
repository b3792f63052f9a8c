"""Many members of a tar in few reads."""

from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

GAP = 1 << 16
SPAN = 1 << 24

Range = tuple[int, int]


def read_ranges(file: BinaryIO, ranges: Iterable[Range]) -> Iterator[bytes]:
    """The content of each (offset, size), in the order given.

    What lies close together is read at once: on a bucket each read is a request, and on a disk
    a seek.

    Yields:
        `size` bytes each, fewer where the file ends before.
    """
    for span in spans(ranges):
        start = span[0][0]
        file.seek(start)
        content = file.read(sum(span[-1]) - start)
        for offset, size in span:
            yield content[offset - start : offset - start + size]


def spans(ranges: Iterable[Range], gap: int = GAP, most: int = SPAN) -> Iterator[Sequence[Range]]:
    """Group ranges that follow each other at most `gap` bytes apart, up to `most` bytes a group."""
    span: list[Range] = []
    for offset, size in ranges:
        if span:
            end = sum(span[-1])
            if not end <= offset <= end + gap or offset + size - span[0][0] > most:
                yield span
                span = []
        span.append((offset, size))
    if span:
        yield span
