"""The order of samples: a pure function of (seed, epoch, position) and the shards' sizes.

What is ordered are units: rows, or the parts that a row is divided into (the clips of a video, the
frames of an utterance); the order knows only how many each shard has. Nothing here knows of
workers, nodes, threads or restarts. An epoch shuffles the shards, then the blocks within each
shard; the sequence that results is cut into windows, and the rows of each window are shuffled. So
a reader goes through the shards mostly in sequence, and reaching any cursor costs one window,
however long the epoch is. How good the shuffle is, `striate.data.stream.shuffle_quality` measures.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from striate.core.arrays import Integers
from striate.core.errors import UsageError

DEFAULT_WINDOW = 65_536
WINDOW_BYTES = 4 * 2**30
BLOCKS_PER_WINDOW = 16
_SHARDS, _BLOCKS, _ROWS = range(3)  # what a stream of random numbers is for

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Order:
    """The endless order of a split's rows.

    The cursor counts samples since the start of training: with N rows, epoch = cursor // N and
    position = cursor % N. A batch may straddle two epochs, so every global batch is full.

    Args:
        shard_rows: rows of each shard; global row ids count through the shards in this order.
        seed: a whole number from 0.
        window: rows that are shuffled among each other, and the memory that this takes.

    Raises:
        UsageError: there are no rows, or the seed or the window is out of range.
    """

    def __init__(self, shard_rows: Sequence[int], seed: int, window: int = DEFAULT_WINDOW) -> None:
        if not 0 <= seed < 2**63:
            raise UsageError(f"The seed {seed} is out of range.", "Give a whole number from 0.")
        if window < 1:
            raise UsageError(f"A window of {window} rows cannot be shuffled.", "Give at least 1.")
        self.shard_rows = tuple(shard_rows)
        self.rows_per_epoch = sum(self.shard_rows)
        if self.rows_per_epoch < 1:
            raise UsageError("There are no samples to order.", "Choose a split that has rows.")
        self.seed = seed
        self.window = window
        self._block_starts, self._block_sizes, self._block_shards = _blocks(
            self.shard_rows, max(1, window // BLOCKS_PER_WINDOW)
        )
        self._sequences: dict[int, tuple[Integers, Integers]] = {}
        self._windows: dict[tuple[int, int], Integers] = {}

    def rows(self, cursor: int, count: int) -> Integers:
        """The global row ids of the `count` samples from `cursor` on."""
        parts = []
        while count > 0:
            epoch, position = divmod(cursor, self.rows_per_epoch)
            index, offset = divmod(position, self.window)
            part = self._window(epoch, index)[offset : offset + count]
            parts.append(part)
            cursor, count = cursor + len(part), count - len(part)
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def positions(self, cursor: int, count: int) -> tuple[Integers, Integers]:
        """The epoch and the position of each of the `count` samples from `cursor` on."""
        cursors = np.arange(cursor, cursor + count, dtype=np.int64)
        return cursors // self.rows_per_epoch, cursors % self.rows_per_epoch

    def successors(self, cursor: int) -> Iterator[int]:
        """The ids after the one at `cursor`: who stands in for a damaged sample, in this order.

        They depend on the order alone, so every worker and every restart chooses the same one.
        """
        return (int(self.rows(later, 1)[0]) for later in itertools.count(cursor + 1))

    def shards(self, cursor: int, ahead: int = 0) -> tuple[int, ...]:
        """The shards that a reader needs at `cursor`, and the next ones, in the order of need.

        Args:
            cursor: samples seen.
            ahead: how many shards beyond the window that holds the cursor.
        """
        epoch, position = divmod(cursor, self.rows_per_epoch)
        start = position // self.window * self.window
        last = min(start + self.window, self.rows_per_epoch) - 1
        blocks, ends = self._epoch(epoch)
        begin, end = np.searchsorted(ends, (start, last), side="right")
        needed = dict.fromkeys(self._block_shards[blocks[begin : end + 1]].tolist())
        later = dict.fromkeys(self._block_shards[blocks[end + 1 :]].tolist())
        if ahead > len(later):  # the next epoch begins with its own
            following, _ = self._epoch(epoch + 1)
            later |= dict.fromkeys(self._block_shards[following].tolist())
        return (*needed, *[shard for shard in later if shard not in needed][:ahead])

    def _window(self, epoch: int, index: int) -> Integers:
        """The shuffled row ids of one window."""
        return _remembered(
            self._windows, (epoch, index), lambda: self._shuffled_window(epoch, index)
        )

    def _shuffled_window(self, epoch: int, index: int) -> Integers:
        blocks, ends = self._epoch(epoch)
        start = index * self.window
        positions = np.arange(start, min(start + self.window, self.rows_per_epoch))
        at = np.searchsorted(ends, positions, side="right")
        chosen = blocks[at]
        rows = self._block_starts[chosen] + positions - (ends[at] - self._block_sizes[chosen])
        return rows[self._shuffle(_ROWS, epoch, index, len(rows))]

    def _epoch(self, epoch: int) -> tuple[Integers, Integers]:
        return _remembered(self._sequences, epoch, lambda: self._sequence(epoch))

    def _sequence(self, epoch: int) -> tuple[Integers, Integers]:
        """The blocks in this epoch's order, and the position after the end of each."""
        shards = self._random(_SHARDS, epoch, 0, len(self.shard_rows))
        blocks = self._random(_BLOCKS, epoch, 0, len(self._block_sizes))
        sequence = np.lexsort((blocks, self._block_shards, shards[self._block_shards]))
        return sequence, np.cumsum(self._block_sizes[sequence])

    def _shuffle(self, purpose: int, epoch: int, index: int, count: int) -> Integers:
        return np.argsort(self._random(purpose, epoch, index, count), kind="stable")

    def _random(self, purpose: int, epoch: int, index: int, count: int) -> NDArray[np.uint64]:
        """Raw Philox words (Salmon et al., SC 2011), the same in every version of numpy."""
        words: NDArray[np.uint64] = np.random.Philox(
            key=self.seed, counter=[0, index, epoch, purpose]
        ).random_raw(count)
        return words


def default_window(rows: int, stored_bytes: int) -> int:
    """A window of `DEFAULT_WINDOW` rows, or of `WINDOW_BYTES` where rows are large.

    A reader wants the window's shards at hand, so their bytes matter as well as their number.

    Args:
        rows: rows (or units) of the split.
        stored_bytes: bytes of its shards.
    """
    return max(1, min(DEFAULT_WINDOW, WINDOW_BYTES * rows // max(1, stored_bytes)))


def _blocks(shard_rows: Sequence[int], size: int) -> tuple[Integers, Integers, Integers]:
    """Cut shards into blocks of at most `size` rows: their first row ids, sizes and shards."""
    rows = np.asarray(shard_rows, np.int64)
    counts = -(-rows // size)
    shards = np.repeat(np.arange(len(rows)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    offsets = within * size
    starts = (np.cumsum(rows) - rows)[shards] + offsets
    return starts, np.minimum(size, rows[shards] - offsets), shards


def _remembered(cache: dict[_Key, _Value], key: _Key, make: Callable[[], _Value]) -> _Value:
    """A value of a cache that keeps the last two: a batch may straddle two windows or epochs."""
    value = cache.get(key)
    if value is None:
        value = make()
        for old in list(cache)[:-1]:
            cache.pop(old, None)
        cache[key] = value
    return value
