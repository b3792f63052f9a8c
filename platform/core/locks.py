"""Locks among processes, on files: the kernel frees them when their holder ends, however it ends.

Ours rather than the library `filelock`: that one locks a file of its own, which it opens for
writing, and exclusively. A cached shard is locked itself, by any number of readers at a time.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from striate.core.retry import wait_until

_LOOK_EVERY_S = 0.1


class OpenFile(Protocol):
    """What has a file descriptor."""

    def fileno(self) -> int: ...


def try_lock(file: OpenFile | int, *, shared: bool = False) -> bool:
    """Lock an open file if nobody else holds it; closing the file gives it back.

    Args:
        file: an open file or its descriptor. Who opens it again, even in the same process, is
            somebody else.
        shared: others may hold it at the same time, shared too.

    Returns:
        Whether it is held now.
    """
    try:
        fcntl.flock(file, _kind(shared) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock(file: OpenFile | int, *, shared: bool = False, within_s: float | None = None) -> None:
    """Lock an open file, waiting for whoever holds it; closing the file gives it back.

    Args:
        file: as in `try_lock`.
        shared: as in `try_lock`.
        within_s: how long to wait; None waits for as long as it takes, 0 not at all.

    Raises:
        TimeoutError: somebody holds it for longer.
    """
    if within_s is None:
        fcntl.flock(file, _kind(shared))  # the kernel wakes us
    elif not wait_until(lambda: try_lock(file, shared=shared), within_s, _LOOK_EVERY_S):
        raise TimeoutError("The file is locked by another process.")


@contextmanager
def hold_lock(path: Path, within_s: float | None = None) -> Iterator[None]:
    """Hold the lock of that file alone while the block runs; an empty file is made for it.

    The file stays: removing it would let two processes hold two files of one name.

    Args:
        path: the file, in a folder that exists.
        within_s: as in `lock`.

    Raises:
        TimeoutError: somebody holds it for longer.
    """
    with path.open("ab") as file:
        lock(file, within_s=within_s)
        yield


def _kind(shared: bool) -> int:
    return fcntl.LOCK_SH if shared else fcntl.LOCK_EX
