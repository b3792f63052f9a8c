"""The local cache: bounded, shared, nothing taken from under a reader, nothing damaged let in."""

import hashlib
import multiprocessing
import os
import shutil
from pathlib import Path

import pytest

from striate.core.errors import DataError
from striate.data.shards.cache import ShardCache
from striate.data.shards.folder import ShardFolder
from striate.data.shards.manifest import Manifest, ShardEntry
from striate.data.shards.shard import read_shard
from striate.data.storage import Source

pytestmark = pytest.mark.unit


@pytest.fixture
def remote(many_shards: Path, tmp_path: Path) -> Path:
    """Shards elsewhere: a cache takes any place."""
    return Path(shutil.copytree(many_shards, tmp_path / "remote"))


def entries(folder: Path) -> tuple[ShardEntry, ...]:
    return Manifest.load(folder).split_shards("train")


def kept(cache: ShardCache) -> set[str]:
    return {path.stem for path in cache.folder.glob("*.arrow")}


def test_a_shard_is_fetched_once(remote: Path, tmp_path: Path) -> None:
    cache = ShardCache(tmp_path / "cache", 10**9)
    entry = entries(remote)[0]
    path = cache.fetch(Source.of(remote), entry).path
    assert path.read_bytes() == (remote / entry.file).read_bytes()
    (remote / entry.file).unlink()
    assert cache.fetch(Source.of(remote), entry).path == path


def test_the_least_recently_opened_goes_first(remote: Path, tmp_path: Path) -> None:
    four = entries(remote)[:4]
    cache = ShardCache(tmp_path / "cache", sum(entry.bytes for entry in four[:3]) + 1000)
    for at, entry in enumerate((*four[:3], four[0])):
        held = cache.fetch(Source.of(remote), entry)
        os.utime(held.path, (at, at))  # a clock that is fine enough
        held.close()
    cache.fetch(Source.of(remote), four[3]).close()
    assert kept(cache) == {four[0].sha256, four[2].sha256, four[3].sha256}
    assert cache.bytes <= cache.limit_bytes


def test_what_is_in_use_stays(remote: Path, tmp_path: Path) -> None:
    first, *others = entries(remote)[:6]
    cache = ShardCache(tmp_path / "cache", 2 * first.bytes)
    held = cache.fetch(Source.of(remote), first)
    os.utime(held.path, (0, 0))  # the least recently opened of all
    columns = Manifest.load(remote).columns
    shard = read_shard(held.path, first, columns, held)
    del held
    before = shard.images.copy()
    for entry in others:
        cache.fetch(Source.of(remote), entry).close()
        assert first.sha256 in kept(cache)
    assert (shard.images == before).all()
    del shard
    cache.evict()
    os.utime(cache.folder / f"{first.sha256}.arrow", (0, 0))
    cache.evict(2 * first.bytes)
    assert first.sha256 not in kept(cache)


@pytest.mark.parametrize("how", ["flip", "cut", "longer"])
def test_damage_is_found_on_arrival(remote: Path, tmp_path: Path, how: str) -> None:
    entry = entries(remote)[2]
    path = remote / entry.file
    content = bytearray(path.read_bytes())
    if how == "flip":
        content[len(content) // 3] ^= 16
    path.write_bytes({"flip": content, "cut": content[:-1], "longer": content + b"!"}[how])
    cache = ShardCache(tmp_path / "cache", 10**9)
    with pytest.raises(DataError, match=f"{entry.file} is damaged"):
        cache.fetch(Source.of(remote), entry)
    assert not kept(cache)
    (remote / entry.file).unlink()
    with pytest.raises(DataError, match=f"{entry.file} is missing"):
        cache.fetch(Source.of(remote), entry)


def test_a_cached_shard_that_was_cut_is_fetched_anew(remote: Path, tmp_path: Path) -> None:
    cache = ShardCache(tmp_path / "cache", 10**9)
    entry = entries(remote)[0]
    path = cache.fetch(Source.of(remote), entry).path
    path.write_bytes(path.read_bytes()[:100])
    assert cache.fetch(Source.of(remote), entry).path.stat().st_size == entry.bytes


def test_what_a_killed_download_left_goes(remote: Path, tmp_path: Path) -> None:
    cache = ShardCache(tmp_path / "cache", 10**9)
    cache.fetch(Source.of(remote), entries(remote)[0])
    left = cache.folder / f".arriving-{entries(remote)[1].sha256}.arrow"
    left.write_bytes(b"half")
    cache.evict()
    assert not left.exists()


def _read_all(remote: str, cache: ShardCache, rounds: int) -> None:
    """Fetch every shard many times, and hold each to its hash while it is held."""
    wanted = entries(Path(remote))
    for at in range(rounds * len(wanted)):
        entry = wanted[(at * 7 + os.getpid()) % len(wanted)]
        held = cache.fetch(Source.of(remote), entry)
        assert hashlib.sha256(held.file.read()).hexdigest() == entry.sha256
        assert held.path.exists()
        held.close()


def test_several_processes_share_a_small_cache(remote: Path, tmp_path: Path) -> None:
    """Three processes want a dozen shards of a cache that holds four."""
    cache = ShardCache(tmp_path / "cache", 4 * entries(remote)[0].bytes)
    context = multiprocessing.get_context("fork")
    readers = [context.Process(target=_read_all, args=(str(remote), cache, 10)) for _ in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)
    assert [reader.exitcode for reader in readers] == [0, 0, 0]
    cache.evict()
    assert cache.bytes <= cache.limit_bytes
    assert not list(cache.folder.glob(".arriving-*"))


def test_remote_shards_go_through_the_cache_of_the_settings(
    s3: object, many_shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from striate.data.storage import Target

    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))
    bucket = Target.of(s3.bucket())  # type: ignore[attr-defined]
    for path in many_shards.iterdir():
        bucket.write(path.name, path.read_bytes())
    folder = ShardFolder.of(bucket)
    entry = folder.manifest.split_shards("test")[0]
    labels = folder.open(entry).labels
    assert labels.tolist() == ShardFolder.of(many_shards).open(entry).labels.tolist()
    assert folder.cache is not None
    assert kept(folder.cache) == {entry.sha256}
    assert folder.cache.folder == tmp_path / "home" / "cache" / "shards"
