"""Shards: Arrow IPC files of images and labels, each written whole or not at all.

Any Arrow reader opens one; they are memory-mapped here, after their hash was checked.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from striate.core.errors import DataError
from striate.core.files import sha256_of, write_atomic
from striate.data.corpora.base import ImageColumn, Sample, Skipped
from striate.data.manifest import MANIFEST_FILE, Manifest, ShardEntry

__all__ = ["MANIFEST_FILE", "Manifest", "Shard", "VerifyReport", "open_shard", "verify"]

_REMEDY = "Run `striate data ingest` again: it mends what is damaged and keeps the rest."


@dataclass(frozen=True)
class Shard:
    """An open shard.

    Attributes:
        images: (rows, channels, height, width) uint8, a view of the mapped file.
        labels: (rows,) int64.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class VerifyReport:
    """What `verify` found in a folder of shards that is whole."""

    corpus: str
    shards: int
    bytes: int
    splits: dict[str, int]
    sha256: str


def write_shard(
    path: Path, split: str, image: ImageColumn, items: Iterable[Sample | Skipped]
) -> ShardEntry:
    """Write the items of one shard.

    Returns:
        The shard's entry in the manifest.

    Raises:
        PlatformError: the disk is full; no file of that name appears.
    """
    images, labels, rows = bytearray(), [], []
    skipped: Counter[str] = Counter()
    for item in items:
        if isinstance(item, Skipped):
            skipped[item.reason] += 1
            continue
        images += item.image
        labels.append(item.label)
        rows.append(item.item)
    content = _arrow_file(image, images, labels, rows)
    write_atomic(path, content)
    return ShardEntry(
        file=path.name,
        split=split,
        rows=len(rows),
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        skipped=dict(sorted(skipped.items())),
    )


def is_whole(target: Path, entry: ShardEntry) -> bool:
    """Whether a shard is there with the size and hash that its entry says."""
    path = target / entry.file
    return path.is_file() and path.stat().st_size == entry.bytes and sha256_of(path) == entry.sha256


def open_shard(target: Path, entry: ShardEntry, image: ImageColumn) -> Shard:
    """Check a shard's hash and map it into memory.

    Raises:
        DataError: the shard is missing or damaged; the message names it.
    """
    path = target / entry.file
    if not path.is_file():
        raise DataError(f"The shard {path} is missing.", _REMEDY)
    if not is_whole(target, entry):
        raise DataError(f"The shard {path} is damaged: its hash differs.", _REMEDY)
    with pa.memory_map(str(path)) as file:
        table = pa.ipc.open_file(file).read_all()
    if table.num_rows != entry.rows:
        raise DataError(f"The shard {path} has {table.num_rows} rows, not {entry.rows}.", _REMEDY)
    if entry.rows == 0:
        return Shard(np.zeros((0, *image.shape), np.uint8), np.zeros(0, np.int64))
    column = table.column("image").chunk(0)
    pixels = np.frombuffer(column.buffers()[1], np.uint8, entry.rows * image.size_bytes)
    labels = table.column("label").to_numpy().astype(np.int64)
    return Shard(pixels.reshape(entry.rows, *image.shape), labels)


def verify(target: Path | str) -> VerifyReport:
    """Recheck the hash and row count of every shard in a folder.

    Raises:
        DataError: the manifest or a shard is missing or damaged, or a label is out of range; the
            message names the first such file and how many there are.
    """
    folder = Path(target)
    manifest = Manifest.load(folder)
    wrong = []
    for entry in manifest.shards:
        try:
            _check_labels(
                folder / entry.file,
                open_shard(folder, entry, manifest.columns.image),
                len(manifest.labels),
            )
        except DataError as error:
            wrong.append(error)
    if wrong:
        more = f" {len(wrong) - 1} more are damaged too." if len(wrong) > 1 else ""
        raise DataError(wrong[0].message + more, wrong[0].remedy)
    return VerifyReport(
        corpus=manifest.corpus,
        shards=len(manifest.shards),
        bytes=manifest.bytes,
        splits=dict(manifest.splits),
        sha256=manifest.sha256,
    )


def _check_labels(path: Path, shard: Shard, classes: int) -> None:
    if len(shard.labels) and not 0 <= shard.labels.min() <= shard.labels.max() < classes:
        raise DataError(f"The shard {path} has labels outside 0 to {classes - 1}.", _REMEDY)


def _arrow_file(image: ImageColumn, images: bytearray, labels: list[int], rows: list[int]) -> bytes:
    """One record batch as an Arrow IPC file; the same bytes for the same samples."""
    kind = pa.binary(image.size_bytes)
    metadata = {"image": image.model_dump_json()}
    pixels = pa.Array.from_buffers(kind, len(rows), [None, pa.py_buffer(bytes(images))])
    batch = pa.record_batch(
        [pixels, pa.array(labels, pa.int32()), pa.array(rows, pa.int64())],
        schema=pa.schema(
            [("image", kind), ("label", pa.int32()), ("item", pa.int64())], metadata=metadata
        ),
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())
