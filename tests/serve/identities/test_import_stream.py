"""Arrow of an import: plain streams are read, compressed and broken ones are refused."""

from typing import Any

import pyarrow as pa
import pytest

from striate.core.errors import RequestError
from striate.serve.identities.import_stream import read_batches

pytestmark = pytest.mark.unit

PLAIN = pa.table({"photo_id": ["a" * 1000] * 100, "more": pa.array(["x", "y"] * 50)})
CODED = PLAIN.set_column(1, "more", PLAIN["more"].dictionary_encode())


def stream(table: Any, compression: str | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=30)
    return bytes(sink.getvalue())


@pytest.mark.parametrize("table", [PLAIN, CODED, PLAIN.slice(0, 0)])
def test_plain_streams_are_read(table: Any) -> None:
    assert sum(batch.num_rows for batch in read_batches(stream(table))) == len(table)


@pytest.mark.parametrize("table", [PLAIN, CODED])
@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_compressed_streams_are_refused_before_they_are_inflated(
    table: Any, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = stream(table, codec)
    assert len(content) < len(stream(table)) / 4
    monkeypatch.setattr(pa.ipc, "open_stream", None)
    with pytest.raises(RequestError, match="is compressed"):
        next(read_batches(content))


@pytest.mark.parametrize("part", [slice(0, 0), slice(0, 100), slice(0, -200), slice(3, None)])
def test_what_is_no_stream_is_refused(part: slice) -> None:
    with pytest.raises(RequestError, match="cannot be read"):
        list(read_batches(stream(PLAIN)[part]))
