"""Files are whole or absent, also when the block fails or the disk is really full."""

import hashlib
from pathlib import Path

import pytest

from striate.core.errors import PlatformError
from striate.core.files import atomic_folder, is_temporary, sha256_of, write_atomic

pytestmark = pytest.mark.unit


def test_hash_is_the_content_s(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"striate" * 100_000)
    assert sha256_of(path) == hashlib.sha256(b"striate" * 100_000).hexdigest()


def test_write_replaces_whole_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"a" * 100_000)
    with path.open("rb") as reader:
        head = reader.read(10)
        write_atomic(path, b"b" * 100_000)
        assert set(head + reader.read()) == {ord("a")}


def test_a_full_disk_keeps_the_old_file(small_disk: Path) -> None:
    path = small_disk / "file"
    write_atomic(path, b"old")
    with pytest.raises(PlatformError, match="full") as caught:
        write_atomic(path, b"x" * 1_000_000)
    assert str(path) in caught.value.message
    assert path.read_bytes() == b"old"
    assert list(small_disk.iterdir()) == [path]


def test_a_full_disk_keeps_the_old_folder(small_disk: Path) -> None:
    target = small_disk / "folder"
    with atomic_folder(target) as folder:
        (folder / "a").write_bytes(b"old")
    with pytest.raises(PlatformError, match="full"), atomic_folder(target) as folder:
        (folder / "a").write_bytes(b"x" * 1_000_000)
    assert (target / "a").read_bytes() == b"old"
    assert list(small_disk.iterdir()) == [target]


def test_a_failed_block_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyError), atomic_folder(tmp_path / "folder") as folder:
        (folder / "a").write_bytes(b"half")
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_not_there_before_the_end(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    with atomic_folder(target) as folder:
        assert is_temporary(folder)
        assert not target.exists()
    assert target.is_dir()
    assert not is_temporary(target)


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    for name in ("old", "new"):
        with atomic_folder(target) as folder:
            (folder / name).write_text(name)
    assert [entry.name for entry in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]
