"""Rows in their decoded form, the latest used ones kept: for rows that many units are cut from."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

DEFAULT_BYTES = 256 * 2**20


class PreparedRows:
    """A least-recently-used cache of prepared rows that several threads share.

    The units of a window come from few rows, so each row is prepared about once an epoch. Two
    threads that want the same row at the same time prepare it once; a failure is kept too.

    Args:
        limit_bytes: memory for rows that are kept; the latest one is kept however large it is.

    Attributes:
        bytes: memory of the rows that are kept.
        made: rows prepared so far.
    """

    def __init__(self, limit_bytes: int = DEFAULT_BYTES) -> None:
        self._limit = limit_bytes
        self._rows: OrderedDict[int, Future[Any]] = OrderedDict()
        self._sizes: dict[int, int] = {}
        self.bytes = 0
        self._lock = threading.Lock()
        self.made = 0

    def get(self, row: int, make: Callable[[], Any]) -> Any:
        """The prepared row; `make` is called if it is not there. What it raises is raised."""
        with self._lock:
            future = self._rows.get(row)
            mine = future is None
            if future is None:
                future = self._rows[row] = Future()
                self.made += 1
            self._rows.move_to_end(row)
        if mine:
            self._fill(row, future, make)
        return future.result()

    def _fill(self, row: int, future: "Future[Any]", make: Callable[[], Any]) -> None:
        try:
            value = make()
        except Exception as error:
            future.set_exception(error)
            value = None
        else:
            future.set_result(value)
        with self._lock:
            self._sizes[row] = weight(value)
            self.bytes += self._sizes[row]
            while self.bytes > self._limit and len(self._sizes) > 1:
                oldest = next(kept for kept in self._rows if kept in self._sizes)
                self.bytes -= self._sizes.pop(oldest)
                del self._rows[oldest]


def weight(value: Any) -> int:
    """Bytes of a tensor, an array, or a tuple or list of them; a little for anything else."""
    if isinstance(value, tuple | list):
        return sum(weight(part) for part in value)
    return int(getattr(value, "nbytes", 64))
