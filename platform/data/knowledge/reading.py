"""Files of facts, read line by line: bounded, counted, and unpacked on the way."""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from striate.core.errors import DataError
from striate.core.text import wide_encoding
from striate.data.knowledge.gathered import GatheredFacts
from striate.data.transforms.text.clean import MOST_BYTES

BROKEN, LONG, NOT_UTF8 = "broken line", "line longer than a megabyte", "not UTF-8"


def read_lines(path: Path, gathered: GatheredFacts) -> Iterator[str]:
    """The lines of a file that are not blank, each counted; one that is no text is left out.

    Lines end in LF or CR LF. A file whose name ends in ``.gz`` is unpacked.

    Raises:
        DataError: there is no such file, it is a damaged gzip, or it is UTF-16 or UTF-32.
    """
    gathered.begin(path.name)
    try:
        with _open(path) as file:
            for number, line in _numbered(file, path):
                gathered.at(number)
                if len(line) > MOST_BYTES:
                    gathered.skip(LONG)
                    continue
                try:
                    text = line.decode()
                except UnicodeDecodeError:
                    gathered.skip(NOT_UTF8)
                    continue
                yield text
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is truncated or damaged: {error}.", "Fetch it again.") from None


def _numbered(file: BinaryIO, path: Path) -> Iterator[tuple[int, bytes]]:
    """(number from 1, line without its end); of a line that is too long, its beginning."""
    number = 0
    while line := file.readline(MOST_BYTES + 2):
        number += 1
        rest = line
        while not rest.endswith(b"\n") and len(rest) == MOST_BYTES + 2:
            rest = file.readline(MOST_BYTES + 2)  # of the same line
        if number == 1:
            if (encoding := wide_encoding(line)) is not None:
                raise DataError(f"{path} is {encoding}, not UTF-8.", "Save it as UTF-8.")
            line = line.removeprefix(codecs.BOM_UTF8)
        content = line.rstrip(b"\r\n")
        if content.strip():
            yield number, content


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")
