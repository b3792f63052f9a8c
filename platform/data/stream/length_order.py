"""The order in which batches hold samples of nearly one length: still a pure function.

A window of the plain order is sorted by length, cut into batches, and the batches are shuffled. So
every sample still comes once an epoch, and a cursor is all that a resume needs; which samples meet
in a batch is a function of (seed, epoch, window), the manifest and the recipe's batch size, and not
of how many workers share it. Where a window begins or ends within a batch, that batch gets its
shortest samples: what the next window adds to it is as short.
"""

from collections.abc import Callable, Sequence

import numpy as np

from striate.core.arrays import Integers
from striate.data.stream.order import Order

Lengths = Callable[[Integers], Integers]
"""(n,) row ids → (n,) their lengths."""

_BATCHES = 3  # what a stream of random numbers is for, beside those of `Order`


class LengthOrder(Order):
    """An `Order` whose batches hold samples of nearly one length.

    Args:
        shard_rows: as for `Order`.
        seed: as for `Order`.
        window: as for `Order`; the more it holds, the less padding.
        batch_size: samples in a global batch; cursors of batches are its multiples.
        lengths: says how long samples are; asked once for each window.

    Raises:
        UsageError: as for `Order`.
    """

    def __init__(
        self,
        shard_rows: Sequence[int],
        seed: int,
        window: int,
        batch_size: int,
        lengths: Lengths,
    ) -> None:
        super().__init__(shard_rows, seed, window)
        self.batch_size = batch_size
        self._lengths = lengths

    def _shuffled_window(self, epoch: int, index: int) -> Integers:
        rows = super()._shuffled_window(epoch, index)
        cursor = epoch * self.rows_per_epoch + index * self.window
        head = min(-cursor % self.batch_size, len(rows))
        batches = (len(rows) - head) // self.batch_size
        turns = self._shuffle(_BATCHES, epoch, index, batches)
        return rows[arrange(self._lengths(rows), head, self.batch_size, turns)]


def arrange(lengths: Integers, head: int, batch_size: int, turns: Integers) -> Integers:
    """Places of samples so that those of a batch are of nearly one length.

    Args:
        lengths: (n,) of the samples, in an order that mixes them; of equals the first stay first.
        head: samples that go into a batch begun before.
        batch_size: samples in a batch.
        turns: (whole batches,) the order in which they come.

    Returns:
        (n,) indices into `lengths`: the head, the whole batches, and the begin of another.
    """
    ranked = np.argsort(bucket_of(lengths), kind="stable")
    whole = len(turns) * batch_size
    tail = len(ranked) - head - whole
    batches = ranked[head + tail :].reshape(len(turns), batch_size)
    return np.concatenate([ranked[:head], batches[turns].reshape(-1), ranked[head : head + tail]])


def bucket_of(lengths: Integers) -> Integers:
    """(n,) which bucket each length belongs to; from one to the next is about an eighth.

    Lengths of one bucket count as equal, so that batches differ from epoch to epoch.
    """
    edges, edge = [], 1
    top = int(lengths.max(initial=0))
    while edge <= top:
        edges.append(edge)
        edge += max(1, edge // 8)
    return np.searchsorted(np.asarray(edges, np.int64), lengths, side="right")
