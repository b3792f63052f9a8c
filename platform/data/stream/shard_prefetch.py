"""The next shards of the order, fetched, checked and mapped before they are needed."""

import math
from concurrent.futures import ThreadPoolExecutor

from striate.core.errors import StriateError, UsageError
from striate.data.stream.order import Order
from striate.data.stream.reader import SplitReader

EXTRA = 2
"""Shards beyond what the windows ask for, so that a slow one is no stall."""

FETCHES = 4
"""Remote shards that are fetched at the same time."""


class ShardPrefetcher:
    """Opens shards in the background, in the order of need.

    While a window of the order is read, the shards of the next one are opened at the pace of the
    reading; so at most two windows' shards and a few more are at hand, and no more than the cache
    holds. A shard that fails is left alone here: whoever needs it is told.

    Args:
        reader: opens them; its `keep` says how many may be open, see `shards_at_hand`.
        order: what comes next.
        threads: shards that are fetched at the same time.
    """

    def __init__(self, reader: SplitReader, order: Order, threads: int) -> None:
        self._reader = reader
        self._order = order
        self.per_window = shards_per_window(order)
        self.most = reader.keep
        self._pool = ThreadPoolExecutor(threads, "striate-shards")
        self._at = (-1, -1)
        self._window, self._entered = -1, 0
        self._asked: set[int] = set()

    def advance(self, cursor: int) -> None:
        """Say how far batches have been begun; does not wait."""
        window, ahead = self._place(cursor)
        if (window, ahead) == self._at:
            return
        self._at = window, ahead
        wanted = self._order.shards(cursor, ahead)
        for shard in wanted:
            if shard not in self._asked:
                self._pool.submit(self._open, shard)
        self._asked = set(wanted)

    def close(self) -> None:
        """End the threads; shards that are being fetched are still finished."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _place(self, cursor: int) -> tuple[int, int]:
        """The window that the cursor is in, and how many shards after it are due by now.

        They fall due evenly over what is left of the window when reading begins in it: a resume
        must not wait for more shards than a start does.
        """
        epoch, position = divmod(cursor, self._order.rows_per_epoch)
        index, within = divmod(position, self._order.window)
        window = epoch * -(-self._order.rows_per_epoch // self._order.window) + index
        if window != self._window:
            self._window, self._entered = window, within
        left = max(1, self._order.window - self._entered)
        due = math.ceil(self.per_window * (within - self._entered) / left)
        return window, min(due + EXTRA, self.most - self.per_window)

    def _open(self, shard: int) -> None:
        try:
            self._reader.shard(shard)
        except StriateError:
            return


def shards_per_window(order: Order) -> int:
    """Shards that a window touches, at about their mean size."""
    held = [rows for rows in order.shard_rows if rows]
    return min(len(held), math.ceil(order.window * len(held) / order.rows_per_epoch) + 1)


def shards_at_hand(reader: SplitReader, order: Order, fetches: int) -> int:
    """How many shards may be open: two windows' and a few more, or what the cache holds.

    Args:
        reader: has the cache.
        order: has the window.
        fetches: shards that arrive at the same time, which need room too.

    Raises:
        UsageError: the cache cannot hold the shards of one window.
    """
    window, cache = shards_per_window(order), reader.folder.cache
    wanted = 2 * window + 2 * EXTRA
    if cache is None:
        return wanted
    largest = max(entry.bytes for entry in reader.entries)
    fits = cache.limit_bytes // max(1, largest) - fetches
    if fits < window + 1:
        raise UsageError(
            f"The order mixes {window} shards of {largest / 1e6:,.0f} MB at a time, and the cache"
            f" holds {cache.limit_bytes / 1e6:,.0f} MB.",
            "Raise the setting cache_gb, or lower data.window.",
        )
    return min(wanted, fits)
