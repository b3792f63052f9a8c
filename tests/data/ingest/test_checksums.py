"""Published checksums: what matches, what differs, what is not there."""

import hashlib
from pathlib import Path

import pytest
from click.testing import CliRunner

from striate.cli.data import data
from striate.core.errors import DataError, UsageError
from striate.data.ingest import checksums
from striate.data.ingest.checksums import PUBLISHED_MD5, check_md5
from striate.data.storage import Source

pytestmark = pytest.mark.unit


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    sums = {}
    for name in PUBLISHED_MD5["imagenet"]:
        (tmp_path / name).write_bytes(name.encode() * 1000)
        sums[name] = hashlib.md5(name.encode() * 1000, usedforsecurity=False).hexdigest()
    monkeypatch.setattr(checksums, "PUBLISHED_MD5", {"imagenet": sums})
    return tmp_path


def test_what_matches_is_named(source: Path) -> None:
    told: list[tuple[int, int]] = []
    names = check_md5("imagenet", Source.of(source), lambda done, total: told.append((done, total)))
    assert set(names) == set(PUBLISHED_MD5["imagenet"])
    total = sum(path.stat().st_size for path in source.iterdir())
    assert told[-1] == (total, total)


def test_one_wrong_bit_is_found(source: Path) -> None:
    path = source / "ILSVRC2012_img_val.tar"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"ILSVRC2012_img_val\.tar has the MD5"):
        check_md5("imagenet", Source.of(source))


def test_unpacked_sources_have_nothing_to_check(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of the files that imagenet is published in"):
        check_md5("imagenet", Source.of(tmp_path))


def test_a_corpus_without_published_sums_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No checksums of the corpus digits"):
        check_md5("digits", Source.of(tmp_path))


def test_ingest_checks_on_request(source: Path, tmp_path: Path) -> None:
    (source / "ILSVRC2012_img_val.tar").write_bytes(b"cut short")
    arguments = ["ingest", "imagenet", str(source), str(tmp_path / "shards"), "--check-md5"]
    result = CliRunner().invoke(data, arguments)
    assert isinstance(result.exception, DataError)
    assert "has the MD5" in result.exception.message
    assert not (tmp_path / "shards").exists()
