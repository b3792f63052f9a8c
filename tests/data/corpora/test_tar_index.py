"""Tars: every whole member found, wherever the tar lies, and a cut one said."""

import io
import subprocess
import tarfile
from pathlib import Path

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


def header(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_a_link_is_the_file_that_it_leads_to() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("photos/a.JPEG")
        info.size = 700
        tar.addfile(info, io.BytesIO(b"a" * 700))
        tar.addfile(header("hard.JPEG", tarfile.LNKTYPE, "photos/a.JPEG"))
        tar.addfile(header("photos/soft.JPEG", tarfile.SYMTYPE, "a.JPEG"))
        tar.addfile(header("two.JPEG", tarfile.SYMTYPE, "./photos/soft.JPEG"))
        tar.addfile(header("nowhere.JPEG", tarfile.SYMTYPE, "/etc/passwd"))
        tar.addfile(header("circle", tarfile.SYMTYPE, "circle"))
        tar.addfile(header("pipe", tarfile.FIFOTYPE))
    index = index_tar(io.BytesIO(out.getvalue()))
    names = ("photos/a.JPEG", "hard.JPEG", "photos/soft.JPEG", "two.JPEG")
    assert read(out.getvalue(), index.members) == dict.fromkeys(names, b"a" * 700)
    assert {(one.name, one.reason) for one in index.unusable} == {
        ("nowhere.JPEG", "link to what is not in the tar"),
        ("circle", "link to what is not in the tar"),
        ("pipe", "neither file nor link"),
    }
    assert index.cut is None


@pytest.mark.parametrize("form", ["gnu", "pax-0.0", "pax-0.1", "pax-1.0"])
@pytest.mark.parametrize("last", [False, True])
def test_a_sparse_member_is_named_and_no_bytes_are_taken_for_it(
    form: str, last: bool, tmp_path: Path
) -> None:
    with (tmp_path / "sparse.JPEG").open("wb") as file:
        file.seek(1 << 20)
        file.write(b"s" * 5000)
    (tmp_path / "whole.JPEG").write_bytes(b"w" * 700)
    names = ["whole.JPEG", "sparse.JPEG"] if last else ["sparse.JPEG", "whole.JPEG"]
    kind = ["--format=gnu"] if form == "gnu" else ["--format=pax", f"--sparse-version={form[4:]}"]
    made = subprocess.run(
        ["tar", "-C", str(tmp_path), "--sparse", *kind, "-cf", "-", *names],
        capture_output=True,
        check=True,
    )
    content = made.stdout
    assert len(content) < 1 << 20
    index = index_tar(io.BytesIO(content))
    assert read(content, index.members) == {"whole.JPEG": b"w" * 700}
    assert [(one.name, one.reason) for one in index.unusable] == [("sparse.JPEG", "sparse member")]
    assert index.cut is None
    assert index_tar(io.BytesIO(content.rstrip(b"\0")[:-600])).cut is not None
