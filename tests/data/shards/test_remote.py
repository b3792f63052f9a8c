"""Buckets: the same shards as in a folder, and whatever goes wrong there said and survived."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from striate.core.errors import DataError, PlatformError, UsageError
from striate.data.ingest.ingest import ingest
from striate.data.shards.cache import ShardCache
from striate.data.shards.folder import ShardFolder
from striate.data.shards.manifest import Manifest
from striate.data.shards.verify import verify
from striate.data.storage import Source, Target

pytestmark = pytest.mark.unit

SHARD_MB = 0.1


class Server(Protocol):
    """What these tests need of the S3 server."""

    def bucket(self) -> str: ...

    def uri(self, bucket: str, prefix: str = "") -> str: ...

    def refuse(self, refusing: bool) -> None: ...


@pytest.fixture
def bucket(s3: Server) -> str:
    """A place in an empty bucket."""
    place, _, query = s3.bucket().partition("?")
    return f"{place}/shards/digits?{query}"


def content(place: Path | str) -> dict[str, bytes]:
    """Every file of a folder or prefix."""
    source = Source.of(place)
    return {e.path: source.read(e.path) for e in source.list("", recursive=True) if not e.is_dir}


def test_a_bucket_gets_the_same_shards(bucket: str, digits_source: Path, many_shards: Path) -> None:
    report = ingest("digits", digits_source, bucket, shard_mb=SHARD_MB)
    assert content(bucket) == content(many_shards)
    again = ingest("digits", digits_source, bucket, shard_mb=SHARD_MB)
    assert (again.written, again.kept) == (0, report.shards)
    assert "testing" not in report.target
    assert verify(bucket).splits == {"train": 1437, "test": 360}


def test_a_corpus_is_read_from_a_bucket(
    s3: Server, digits_source: Path, many_shards: Path, tmp_path: Path
) -> None:
    bucket = Target.of(s3.bucket())
    for path in digits_source.iterdir():
        bucket.write(path.name, path.read_bytes())
    ingest("mnist", bucket, tmp_path / "shards", shard_mb=SHARD_MB)
    shards = {name: data for name, data in content(many_shards).items() if "arrow" in name}
    assert {n: d for n, d in content(tmp_path / "shards").items() if "arrow" in n} == shards


@pytest.mark.parametrize("use", [ingest, lambda _, source, target: verify(target)])
def test_a_lost_bucket_is_said(
    s3: Server, digits_source: Path, use: Callable[[str, Path, str], object]
) -> None:
    with pytest.raises((PlatformError, DataError), match="s3://gone/shards") as caught:
        use("digits", digits_source, s3.uri("gone", "/shards"))
    assert "testing" not in str(caught.value)


def test_a_lost_bucket_is_said_before_anything_is_read(s3: Server, tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="bucket that does not exist"):
        ingest("digits", tmp_path / "idx", s3.uri("gone", "/shards"))
    assert not (tmp_path / "idx").exists()


def test_what_was_finished_before_credentials_were_refused_is_kept(
    s3: Server, bucket: str, digits_source: Path, many_shards: Path
) -> None:
    def refuse(done: int, total: int) -> None:
        if done == 5:
            s3.refuse(True)

    try:
        with pytest.raises(PlatformError, match=r"refuses the credentials.*AWS_ACCESS_KEY_ID"):
            ingest("digits", digits_source, bucket, shard_mb=SHARD_MB, progress=refuse)
    finally:
        s3.refuse(False)
    with pytest.raises(DataError, match="no finished shards"):
        Manifest.load(bucket)
    assert ingest("digits", digits_source, bucket, shard_mb=SHARD_MB).kept == 5
    assert content(bucket) == content(many_shards)


def test_a_server_that_is_gone_is_said() -> None:
    uri = "s3://bucket/shards?endpoint_override=127.0.0.1:1&scheme=http&access_key=a&secret_key=b"
    with pytest.raises(PlatformError, match=r"s3://bucket/shards.* does not answer"):
        Manifest.load(uri)


def test_a_flipped_bit_in_the_bucket_is_found_and_mended(
    bucket: str, digits_source: Path, many_shards: Path, tmp_path: Path
) -> None:
    ingest("digits", digits_source, bucket, shard_mb=SHARD_MB)
    damaged = bytearray(Source.of(bucket).read("train-00002.arrow"))
    damaged[len(damaged) // 2] ^= 4
    Target.of(bucket).write("train-00002.arrow", bytes(damaged))
    with pytest.raises(DataError, match=r"train-00002.arrow is damaged"):
        verify(bucket)
    folder = ShardFolder.of(bucket, ShardCache(tmp_path / "cache", 10**9))
    folder.open(folder.manifest.split_shards("train")[1])
    with pytest.raises(DataError, match=r"train-00002.arrow is damaged.*--recheck"):
        folder.open(folder.manifest.split_shards("train")[2])
    assert ingest("digits", digits_source, bucket, shard_mb=SHARD_MB, recheck=True).written == 1
    assert content(bucket) == content(many_shards)
    folder.open(folder.manifest.split_shards("train")[2])


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("ftp://host/shards", "no storage of the kind ftp://"),
        ("s3://bucket/shards?colour=blue", "colour"),
        ("s3://bucket/shards?access_key=a&colour=blue", "colour"),
    ],
)
def test_an_address_that_cannot_be_meant_is_said(place: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Source.of(place)


@pytest.mark.parametrize(
    "place",
    [
        "s3://KEY:SECRET@bucket/shards?colour=SECRET2",
        "s3://KEY:SECRET@bucket/shards?endpoint_override=127.0.0.1:1&scheme=http",
        "s3://bucket/shards?access_key=KEY&secret_key=SECRET&colour=blue",
        "s3://bad bucket/?secret_key=SECRET&access_key=KEY",
    ],
)
def test_no_message_holds_keys(place: str) -> None:
    with pytest.raises((UsageError, PlatformError)) as caught:
        Manifest.load(place)
    assert "SECRET" not in str(caught.value)
    assert "KEY" not in str(caught.value)
    assert "bucket" in str(caught.value)
