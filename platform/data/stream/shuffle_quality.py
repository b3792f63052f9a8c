"""How good a shuffle is, in figures that are 1 for a full shuffle and 0 for the stored order.

An order that reads shards in sequence cannot mix as a full shuffle does; these say how far it is
from one, and so how to weigh a window against the reading that it costs.
"""

from dataclasses import dataclass

import numpy as np

from striate.core.arrays import Integers
from striate.data.stream.order import Order


@dataclass(frozen=True)
class ShuffleQuality:
    """Figures of one epoch; each is divided by what a full shuffle of as many rows expects.

    Attributes:
        displacement: mean distance between a row's stored place and its place in the epoch; a full
            shuffle moves a row by a third of the rows.
        separation: mean distance between the stored places of two rows that follow each other; it
            is a third of the rows too after a full shuffle, and falls when neighbours stay near.
        batch_spread: shards that a batch draws from.
    """

    displacement: float
    separation: float
    batch_spread: float


def shuffle_quality(order: Order, epoch: int = 0, batch_size: int = 256) -> ShuffleQuality:
    """Measure one epoch of an order.

    Args:
        order: with at least two rows.
        epoch: which epoch.
        batch_size: samples of a global batch.
    """
    total = order.rows_per_epoch
    rows = order.rows(epoch * total, total)
    expected = max(total / 3, 1e-12)
    shard_of = np.repeat(np.arange(len(order.shard_rows)), order.shard_rows)[rows]
    return ShuffleQuality(
        displacement=float(np.abs(rows - np.arange(total)).mean() / expected),
        separation=float(np.abs(np.diff(rows)).mean() / expected),
        batch_spread=_spread(shard_of, batch_size) / _expected_spread(order, batch_size),
    )


def _spread(shard_of: Integers, batch_size: int) -> float:
    """Mean number of shards in a batch."""
    batch_size = min(batch_size, len(shard_of))
    whole = shard_of[: len(shard_of) // batch_size * batch_size].reshape(-1, batch_size)
    changes = np.diff(np.sort(whole, axis=1), axis=1) > 0
    return float(changes.sum(axis=1).mean()) + 1.0


def _expected_spread(order: Order, batch_size: int) -> float:
    """The same after a full shuffle: each shard is missed with probability (1 − share)^batch."""
    share = np.asarray(order.shard_rows) / order.rows_per_epoch
    return float((1 - (1 - share) ** min(batch_size, order.rows_per_epoch)).sum())
