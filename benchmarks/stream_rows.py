"""What the stream costs beside decoding: starting, resuming, memory, and how well it shuffles.

    python benchmarks/stream_rows.py [--quick] [--json]

Shards are synthetic, so that no decoding hides what is measured. Where less is better, the row
holds what there is of it in a second, or compares the peer's figure with ours.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))

from harness import Row, interleaved, main

from striate.data.pipelines.base import Places, Stored
from striate.data.shards.cache import ShardCache
from striate.data.shards.folder import ShardFolder
from striate.data.shards.manifest import MANIFEST_FILE, Columns, Manifest, ShardEntry
from striate.data.shards.schema import (
    PayloadColumn,
    Sample,
)
from striate.data.shards.shard import write_shard
from striate.data.storage import Source, Target
from striate.data.stream.order import Order
from striate.data.stream.shuffle_quality import shuffle_quality
from striate.data.stream.spec import StreamSpec
from striate.data.stream.stream import Stream

COLUMNS = Columns(payload=PayloadColumn(kind="image"))
TEN_MILLION = 10_000_000
MB = 1_000_000


@dataclass(frozen=True)
class Touch:
    """Reads every byte of a payload and decodes none."""

    units_per_row: int | None = 1

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        sums = [sum(bytes(sample.payload)[::64]) for sample in stored]
        return {"images": torch.tensor(sums, dtype=torch.float32), "labels": torch.tensor(sums)}


def rows(quick: bool) -> list[Row]:
    """All rows; under a minute when `quick`."""
    with tempfile.TemporaryDirectory(prefix="striate-stream-") as name:
        folder = Path(name)
        return [
            *_starts(folder / "million", quick),
            _memory(folder / "twenty", quick),
            *_shuffles(),
        ]


def _starts(folder: Path, quick: bool) -> list[Row]:
    """Ten million rows in 5,000 shards: from nothing to the first batch, and after a resume."""
    _linked_shards(folder, shards=5000, rows=TEN_MILLION // 5000)
    middle = TEN_MILLION // 2 + 12_345
    first, resumed = interleaved(
        [lambda: 1 / _first_batch_s(folder, 0), lambda: 1 / _first_batch_s(folder, middle)],
        5 if quick else 15,
    )
    return [
        Row("10 million rows to the first batch, against 2 s", first, 0.5, "1/s", at_least=1.0),
        Row("first batch in mid-epoch, against position 0", resumed, first, "1/s", 1 / 1.2),
    ]


def _first_batch_s(folder: Path, cursor: int) -> float:
    """Seconds from the folder's name to a batch: the best of three, for other load falls on one."""
    return min(_start_s(folder, cursor) for _ in range(3))


def _start_s(folder: Path, cursor: int) -> float:
    began = time.perf_counter()
    with Stream(
        folder, StreamSpec("train", 256, seed=1, pipeline=Touch()), cursor=cursor
    ) as stream:
        next(stream)
        return time.perf_counter() - began


def _memory(folder: Path, quick: bool) -> Row:
    """Resident memory while a corpus 20 times as large as the cache goes by."""
    cache_bytes = (32 if quick else 128) * MB
    _linked_shards(folder, shards=400, rows=100, size=cache_bytes * 20 // 40_000, linked=False)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        early, later = alone.submit(_peaks, folder, cache_bytes).result()
    name = f"peak memory, corpus 20 times the cache of {cache_bytes // MB} MB: first tenth / rest"
    return Row(name, early, later, "MB", at_least=0.95)


def _peaks(folder: Path, cache_bytes: int) -> tuple[float, float]:
    """Peak resident MB in the first tenth of an epoch and in the rest of it."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as cached:
        cache = ShardCache(Path(cached), cache_bytes)
        remote = ShardFolder(Source.of(folder), Manifest.load(folder), cache)
        seen: list[float] = []
        with Stream(
            remote, StreamSpec("train", 100, seed=1, pipeline=Touch(), threads=2, window=500)
        ) as stream:
            for _ in range(400):
                next(stream)
                seen.append(_resident_mb())
    return max(seen[:40]), max(seen[40:])


def _shuffles() -> Iterator[Row]:
    """An epoch of ImageNet's size in 640 shards, at the default window; a full shuffle is 1."""
    quality = shuffle_quality(Order((2000,) * 640, seed=1))
    yield Row("shuffle: displacement against a full one", quality.displacement, 1.0, "", 0.9)
    yield Row("shuffle: separation against a full one", quality.separation, 1.0, "", 0.9)
    yield Row("shuffle: shards in a batch against a full one", quality.batch_spread, 1.0, "")


def _linked_shards(
    folder: Path, *, shards: int, rows: int, size: int = 64, linked: bool = True
) -> None:
    """Shards of equal rows; `linked`: one file under many names, its rows being of no interest."""
    folder.mkdir()
    entries: list[ShardEntry] = []
    for index in range(shards):
        file = f"train-{index:05d}.arrow"
        if linked and entries:
            os.link(folder / entries[0].file, folder / file)
            entries.append(entries[0].model_copy(update={"file": file}))
        else:
            entries.append(_shard(folder, file, rows, size))
    manifest = Manifest(
        corpus="synthetic",
        columns=COLUMNS,
        splits={"train": shards * rows},
        labels=("one",),
        shards=tuple(entries),
        source_sha256="0" * 64,
        shard_mb=1.0,
    )
    (folder / MANIFEST_FILE).write_text(manifest.to_json())


def _shard(folder: Path, file: str, rows: int, size: int) -> ShardEntry:
    samples = (Sample(row, os.urandom(size), 0, key=f"{file}/{row}") for row in range(rows))
    return write_shard(Target.of(folder), file, "train", COLUMNS, 1, samples)


def _resident_mb() -> float:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    raise AssertionError("this kernel does not say how much memory a process has")


if __name__ == "__main__":
    main(rows, "What the stream costs beside decoding.", "five rounds, and a cache of 32 MB")
