"""MNIST's IDX files: big-endian headers, then bytes (LeCun, Cortes, Burges).

``0x00000803``, count, rows, columns, pixels for images; ``0x00000801``, count, classes for labels.
"""

import gzip
import hashlib
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import DataError
from striate.core.files import atomic_folder
from striate.data.shards.schema import (
    FieldKind,
    LabelColumn,
    OpenCorpus,
    PayloadColumn,
    Sample,
    Skipped,
)
from striate.data.storage import Source

IMAGES_MAGIC = 0x803
LABELS_MAGIC = 0x801
CLASSES = 10
SPLIT_STEMS = {"train": "train", "test": "t10k"}
_GZIP_MAGIC = b"\x1f\x8b"
_REMEDY = "Fetch the file again."

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class IdxSplit:
    """One split: `images` (n, height, width) and `labels` (n,), both uint8."""

    images: Bytes
    labels: Bytes


class IdxCorpus:
    """A folder of MNIST's four files, plain or gzipped."""

    def __init__(self, splits: Mapping[str, IdxSplit], source_sha256: str) -> None:
        self.splits = splits
        self.source_sha256 = source_sha256
        height, width = splits["train"].images.shape[1:]
        self.payload = PayloadColumn.raw(1, height, width)
        self.label = LabelColumn()
        self.labels = tuple(str(digit) for digit in range(CLASSES))
        self.fields: dict[str, FieldKind] = {}
        self.assets: dict[str, str] = {}

    @property
    def item_bytes(self) -> dict[str, NDArray[np.int64]]:
        """Split → bytes of each image: all alike."""
        size = np.int64(self.payload.size_bytes)
        return {
            name: np.full(len(split.labels), size, np.int64) for name, split in self.splits.items()
        }

    def read(self, split: str, start: int, stop: int) -> Iterator[Sample | Skipped]:
        """The digits ``start`` to ``stop`` of a split."""
        chosen = self.splits[split]
        for item in range(start, stop):
            yield Sample(item, chosen.images[item].tobytes(), int(chosen.labels[item]))


def open_mnist(source: Source) -> OpenCorpus:
    """Read a folder of MNIST's four IDX files.

    Raises:
        DataError: a file is missing, truncated or of another kind, images and labels differ in
            number or size, or a label is out of range; the message names the file.
    """
    digest = hashlib.sha256()
    splits = {name: _read_split(source, stem, digest) for name, stem in SPLIT_STEMS.items()}
    sizes = {split.images.shape[1:] for split in splits.values()}
    if len(sizes) > 1:
        raise DataError(f"The train and test images in {source} differ in size.", _REMEDY)
    return IdxCorpus(splits, digest.hexdigest())


def write_mnist(target: Path, splits: Mapping[str, IdxSplit]) -> None:
    """Write splits as MNIST's files into the folder `target`, whole or not at all.

    Raises:
        PlatformError: the disk is full.
    """
    with atomic_folder(target) as folder:
        for name, stem in SPLIT_STEMS.items():
            split = splits[name]
            header = struct.pack(">4I", IMAGES_MAGIC, *split.images.shape)
            (folder / f"{stem}-images-idx3-ubyte").write_bytes(header + split.images.tobytes())
            header = struct.pack(">2I", LABELS_MAGIC, len(split.labels))
            (folder / f"{stem}-labels-idx1-ubyte").write_bytes(header + split.labels.tobytes())


def read_idx(path: Path, magic: int) -> Bytes:
    """`decode_idx` of a local file."""
    return decode_idx(path.read_bytes(), magic, str(path))


def decode_idx(content: bytes, magic: int, name: str) -> Bytes:
    """The array of one IDX file of unsigned bytes.

    Args:
        content: of the file, plain or gzipped whatever its name says.
        magic: the kind expected, `IMAGES_MAGIC` or `LABELS_MAGIC`; its low byte is the number
            of dimensions.
        name: of the file, for messages.

    Raises:
        DataError: another magic number, or fewer or more bytes than the header announces.
    """
    content = _unpacked(content, name)
    dimensions = magic & 0xFF
    header_bytes = 4 + 4 * dimensions
    if len(content) < header_bytes:
        raise DataError(f"{name} is truncated: it ends inside its header.", _REMEDY)
    found, *shape = struct.unpack(f">{1 + dimensions}I", content[:header_bytes])
    if found != magic:
        raise DataError(f"{name} has the magic number {found:#x} instead of {magic:#x}.", _REMEDY)
    expected, held = int(np.prod(shape, dtype=object)), len(content) - header_bytes
    if held != expected:
        what = "is truncated" if held < expected else "is too long"
        raise DataError(
            f"{name} {what}: its header announces {expected} bytes and {held} follow.", _REMEDY
        )
    return np.frombuffer(content, np.uint8, offset=header_bytes).reshape(shape)


def _read_split(source: Source, stem: str, digest: "hashlib._Hash") -> IdxSplit:
    images_file = _find(source, f"{stem}-images", "idx3-ubyte")
    labels_file = _find(source, f"{stem}-labels", "idx1-ubyte")
    images = decode_idx(source.read(images_file), IMAGES_MAGIC, source.named(images_file))
    labels = decode_idx(source.read(labels_file), LABELS_MAGIC, source.named(labels_file))
    if len(images) != len(labels):
        raise DataError(
            f"{source.named(images_file)} holds {len(images)} images and {labels_file}"
            f" {len(labels)} labels.",
            "Fetch both files again.",
        )
    wrong = np.flatnonzero(labels >= CLASSES)
    if len(wrong):
        raise DataError(
            f"{source.named(labels_file)} has the label {labels[wrong[0]]} at row {wrong[0]};"
            f" labels go from 0 to {CLASSES - 1}.",
            _REMEDY,
        )
    for array in (images, labels):
        digest.update(repr(array.shape).encode())
        digest.update(array.tobytes())
    return IdxSplit(images, labels)


def _find(source: Source, stem: str, kind: str) -> str:
    for name in (f"{stem}-{kind}", f"{stem}-{kind}.gz", f"{stem}.{kind}", f"{stem}.{kind}.gz"):
        if source.exists(name):
            return name
    raise DataError(
        f"{source} has no file {stem}-{kind}, plain or as .gz.",
        "Name the folder that holds MNIST's four IDX files.",
    )


def _unpacked(raw: bytes, name: str) -> bytes:
    if not raw.startswith(_GZIP_MAGIC):
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{name} is truncated or damaged: {error}.", _REMEDY) from None
