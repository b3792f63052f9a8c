"""Files that are either whole or absent: hashing, syncing, and atomic folders and documents."""

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TypeVar

from striate.core.errors import DiskFull

_Path = TypeVar("_Path", bound=PurePath)
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Force a file's content, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_full_disk(error: OSError) -> bool:
    """Whether an error says that there is no room, on a disk or in a quota."""
    # What copies a tree gathers errors in one that has no number of its own.
    gathered = isinstance(error, shutil.Error)
    return error.errno in _NO_ROOM or (
        gathered and any(f"[Errno {number}]" in str(error) for number in _NO_ROOM)
    )


@contextmanager
def explain_full_disk(path: Path) -> Iterator[None]:
    """Turn a full disk into one sentence that names the place.

    Raises:
        DiskFull: the block met one.
    """
    try:
        yield
    except OSError as error:
        if not is_full_disk(error):
            raise
        raise DiskFull(
            f"The disk that holds {path} is full.", "Free some room and run the command again."
        ) from error


def write_atomic(path: Path, content: bytes | memoryview, *, mode: int = 0o666) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new, never a part.

    Args:
        path: the file.
        content: the whole of it.
        mode: its permissions, less the process's mask; 0o600 for a secret.

    Raises:
        DiskFull: the disk is full; the old content stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        with explain_full_disk(path):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with open(descriptor, "wb") as file:  # noqa: PTH123
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """Yield a temporary folder that becomes `path` when the block ends, or vanishes if it fails.

    Every file in it is synced before the rename.

    Args:
        path: the folder.
        replace: whether one that is there when the block ends is replaced; else it stays.

    Raises:
        DiskFull: the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    temporary.mkdir()
    try:
        with explain_full_disk(path):
            yield temporary
            _sync_tree(temporary)
            _take_place(temporary, path, replace)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def is_temporary(path: PurePath) -> bool:
    """Whether a name is one that an interrupted write left behind."""
    return path.name.startswith(".tmp-")


def temporary_beside(path: _Path) -> _Path:
    """A name beside `path` that `is_temporary` knows, for what becomes `path` when it is whole."""
    return path.with_name(f".tmp-{uuid.uuid4().hex[:12]}-{path.name}")


def _sync_tree(folder: Path) -> None:
    for entry in sorted(folder.rglob("*")):
        _sync(entry)
    _sync(folder)


def _take_place(temporary: Path, path: Path, replace: bool) -> None:
    if not replace:
        try:
            temporary.rename(path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
    elif path.exists():
        retired = temporary_beside(path)
        path.rename(retired)  # a folder cannot be renamed over a filled one
        temporary.rename(path)
        shutil.rmtree(retired, ignore_errors=True)
    else:
        temporary.rename(path)
    _sync(path.parent)
