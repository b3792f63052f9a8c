"""Columns of the same length as one Arrow file, mapped into memory where it lies in a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from striate.core.errors import DataError
from striate.data.storage import Source


def write_columns(path: Path, columns: Mapping[str, pa.Array]) -> None:
    """Write columns as an Arrow file of one record batch; the same bytes for the same content."""
    batch = pa.record_batch(list(columns.values()), names=list(columns))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def read_columns(place: Source, name: str) -> pa.RecordBatch:
    """The columns of such a file: what is not looked at is not read, unless it lies far away.

    Raises:
        DataError: it is no Arrow file.
        PlatformError: the place does not answer.
    """
    try:
        if place.local is not None:
            with pa.memory_map(str(place.local / name)) as file:
                return pa.ipc.open_file(file).get_batch(0)
        return pa.ipc.open_file(pa.BufferReader(place.read(name))).get_batch(0)
    except (pa.ArrowInvalid, pa.ArrowIndexError):
        raise DataError(f"{place.named(name)} is damaged: it is no Arrow file.") from None


def numbers_of(batch: pa.RecordBatch, column: str) -> NDArray[Any]:
    """A column of numbers as a view of the file."""
    return np.asarray(batch.column(column).to_numpy(zero_copy_only=True))
