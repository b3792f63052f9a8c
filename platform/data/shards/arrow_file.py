"""The Arrow files that shards are: one record batch each, the same bytes for the same samples."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
import pyarrow as pa

from striate.core.errors import DataError
from striate.data.shards.manifest import KEYS_KEPT, Columns
from striate.data.shards.schema import (
    UNKNOWN,
    FieldKind,
    Sample,
    Skipped,
    dense_classes,
)
from striate.data.transforms.end_marker import lacks_end_marker

FIELD_TYPES: dict[FieldKind, pa.DataType] = {
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "string": pa.string(),
    "binary": pa.large_binary(),
    "list<int32>": pa.list_(pa.int32()),
    "list<float32>": pa.list_(pa.float32()),
    "list<string>": pa.list_(pa.string()),
}
LABEL_TYPES: dict[str, pa.DataType | None] = {
    "class": pa.int32(),
    "multi": pa.list_(pa.int32()),
    "frames": pa.list_(pa.int32()),
    "dense": pa.large_binary(),
    "none": None,
}
NO_END = "JPEG image without an end marker"
"""The flaw of an image that is decoded as browsers do where it lacks nothing else."""


@dataclass
class Gathered:
    """The samples of one shard, and what was left out of it.

    Attributes:
        payloads: all payloads, end to end.
        sizes: bytes of each.
        columns: the other Arrow columns' values.
        skipped: reason → the first keys (at most `KEYS_KEPT`).
        counts: reason → samples left out.
        flawed: flaw → the first keys of samples that are stored in spite of it.
        flaws: flaw → such samples.
    """

    payloads: bytearray = field(default_factory=bytearray)
    sizes: list[int] = field(default_factory=list)
    columns: dict[str, list[object]] = field(default_factory=dict)
    skipped: dict[str, list[str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    flawed: dict[str, list[str]] = field(default_factory=dict)
    flaws: dict[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Samples gathered."""
        return len(self.sizes)


def schema(columns: Columns) -> pa.Schema:
    """The Arrow schema of a corpus's shards."""
    raw = columns.payload.kind == "raw"
    types: dict[str, pa.DataType | None] = {
        "payload": pa.binary(columns.payload.size_bytes) if raw else pa.large_binary(),
        "label": LABEL_TYPES[columns.label.kind],
        "key": pa.string(),
        "item": pa.int64(),
    }
    types |= {name: FIELD_TYPES[kind] for name, kind in columns.fields.items()}
    metadata = {"payload": columns.payload.model_dump_json(), "label": columns.label.kind}
    return pa.schema(
        [(name, kind) for name, kind in types.items() if kind is not None], metadata=metadata
    )


def gather(columns: Columns, classes: int, items: Iterable[Sample | Skipped]) -> Gathered:
    """Collect the samples of a shard; one that cannot be stored is counted as skipped.

    Args:
        columns: what each sample must have.
        classes: labels go from 0 to one less (from −1 for dense labels).
        items: the shard's part of the corpus.
    """
    names = schema(columns).names[1:]
    found = Gathered(columns={name: [] for name in names})
    seen: set[str] = set()
    for item in items:
        reason = item.reason if isinstance(item, Skipped) else _wrong(columns, classes, item, seen)
        if reason is None:
            assert isinstance(item, Sample)
            _keep(found, item)
            seen.add(item.key)
            if columns.payload.kind == "image" and lacks_end_marker(item.payload):
                _count(item, NO_END, found.flaws, found.flawed)
        else:
            _count(item, reason, found.counts, found.skipped)
    return found


def record_batch(columns: Columns, found: Gathered) -> pa.RecordBatch:
    """The shard's content; its payloads are not copied."""
    arrow = schema(columns)
    payloads = pa.py_buffer(found.payloads)
    if columns.payload.kind == "raw":
        buffers = [None, payloads]
    else:
        offsets = np.fromiter(accumulate(found.sizes, initial=0), np.int64, found.rows + 1)
        buffers = [None, pa.py_buffer(offsets), payloads]
    arrays = [pa.Array.from_buffers(arrow.field("payload").type, found.rows, buffers)]
    arrays += [pa.array(values, arrow.field(name).type) for name, values in found.columns.items()]
    return pa.record_batch(arrays, schema=arrow)


def _count(
    item: Sample | Skipped, reason: str, counts: dict[str, int], names: dict[str, list[str]]
) -> None:
    counts[reason] = counts.get(reason, 0) + 1
    keys = names.setdefault(reason, [])
    if len(keys) < KEYS_KEPT:
        keys.append(item.key or f"item {item.item}")


def _keep(found: Gathered, sample: Sample) -> None:
    found.payloads += sample.payload
    found.sizes.append(len(sample.payload))
    own = {"label": sample.label, "key": sample.key, "item": sample.item}
    for name, values in found.columns.items():
        values.append(own[name] if name in own else sample.fields[name])


def _wrong(columns: Columns, classes: int, sample: Sample, seen: set[str]) -> str | None:
    """Why a sample cannot be stored, or None."""
    if columns.payload.kind == "raw" and len(sample.payload) != columns.payload.size_bytes:
        raise DataError(
            f"{sample.key or f'Item {sample.item}'} has {len(sample.payload)} bytes,"
            f" not {columns.payload.size_bytes}."
        )
    if columns.payload.kind != "raw" and not sample.payload:
        return "empty file"
    if sample.key and sample.key in seen:
        return "duplicated key"
    low, high = _label_range(columns.label.kind, sample)
    return None if low is None or -1 < low <= high < classes else "label out of range"


def _label_range(kind: str, sample: Sample) -> tuple[int | None, int]:
    """The smallest and the largest class of a sample; dense labels may be unknown."""
    label = sample.label
    if kind == "none":
        return None, 0
    if isinstance(label, int):
        return label, label
    values = dense_classes(label) if isinstance(label, bytes) else np.asarray(label)
    if not len(values):
        return None, 0
    low, high = int(values.min()), int(values.max())
    if kind == "dense":
        return (0, max(high, 0)) if low == UNKNOWN else (low, high)
    return low, high
