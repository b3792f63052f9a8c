"""Where the files of a tar lie, so that any of them is one seek and one read away."""

import io
import posixpath
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from striate.core.errors import DataError

SPARSE = "sparse member"
DANGLING = "link to what is not in the tar"
SPECIAL = "neither file nor link"
_BLOCK = 512
_LINKS_IN_A_ROW = 8


@dataclass(frozen=True)
class Member:
    """A file in a tar: its content is `size` bytes from `offset` of the file that was indexed."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True)
class UnusableMember:
    """A member that is no file whose content lies in the tar as it is, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class TarIndex:
    """The files of a tar in their order, as unpacking it would give.

    A hard or symbolic link to a file of the same tar is that file once more.

    Attributes:
        members: those that are there whole, links last.
        cut: name of the member that the tar's end cuts off; empty where the tar ends between two
            members but without its end mark; None for a whole tar.
        unusable: sparse members, links to nothing, devices; folders are none of them.
    """

    members: tuple[Member, ...]
    cut: str | None
    unusable: tuple[UnusableMember, ...] = ()


def index_tar(file: BinaryIO, start: int = 0, size: int | None = None) -> TarIndex:
    """Find the files of a plain tar, or of one that is itself a member of another.

    Args:
        file: what holds the tar, open for reading at any place.
        start: offset of the tar in it.
        size: bytes of the tar; up to the end of the file when None.

    Raises:
        DataError: this is no tar.
    """
    stop = (file.seek(0, io.SEEK_END) if size is None else start + size) - start
    part = _Part(file, start, stop)
    found: list[Member] = []
    links: list[tarfile.TarInfo] = []
    unusable: list[UnusableMember] = []
    end, cut = 0, None
    try:
        with tarfile.open(fileobj=part, mode="r:") as tar:
            while (info := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # a million of them is a gigabyte
                end = tar.offset  # of a sparse member, less than its size
                if (end if info.issparse() else info.offset_data + info.size) > stop:
                    cut = info.name
                elif info.issparse():
                    unusable.append(UnusableMember(info.name, SPARSE))
                elif info.isreg():
                    found.append(Member(info.name, start + info.offset_data, info.size))
                elif info.islnk() or info.issym():
                    links.append(info)
                elif not info.isdir():
                    unusable.append(UnusableMember(info.name, SPECIAL))
    except tarfile.ReadError as error:
        if end == 0 and cut is None:
            raise DataError(f"This is no tar: {error}.", "Fetch the file again.") from None
        cut = cut or ""
    if cut is None and not _has_end_mark(part, end):
        cut = ""
    linked, dangling = _follow(links, found)
    return TarIndex((*found, *linked), cut, (*unusable, *dangling))


def _follow(
    links: Sequence[tarfile.TarInfo], found: Sequence[Member]
) -> tuple[list[Member], list[UnusableMember]]:
    """Links as the files that they lead to, and those that lead nowhere."""
    if not links:
        return [], []
    files = {posixpath.normpath(member.name): member for member in found}
    targets = {posixpath.normpath(link.name): _target(link) for link in links}
    linked, dangling = [], []
    for link in links:
        at = posixpath.normpath(link.name)
        for _ in range(_LINKS_IN_A_ROW):
            at = targets.get(at, at)
        file = files.get(at)
        if file is None:
            dangling.append(UnusableMember(link.name, DANGLING))
        else:
            linked.append(Member(link.name, file.offset, file.size))
    return linked, dangling


def _target(link: tarfile.TarInfo) -> str:
    """A hard link names its target from the top of the tar, a symbolic one from where it lies."""
    folder = posixpath.dirname(link.name) if link.issym() else ""
    return posixpath.normpath(posixpath.join(folder, link.linkname))


def _has_end_mark(part: "_Part", end: int) -> bool:
    part.seek(end)
    return part.read(_BLOCK) == bytes(_BLOCK)


class _Part(io.RawIOBase):
    """A part of a file as a file of its own."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size = file, start, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._size - self._at)
        wanted = left if size is None or size < 0 else min(size, left)
        self._file.seek(self._start + self._at)
        content = self._file.read(wanted)
        self._at += len(content)
        return content
