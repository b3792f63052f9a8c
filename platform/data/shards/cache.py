"""The local cache of remote shards: bounded, shared by processes, checked on arrival.

A shard is kept under its hash, so folders that share shards share them here too. A reader holds a
shared lock on the file that it has open, and eviction takes only files that nobody holds, the
least recently opened first. Several processes that want the same shard wait for one download.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from striate.core.errors import DataError
from striate.core.files import explain_full_disk
from striate.core.locks import lock, try_lock
from striate.data.shards.manifest import ShardEntry
from striate.data.shards.shard import DAMAGED_REMEDY
from striate.data.storage import Source, explain_storage_error

_ARRIVING = ".arriving-"
_CHUNK = 4 << 20


@dataclass(frozen=True)
class HeldShard:
    """A cached shard that is not evicted while this object lives.

    Attributes:
        path: the file.
        file: opened, it carries the lock.
    """

    path: Path
    file: BinaryIO

    def close(self) -> None:
        """Give the shard back."""
        self.file.close()


class ShardCache:
    """A folder of shards fetched from remote places.

    Shards that are in use are never evicted, so the cache exceeds its limit where those alone do.

    Args:
        folder: where the shards are kept; made when missing.
        limit_bytes: size that the cache is kept under.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes

    def fetch(self, place: Source, entry: ShardEntry) -> HeldShard:
        """The shard, from the cache, or from its place and then into the cache.

        Raises:
            DataError: the shard is missing, or its hash differs.
            PlatformError: the place does not answer or refuses, or the disk is full.
        """
        path = self.folder / f"{entry.sha256}.arrow"
        while True:
            held = _hold(path, entry.bytes)
            if held is not None:
                return held
            with self._lock_file(entry.sha256) as alone:
                lock(alone)
                if _size(path) != entry.bytes:
                    self.evict(entry.bytes)
                    self._download(place, entry, path)

    def evict(self, room_bytes: int = 0) -> None:
        """Remove shards, the least recently opened first, until `room_bytes` more fit in.

        What interrupted downloads left is removed too.
        """
        shards = []
        for path in self.folder.glob("*.arrow") if self.folder.is_dir() else ():
            if path.name.startswith(_ARRIVING):
                self._remove_abandoned(path)
                continue
            with suppress(FileNotFoundError):  # another process evicts too
                status = path.stat()
                shards.append((status.st_mtime_ns, status.st_size, path))
        size = sum(size for _, size, _ in shards) + room_bytes
        for _, freed, path in sorted(shards):
            if size <= self.limit_bytes:
                return
            if _remove_unheld(path):
                size -= freed

    @property
    def bytes(self) -> int:
        """Size of the shards in the cache."""
        return sum(_size(path) or 0 for path in self.folder.glob("*.arrow"))

    def _lock_file(self, sha256: str) -> BinaryIO:
        """Whoever holds it alone may download the shard. It is never removed: see `hold_lock`."""
        locks = self.folder / "locks"
        with explain_full_disk(locks):
            locks.mkdir(parents=True, exist_ok=True)
            return (locks / sha256[:2]).open("wb")  # 256 of them, however many shards there are

    def _remove_abandoned(self, path: Path) -> None:
        """Remove what a download left that was killed; one that goes on holds its lock."""
        with self._lock_file(path.name.removeprefix(_ARRIVING)) as alone:
            if try_lock(alone):
                path.unlink(missing_ok=True)

    def _download(self, place: Source, entry: ShardEntry, path: Path) -> None:
        temporary = path.with_name(_ARRIVING + path.name)
        digest, copied = hashlib.sha256(), 0
        name = place.named(entry.file)
        if not place.exists(entry.file):
            raise DataError(f"The shard {name} is missing.", DAMAGED_REMEDY)
        try:
            with (
                explain_storage_error(name, "shard"),
                place.open(entry.file) as remote,
                explain_full_disk(path),
                temporary.open("wb") as out,
            ):
                while chunk := remote.read(_CHUNK):
                    digest.update(chunk)
                    copied += out.write(chunk)
                out.flush()
                if copied != entry.bytes or digest.hexdigest() != entry.sha256:
                    raise DataError(
                        f"The shard {name} is damaged: its hash differs.",
                        DAMAGED_REMEDY,
                    )
                temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _hold(path: Path, size: int) -> HeldShard | None:
    """Hold a cached shard, or None when it is not there whole."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    lock(file, shared=True)
    status = os.fstat(file.fileno())
    if status.st_nlink == 0 or status.st_size != size:  # evicted meanwhile, or not whole
        file.close()
        return None
    with suppress(OSError):
        os.utime(path)  # what "recently" is measured by
    return HeldShard(path, file)


def _size(path: Path) -> int | None:
    """A file's size, or None when it is not there: another process may evict it at any moment."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _remove_unheld(path: Path) -> bool:
    """Remove a file unless somebody holds it; whether it is gone."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        if not try_lock(file):
            return False
        if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return False  # evicted and fetched anew since it was opened: another's by now
        path.unlink()
    return True
