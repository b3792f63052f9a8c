"""Kept crops: the small pictures of enrolled faces, from which they can be described anew."""

import time
import uuid
from collections.abc import Iterable
from pathlib import Path

from striate.core.files import is_temporary, write_atomic

ABOUT_TO_BE_NAMED_S = 3600.0
"""A crop younger than this may belong to an enrolment that has not committed yet."""


class CropFolder:
    """Crops as files, each whole and on the disk before a row of the store names it.

    A key says nothing of the face; the folder is readable by its owner alone.

    Args:
        folder: made where there is none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def keep(self, content: bytes) -> str:
        """Write a crop.

        Args:
            content: an encoded picture.

        Returns:
            Its key.

        Raises:
            PlatformError: the disk is full.
        """
        name = uuid.uuid4().hex
        key = f"{name[:2]}/{name}"
        write_atomic(self._folder / key, content, mode=0o600)
        return key

    def read(self, key: str) -> bytes | None:
        """A crop's content; None where it is gone."""
        try:
            return (self._folder / key).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, keys: Iterable[str]) -> int:
        """Delete crops.

        Returns:
            How many were there.
        """
        removed = 0
        for key in keys:
            path = self._folder / key
            removed += path.exists()
            path.unlink(missing_ok=True)
        return removed

    def keys(self) -> set[str]:
        """The keys of all crops that are there."""
        return {
            path.relative_to(self._folder).as_posix()
            for path in self._folder.glob("??/*")
            if not is_temporary(path)
        }

    def strays(self, named: set[str], older_than_s: float = ABOUT_TO_BE_NAMED_S) -> set[str]:
        """Files that no row names: a process ended between the crop and the row.

        Args:
            named: the keys in the store.
            older_than_s: younger ones are left alone.
        """
        before = time.time() - older_than_s
        found = set()
        for path in self._folder.glob("??/*"):
            key = path.relative_to(self._folder).as_posix()
            if key not in named and path.stat().st_mtime <= before:
                found.add(key)
        return found
