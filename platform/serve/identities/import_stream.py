"""The Arrow IPC streams of an import: read with no more memory than the message has bytes.

A compressed buffer of a few kilobytes may hold gigabytes, and pyarrow asks nobody before it
inflates one. So the heads of the messages are looked at first, which say of what follows whether it
is compressed (Arrow's Message.fbs; offsets as in FlatBuffers' "Internals").
"""

import struct
from collections.abc import Iterator

import pyarrow as pa

from striate.core.errors import RequestError

_HEADER = 2  # of a Message: the table of a schema, a record batch or a dictionary
_DATA = 1  # of a DictionaryBatch: its record batch
_COMPRESSION = 3  # of a RecordBatch
_UNREADABLE = (pa.ArrowException, OSError, struct.error)


def read_batches(content: bytes) -> Iterator[pa.RecordBatch]:
    """The record batches of an Arrow IPC stream.

    Raises:
        RequestError: it is none, or holds compressed buffers.
    """
    try:
        _check_plain(content)
        with pa.ipc.open_stream(pa.BufferReader(content)) as reader:
            for batch in reader:
                batch.validate(full=True)
                yield batch
    except _UNREADABLE as error:
        raise RequestError(
            "The Arrow of an import cannot be read.", "Send whole IPC streams of record batches."
        ) from error


def _check_plain(content: bytes) -> None:
    for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(content)):
        if _is_compressed(message.type, message.metadata.to_pybytes()):
            raise RequestError(
                "The Arrow of an import is compressed.", "Write the stream uncompressed."
            )


def _is_compressed(kind: str, head: bytes) -> bool:
    """Whether a message's buffers are, by its FlatBuffers head."""
    if kind not in ("record batch", "dictionary"):
        return False
    batch = _table(head, _field(head, _table(head, 0), _HEADER))
    if kind == "dictionary":
        batch = _table(head, _field(head, batch, _DATA))
    return _field(head, batch, _COMPRESSION) != 0


def _table(head: bytes, at: int) -> int:
    """Where the table is whose offset stands at `at`."""
    return at + int(struct.unpack_from("<I", head, at)[0])


def _field(head: bytes, table: int, number: int) -> int:
    """Where a field of a table is; 0 for one that is not set."""
    entries = table - int(struct.unpack_from("<i", head, table)[0])
    entry = 4 + 2 * number
    if entry >= struct.unpack_from("<H", head, entries)[0]:
        return 0
    offset = int(struct.unpack_from("<H", head, entries + entry)[0])
    return table + offset if offset else 0
