"""Tars: every whole member found, wherever the tar lies, and a cut one said."""

import io
import tarfile

import pytest

from striate.core.errors import DataError
from striate.data.corpora.tar_index import Member, index_tar

pytestmark = pytest.mark.unit

FILES = {
    "n01440764/a.JPEG": b"a" * 700,
    "empty": b"",
    "long/" + "name" * 60: b"b" * 512,
    "last": b"c" * 100,
}


def tar_of(files: dict[str, bytes], kind: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as tar:
        folder = tarfile.TarInfo("n01440764")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def read(content: bytes, members: tuple[Member, ...]) -> dict[str, bytes]:
    return {m.name: content[m.offset : m.offset + m.size] for m in members}


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_file_is_found(kind: int) -> None:
    content = tar_of(FILES, kind)
    index = index_tar(io.BytesIO(content))
    assert read(content, index.members) == FILES
    assert index.cut is None


def test_a_tar_in_a_tar_is_read_in_place() -> None:
    outer = tar_of({"inner.tar": tar_of(FILES), "other.tar": tar_of({"x": b"y"})})
    file = io.BytesIO(outer)
    first, second = index_tar(file).members
    assert read(outer, index_tar(file, first.offset, first.size).members) == FILES
    assert read(outer, index_tar(file, second.offset, second.size).members) == {"x": b"y"}


@pytest.mark.parametrize("cut", range(512, 5632, 100))
def test_a_tar_cut_anywhere_gives_what_is_whole(cut: int) -> None:
    content = tar_of(FILES)[:cut]
    index = index_tar(io.BytesIO(content))
    assert index.cut is not None
    whole = read(content, index.members)
    assert whole == {name: FILES[name] for name in list(FILES)[: len(whole)]}


@pytest.mark.parametrize("content", [b"", b"no tar at all" * 100])
def test_what_is_no_tar_is_said(content: bytes) -> None:
    with pytest.raises(DataError, match="no tar"):
        index_tar(io.BytesIO(content))
