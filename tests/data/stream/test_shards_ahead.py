"""Which shards are read, when, and how many are at hand."""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from striate.core.errors import UsageError
from striate.data.shards.cache import ShardCache
from striate.data.shards.folder import ShardFolder
from striate.data.shards.manifest import Manifest
from striate.data.storage import Source
from striate.data.stream.order import Order, default_window
from striate.data.stream.shard_prefetch import EXTRA, FETCHES
from striate.data.stream.spec import StreamSpec
from striate.data.stream.stream import Stream

pytestmark = pytest.mark.unit

SHARDS, ROWS, WINDOW = 60, 40, 120
BATCH = 20


class Watched(ShardFolder):
    """A folder of shards behind a cache, as if it were remote, that notes what is opened."""

    opened: list[str]

    def open(self, entry: Any) -> Any:
        self.opened.append(entry.file)
        return super().open(entry)


def watched(shards: Path, cache: ShardCache | None = None) -> Watched:
    folder = Watched(Source.of(shards), Manifest.load(shards), cache)
    folder.opened = []
    return folder


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, write_shards: Any) -> Path:
    folder = tmp_path_factory.mktemp("ahead") / "shards"
    return Path(write_shards(folder, (ROWS,) * SHARDS, size=2000))


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("cursor", [0, 1210, 2395])
def test_a_resume_reads_nothing_of_what_was_seen(
    shards: Path, telling: Any, cursor: int, threads: int
) -> None:
    """The window that holds the cursor, what comes next, and no other shard is opened."""
    folder = watched(shards)
    with Stream(
        folder,
        StreamSpec("train", BATCH, seed=1, pipeline=telling(), threads=threads, window=WINDOW),
        cursor=cursor,
    ) as stream:
        next(stream)
    order = Order((ROWS,) * SHARDS, 1, WINDOW)
    allowed = set(order.shards(cursor, ahead=4 + EXTRA))
    at_once = len(order.shards(cursor)) + EXTRA + 4  # and those due after the batches made ahead
    opened = {int(name[6:11]) for name in folder.opened}
    assert opened <= allowed
    assert len(folder.opened) == len(opened) <= at_once
    passed = set(order.shards(0)) - allowed
    assert cursor == 0 or passed
    assert not passed & opened


def bytes_in(folder: Path) -> int:
    """Size of what is there; files come and go meanwhile."""
    size = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            size += path.stat().st_size if path.is_file() else 0
    return size


def test_a_shard_is_read_about_once_an_epoch_from_a_small_cache(
    shards: Path, telling: Any, tmp_path: Path
) -> None:
    size = Manifest.load(shards).shards[0].bytes
    cache = ShardCache(tmp_path / "cache", 12 * size)
    folder = watched(shards, cache)
    largest = 0
    with Stream(
        folder, StreamSpec("train", BATCH, seed=1, pipeline=telling(), threads=2, window=WINDOW)
    ) as stream:
        rows = []
        for _ in range(SHARDS * ROWS // BATCH):
            rows.append(next(stream).rows)
            largest = max(largest, bytes_in(cache.folder))
    assert sorted(torch.cat(rows).tolist()) == list(range(SHARDS * ROWS))
    assert len(folder.opened) <= SHARDS + 14  # the next epoch's first ones too
    assert 0 < largest <= cache.limit_bytes + FETCHES * size  # and those that arrive


def test_memory_is_flat_while_a_corpus_twenty_times_the_cache_goes_by(
    tmp_path: Path, write_shards: Any, telling: Any
) -> None:
    shards = write_shards(tmp_path / "shards", (50,) * 200, size=30_000)  # 300 MB
    folder = watched(shards, ShardCache(tmp_path / "cache", 15_000_000))
    seen = []
    with Stream(
        folder, StreamSpec("train", 50, seed=1, pipeline=telling(), threads=2, window=100)
    ) as stream:
        for _ in range(200):
            next(stream)
            seen.append(resident_bytes())
    assert max(seen) - max(seen[:20]) < 10_000_000


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_shards_come_before_they_are_needed(shards: Path, telling: Any, tmp_path: Path) -> None:
    """What a worker asks for after the first window is open already."""
    late: list[str] = []

    class Late(Watched):
        def open(self, entry: Any) -> Any:
            if not threading.current_thread().name.startswith("striate-shards"):
                late.append(entry.file)
            return super().open(entry)

    folder = Late(Source.of(shards), Manifest.load(shards), None)
    folder.opened = []
    with Stream(
        folder,
        StreamSpec(
            "train", BATCH, seed=1, pipeline=telling(), threads=1, prefetch=1, window=WINDOW
        ),
    ) as stream:
        for _ in range(WINDOW // BATCH):
            next(stream)
        late.clear()
        for step in range(30):
            _until_open(stream, (WINDOW + step * BATCH) // WINDOW * WINDOW)
            next(stream)
    assert not late


def _until_open(stream: Stream, start: int) -> None:
    """Wait for the background to have what it was asked for, as a training step would."""
    assert stream._shards is not None
    for future in [stream._shards._pool.submit(int) for _ in range(1)]:
        future.result(timeout=10)


def test_a_cache_that_cannot_hold_a_window_is_refused(
    shards: Path, telling: Any, tmp_path: Path
) -> None:
    size = Manifest.load(shards).shards[0].bytes
    folder = watched(shards, ShardCache(tmp_path / "cache", 3 * size))
    with pytest.raises(UsageError, match="mixes 4 shards") as caught:
        Stream(folder, StreamSpec("train", BATCH, seed=1, pipeline=telling(), window=WINDOW))
    assert "cache_gb" in caught.value.remedy


def test_the_next_shards_are_those_that_the_order_reaches() -> None:
    order = Order((ROWS,) * SHARDS, 5, WINDOW)
    for cursor in (0, 130, 2399, 2400, 9999):
        listed = order.shards(cursor, ahead=30)
        assert len(set(listed)) == len(listed)
        met = dict.fromkeys((order.rows(cursor, 400) // ROWS).tolist())
        assert set(met) <= set(listed)
        assert set(order.shards(cursor)) <= set(listed)


def test_a_window_of_large_rows_is_smaller() -> None:
    assert default_window(1437, 1_200_000) == 65_536
    assert default_window(1_281_167, 140_000_000_000) < 65_536
    assert default_window(10, 10**13) == 1


@pytest.mark.parametrize("seed", range(3))
def test_the_shuffle_is_as_good_as_stated(seed: int) -> None:
    """docs/data.md states these for ImageNet's size: 640 shards of 2,000 rows."""
    from striate.data.stream.shuffle_quality import shuffle_quality

    quality = shuffle_quality(Order((2000,) * 640, seed))
    assert 0.9 < quality.displacement < 1.1
    assert 0.9 < quality.separation < 1.1
    assert quality.batch_spread > 0.15
    stored = shuffle_quality(Order((2000,) * 20, seed, window=1))
    assert stored.separation < 0.3
