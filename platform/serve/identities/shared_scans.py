"""Searches that wait for another one's scan share the next: memory is read once for all of them.

A scan of a large index takes all cores and is held up by memory, so two at a time take twice as
long each, and one for two queries takes half as long again as one for one (10 million codes on two
cores: 10 and 15 ms). Nobody waits for company: a search that finds no other begins at once.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from striate.serve.identities.answers import Nearest

Key = TypeVar("Key")


@dataclass(eq=False)
class _Asked:
    """One search.

    Attributes:
        codes: uint8 (n, 32).
        told: its answer; or None: it is to scan, for itself and all who wait.
    """

    codes: np.ndarray
    told: "Future[Nearest | None]" = field(default_factory=Future)


class SharedScans(Generic[Key]):
    """Searches from any number of threads, one scan of a key at a time.

    Args:
        scan: the answer for all of some codes, uint8 (n, 32).
    """

    def __init__(self, scan: Callable[[Key, np.ndarray], Nearest]) -> None:
        self._scan = scan
        self._lock = threading.Lock()
        self._waiting: dict[Key, list[_Asked]] = {}  # has a key while somebody scans for it

    def search(self, key: Key, codes: np.ndarray) -> Nearest:
        """The answer of a scan that began after this call.

        Args:
            key: searches of the same may share a scan.
            codes: uint8 (n, 32).

        Raises:
            Exception: the scan's own, to each who shares it.
        """
        asked = _Asked(codes)
        with self._lock:
            if key not in self._waiting:
                self._waiting[key] = []
                asked.told.set_result(None)
            else:
                self._waiting[key].append(asked)
        answer = asked.told.result()
        return self._lead(key, asked) if answer is None else answer

    def _lead(self, key: Key, first: _Asked) -> Nearest:
        """One scan for the first and all who wait; then whoever came meanwhile has the next."""
        with self._lock:
            others, self._waiting[key] = self._waiting[key], []
        together = [first, *others]
        try:
            found = self._scan(key, np.concatenate([asked.codes for asked in together]))
        except BaseException as error:
            for asked in others:
                asked.told.set_exception(error)
            raise
        finally:
            self._hand_over(key)
        ends = np.cumsum([len(asked.codes) for asked in together])[:-1]
        parts = [
            Nearest(face_ids, distances, found.missing_shards)
            for face_ids, distances in zip(
                np.split(found.face_ids, ends), np.split(found.distances, ends), strict=True
            )
        ]
        for asked, part in zip(others, parts[1:], strict=True):
            asked.told.set_result(part)
        return parts[0]

    def _hand_over(self, key: Key) -> None:
        with self._lock:
            if self._waiting[key]:
                self._waiting[key].pop(0).told.set_result(None)
            else:
                del self._waiting[key]
