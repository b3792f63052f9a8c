"""The folders of the local platform that nobody but its user may enter.

Ray opens its session's folder to everybody once it has started, and MLflow makes its database
readable; neither matters beneath a folder that only its owner may enter.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from striate.core.errors import PlatformError

PRIVATE = 0o700
_REMEDY = "Set STRIATE_HOME to a folder of your own."


def keep_private(folder: Path, *, link: bool = True) -> None:
    """Make a folder, or take the one that is there, and let nobody but this user enter it.

    Args:
        folder: where.
        link: it may be a link; False where others may put one in its place.

    Raises:
        PlatformError: it is another user's or shared by all, or cannot be made or changed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
        found = folder.stat(follow_symlinks=link)
        if found.st_uid != os.getuid() or stat.S_ISLNK(found.st_mode):
            raise PlatformError(f"The folder {folder} belongs to another user.", _REMEDY)
        if found.st_mode & stat.S_ISVTX or folder == folder.parent:
            raise PlatformError(f"The folder {folder} is everybody's.", _REMEDY)
        if stat.S_IMODE(found.st_mode) != PRIVATE:
            folder.chmod(PRIVATE)
    except OSError as error:
        why = error.strerror
        raise PlatformError(f"The folder {folder} cannot be written: {why}.", _REMEDY) from None


def find_open(folders: Iterable[Path]) -> str:
    """A phrase on the first folder, of those that are there, that others may enter; else empty."""
    return next((said for folder in folders if (said := _describe_open(folder))), "")


def _describe_open(folder: Path) -> str:
    try:
        found = folder.stat()
    except FileNotFoundError:
        return ""
    if found.st_uid != os.getuid():
        return f"{folder} belongs to another user"
    mode = stat.S_IMODE(found.st_mode)
    return f"others may enter {folder}: its mode is {mode:04o}" if mode & 0o077 else ""
