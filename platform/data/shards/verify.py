"""Whether a folder or bucket of shards is what its manifest says."""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from striate.core.errors import DataError
from striate.data.shards.manifest import Manifest, ShardEntry
from striate.data.shards.schema import UNKNOWN
from striate.data.shards.shard import DAMAGED_REMEDY, Shard, open_shard, shard_of
from striate.data.storage import Source

_THREADS = 8


@dataclass(frozen=True)
class VerifyReport:
    """What `verify` found in a folder of shards that is whole."""

    corpus: str
    shards: int
    bytes: int
    splits: dict[str, int]
    sha256: str


def verify(
    target: Path | str | Source, progress: Callable[[int, int], None] | None = None
) -> VerifyReport:
    """Recheck the hash, row count and labels of every shard, and the files that go along.

    Several shards are checked at a time; remote ones are read past the local cache.

    Args:
        target: path or URI of the shards.
        progress: called with (shards checked, all shards).

    Raises:
        DataError: the manifest or a shard is missing or damaged, or a label is out of range; the
            message names the first such file and how many there are.
        PlatformError: the place does not answer or refuses.
    """
    place = Source.of(target)
    manifest = Manifest.load(place)
    wrong = _wrong_assets(place, manifest)
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        checks = pool.map(lambda entry: _wrong_shard(place, manifest, entry), manifest.shards)
        for done, error in enumerate(checks, 1):
            if error is not None:
                wrong.append(error)
            if progress is not None:
                progress(done, len(manifest.shards))
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


def _wrong_assets(place: Source, manifest: Manifest) -> list[DataError]:
    wrong = []
    for name, sha256 in manifest.assets.items():
        if not place.exists(name) or hashlib.sha256(place.read(name)).hexdigest() != sha256:
            wrong.append(DataError(f"{place.named(name)} is missing or damaged.", DAMAGED_REMEDY))
    return wrong


def _wrong_shard(place: Source, manifest: Manifest, entry: ShardEntry) -> DataError | None:
    try:
        shard = _opened(place, manifest, entry)
    except DataError as error:
        return error
    labels = _labels(shard)
    lowest = UNKNOWN if manifest.columns.label.kind == "dense" else 0
    if len(labels) and not lowest <= labels.min() <= labels.max() < len(manifest.labels):
        return DataError(
            f"The shard {place.named(entry.file)} has labels outside {lowest} to"
            f" {len(manifest.labels) - 1}.",
            DAMAGED_REMEDY,
        )
    return None


def _opened(place: Source, manifest: Manifest, entry: ShardEntry) -> Shard:
    if place.local is not None:
        return open_shard(place.local, entry, manifest.columns)
    name = place.named(entry.file)
    if not place.exists(entry.file):
        raise DataError(f"The shard {name} is missing.", DAMAGED_REMEDY)
    content = place.read(entry.file)
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise DataError(f"The shard {name} is damaged: its hash differs.", DAMAGED_REMEDY)
    return shard_of(pa.BufferReader(content), name, entry, manifest.columns)


def _labels(shard: Shard) -> "np.ndarray[tuple[int, ...], np.dtype[np.integer]]":
    """All class numbers in a shard, end to end."""
    kind = shard.columns.label.kind
    if kind == "none" or not shard.rows:
        return np.zeros(0, np.int64)
    if kind == "class":
        return shard.labels
    if kind == "dense":
        return np.concatenate([shard.dense_label(row) for row in range(shard.rows)])
    return np.asarray(shard.batch.column("label").flatten().to_numpy())
