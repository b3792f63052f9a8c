"""Where ImageNet's images lie: in a tar of tars, a flat tar, or folders; found once, in no order.

An index is an Arrow table with one row an image: 1.28 million names take 60 MB, and nothing of
any image is read for it. A tar's index is kept in the cache, since finding it means going
through the whole tar.
"""

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from striate.core.errors import DataError, PlatformError
from striate.core.files import write_atomic
from striate.core.settings import Settings
from striate.data.corpora.hidden_files import is_hidden
from striate.data.corpora.tar_index import Member, TarIndex, index_tar
from striate.data.storage import ListedFile, Source
from striate.data.transforms.image.decode import is_image

CUT = "tar cut short"
DUPLICATED = "duplicated key"
NOT_AN_IMAGE = "not an image"
UNREADABLE = "unreadable member"
GZIPPED = "gzipped tar of a class, to be unpacked first"
SCHEMA = pa.schema(
    {
        "key": pa.string(),  # its path in the unpacked form: n01440764/n01440764_18.JPEG
        "folder": pa.string(),  # the wnid; empty for a flat set
        "offset": pa.int64(),  # in the tar; −1 for a file of its own
        "size": pa.int64(),
        "reason": pa.string(),  # why it cannot be used; empty for an image
    }
)
_BLOCK = 512
_GZIP_MAGIC = b"\x1f\x8b"
_FORM = 2  # of an index in the cache: what is in it changes with the code above
_ENDS = 1 << 16
_DIGEST = hashlib.sha256().digest_size
_LISTERS = 8
_REMOTE_READERS = 32  # on a bucket, each header is a request

Opened = Callable[[], BinaryIO]
Builder = Callable[[Opened, int], pa.Table]


class ImageRow(NamedTuple):
    """A row of an index; see `SCHEMA`."""

    key: str
    folder: str = ""
    offset: int = -1
    size: int = 0
    reason: str = ""


def table_of(rows: Iterable[ImageRow]) -> pa.Table:
    """Rows as a table."""
    columns = list(zip(*rows, strict=True)) or [()] * len(SCHEMA)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)]
    return pa.table(arrays, schema=SCHEMA)


def index_train_tar(opened: Opened, readers: int = 1) -> pa.Table:
    """The images of ``ILSVRC2012_img_train.tar``, a tar of one tar a class, up to where it is cut.

    Args:
        opened: opens the tar.
        readers: class tars gone through at a time.

    Raises:
        DataError: this is no tar.
    """

    def index_class(member: Member) -> pa.Table:
        with opened() as file:
            return _index_class(file, member)

    with opened() as file, ThreadPoolExecutor(readers) as pool:
        outer = index_tar(file)
        parts = [*pool.map(index_class, outer.members), table_of(_unusable("", outer))]
        if outer.cut is not None:
            parts.append(_index_cut(file, outer))
    return _marked(pa.concat_tables([table_of([]), *parts]))


def index_val_tar(opened: Opened, readers: int = 1) -> pa.Table:
    """The images of ``ILSVRC2012_img_val.tar``, all in one tar, up to where it is cut.

    Args:
        opened: opens the tar.
        readers: not looked at, there is but one tar to go through.

    Raises:
        DataError: this is no tar.
    """
    del readers
    with opened() as file:
        index = index_tar(file)
    rows = [*(_row("", member) for member in index.members), *_unusable("", index)]
    if index.cut is not None:
        rows.append(ImageRow(index.cut or "its end", reason=CUT))
    return _marked(table_of(rows))


def list_folder(source: Source, root: str) -> pa.Table:
    """The images of an unpacked set, flat or in one folder a class."""
    entries = source.list(root)
    folders = [entry.path for entry in entries if entry.is_dir]
    rows = [_listed("", entry) for entry in entries if not entry.is_dir]
    with ThreadPoolExecutor(_LISTERS) as pool:
        parts = pool.map(lambda folder: _list_class(source, folder), folders)
        return _marked(pa.concat_tables([table_of(rows), *parts]))


def load_or_build_index(source: Source, tar: str, build: Builder) -> pa.Table:
    """A tar's index, from the cache if it was found before and the tar is still the same.

    Args:
        source: the place that holds the tar.
        tar: its name there.
        build: finds the index.

    Raises:
        DataError: there is no such tar, or it is none; the message names it.
    """
    with source.open(tar) as file:
        path = _kept_at(source, tar, file)
    index = _load(path)
    if index is None:
        try:
            index = build(partial(source.open, tar), 1 if source.local else _REMOTE_READERS)
        except DataError as error:
            raise DataError(f"{source.named(tar)}: {error.message}", error.remedy) from None
        with suppress(OSError, PlatformError):  # no room to keep it is no reason to stop
            _keep(path, index)
    return index


def _index_class(file: BinaryIO, member: Member) -> pa.Table:
    name = PurePosixPath(member.name)
    if name.suffix.lower() != ".tar":
        return table_of([ImageRow(member.name, reason=_unreadable(file, member))])
    try:
        inner = index_tar(file, member.offset, member.size)
    except DataError:
        return table_of([ImageRow(name.name, reason=_unreadable(file, member))])
    rows = [_row(name.stem, image) for image in inner.members]
    rows += _unusable(name.stem, inner)
    if inner.cut is not None:
        rows.append(ImageRow(name.name, reason=CUT))
    return table_of(rows)


def _unreadable(file: BinaryIO, member: Member) -> str:
    """Why a member is no tar of a class."""
    file.seek(member.offset)
    return GZIPPED if file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC else UNREADABLE


def _index_cut(file: BinaryIO, outer: TarIndex) -> pa.Table:
    """What is whole in the last tar, whose end is missing."""
    last = max(outer.members, key=lambda member: member.offset, default=Member("", 0, 0))
    found = table_of([])
    stop = file.seek(0, io.SEEK_END)
    file.seek(last.offset + -(-last.size // _BLOCK) * _BLOCK)
    with suppress(tarfile.ReadError), tarfile.open(fileobj=file, mode="r:") as rest:
        info = rest.next()
        if info is not None:
            part = Member(info.name, info.offset_data, stop - info.offset_data)
            found = _index_class(file, part)
    if CUT in found["reason"].to_pylist():
        return found
    images = found.filter(pc.equal(found["reason"], ""))
    return pa.concat_tables([images, table_of([ImageRow(outer.cut or "its end", reason=CUT)])])


def _unusable(folder: str, index: TarIndex) -> list[ImageRow]:
    """What cannot be read from a tar, each by its name."""
    return [
        ImageRow(_key(folder, member.name), folder, reason=member.reason)
        for member in index.unusable
    ]


def _list_class(source: Source, folder: str) -> pa.Table:
    """A class's files, those of folders in it as well; a hidden folder is no class."""
    wnid = PurePosixPath(folder).name
    skip = len(folder) - len(wnid)
    rows = (
        _judged(entry.path[skip:], "" if is_hidden(wnid) else wnid, -1, entry.size)
        for entry in source.list(folder, recursive=True)
        if not entry.is_dir
    )
    return table_of(rows)


def _listed(folder: str, entry: ListedFile) -> ImageRow:
    return _row(folder, Member(entry.path, -1, entry.size))


def _row(folder: str, member: Member) -> ImageRow:
    return _judged(_key(folder, member.name), folder, member.offset, member.size)


def _judged(key: str, folder: str, offset: int, size: int) -> ImageRow:
    image = is_image(key) and not is_hidden(key)
    return ImageRow(key, folder, offset, size, "" if image else NOT_AN_IMAGE)


def _key(folder: str, name: str) -> str:
    """The way from a class's folder, which its tar may name as well; without a class the name."""
    parts = PurePosixPath(name).parts
    if not folder:
        return parts[-1] if parts else name
    inside = parts[1:] if len(parts) > 1 and parts[0] == folder else parts
    return "/".join((folder, *inside))


def _marked(table: pa.Table) -> pa.Table:
    """All but the first of the images with one name are told apart as duplicates."""
    table = table.combine_chunks()
    if not len(table):
        return table
    names = pc.dictionary_encode(table["key"]).combine_chunks().indices.to_numpy()
    again = np.ones(len(table), np.bool_)
    again[np.unique(names, return_index=True)[1]] = False
    again &= pc.equal(table["reason"], "").to_numpy()
    reason = pc.if_else(pa.array(again), DUPLICATED, table["reason"])
    return table.set_column(SCHEMA.get_field_index("reason"), SCHEMA.field("reason"), reason)


def _kept_at(source: Source, tar: str, file: BinaryIO) -> Path:
    """A name that changes when the tar does: of its place, size, time of change and both ends."""
    size = file.seek(0, io.SEEK_END)
    changed = (source.local / tar).stat().st_mtime_ns if source.local else 0
    digest = hashlib.sha256(repr((_FORM, source.named(tar), size, changed)).encode())
    for place in (0, max(0, size - _ENDS)):
        file.seek(place)
        digest.update(file.read(_ENDS))
    folder = Settings.load().home / "cache" / "tar-indexes"
    return folder / f"{digest.hexdigest()}.arrow"


def _keep(path: Path, index: pa.Table) -> None:
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, index.schema) as writer:
        writer.write_table(index)
    content = out.getvalue().to_pybytes()
    write_atomic(path, hashlib.sha256(content).digest() + content)


def _load(path: Path) -> pa.Table | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
        return None
    return pa.ipc.open_stream(pa.py_buffer(content)[_DIGEST:]).read_all()
