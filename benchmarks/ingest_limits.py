"""What the data path holds in memory, and how soon it begins, each in a process of its own.

python ingest_limits.py memory FOLDER   prints two peaks of resident memory, in MB
python ingest_limits.py start FOLDER    prints seconds to the first batch
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from harness import Row

from striate.data.cache import ShardCache
from striate.data.folder import ShardFolder
from striate.data.ingest import ingest
from striate.data.manifest import MANIFEST_FILE, Manifest
from striate.data.pipelines import pipeline_of
from striate.data.storage import Source
from striate.data.stream import Stream

ROWS = 10_000_000
START_LIMIT_S = 2.0
SMALLER = 20  # how many times the cache fits into the corpus


def memory_row(place: Path) -> Row:
    """Peak memory in the first tenth of an epoch against that of all of it.

    The shards, of 1 MB, are read through a cache of a twentieth of their size.
    """
    ingest("imagenet", place, place / "small", shard_mb=1)
    early, whole = json.loads(_python("memory", place / "small"))
    name = f"memory: peak in a tenth of an epoch / in two epochs, corpus {SMALLER} times the cache"
    return Row(name, early, whole, "MB", 0.9)


def first_batch_row(place: Path) -> Row:
    """Openings a second, up to the first batch, of a manifest of ten million rows."""
    with TemporaryDirectory(dir=place) as folder:
        _write_many(Path(folder))
        seconds = float(_python("start", Path(folder)))
    name = f"start: first batch of {ROWS:,} rows in {seconds:.2f} s, limit {START_LIMIT_S:g} s"
    return Row(name, 1 / seconds, 1 / START_LIMIT_S, "1/s", 1.0)


def peaks(shards: Path) -> tuple[float, float]:
    """Peak resident memory in MB in the first tenth of an epoch, and in two epochs."""
    manifest = Manifest.load(shards)
    process, peak, early = psutil.Process(), 0.0, 0.0
    with TemporaryDirectory() as folder:
        cache = ShardCache(Path(folder), manifest.bytes // SMALLER)
        pipeline = pipeline_of("imagenet-train", {"size": 64, "shorter": (64, 64)}, training=True)
        with Stream(
            ShardFolder(Source.of(shards), manifest, cache),
            "train",
            batch_size=32,
            seed=0,
            pipeline=pipeline,
            threads=2,
            window=256,
        ) as stream:
            while stream.cursor < 2 * stream.rows_per_epoch:
                next(stream)
                peak = max(peak, process.memory_info().rss / 1e6)
                if stream.cursor <= stream.rows_per_epoch // 10:
                    early = peak
    return early, peak


def seconds_to_first_batch(shards: Path) -> float:
    """From a path to a batch of 64."""
    began = time.perf_counter()
    with Stream(shards, "train", batch_size=64, seed=0, threads=1) as stream:
        assert stream.rows_per_epoch >= ROWS
        next(stream)
        return time.perf_counter() - began


def _write_many(folder: Path) -> None:
    """Ten million rows of digits: the same shard under many names."""
    ingest("digits", folder / "digits", folder / "one")
    one = Manifest.load(folder / "one")
    entry = next(shard for shard in one.shards if shard.split == "train")
    count = -(-ROWS // entry.rows)
    names = [f"train-{number:06d}.arrow" for number in range(count)]
    for name in names:
        os.link(folder / "one" / entry.file, folder / name)
    many = one.model_copy(
        update={
            "splits": {"train": count * entry.rows},
            "shards": tuple(entry.model_copy(update={"file": name}) for name in names),
        }
    )
    (folder / MANIFEST_FILE).write_text(many.to_json(), encoding="utf-8")


def _python(what: str, folder: Path) -> str:
    command = [sys.executable, __file__, what, str(folder)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    if sys.argv[1] == "memory":
        print(json.dumps(peaks(Path(sys.argv[2]))))
    else:
        print(seconds_to_first_batch(Path(sys.argv[2])))
