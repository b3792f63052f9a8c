"""Companions: other rows of the split that a sample needs, drawn by its place in the order alone.

A pair needs a second member, a triplet two more. Which rows they are is a function of the split's
labels and of (seed, epoch, position), so it is the same whatever batch, worker or restart asks.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from striate.core.arrays import Integers
from striate.data.transforms.random import Places


@dataclass(frozen=True)
class LabelIndex:
    """The rows of a split by class.

    Attributes:
        labels: (rows,) class of each row.
        sorted_rows: rows, class after class.
        starts: (classes + 1,) where each class begins in `sorted_rows`, and where the last ends.
        places: (rows,) where each row stands in `sorted_rows`.
    """

    labels: Integers
    sorted_rows: Integers
    starts: Integers
    places: Integers

    @classmethod
    def of(cls, labels: Integers) -> "LabelIndex":
        """The index of (rows,) classes from 0."""
        counts = np.bincount(labels)
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        sorted_rows = np.argsort(labels, kind="stable")
        places = np.empty_like(sorted_rows)
        places[sorted_rows] = np.arange(len(places))
        return cls(labels, sorted_rows, starts, places)

    def draw_same(self, rows: Integers, draws: NDArray[np.float64]) -> Integers:
        """For each row another one of its class, each as likely; itself where it is alone.

        Args:
            rows: (n,) row ids.
            draws: (n,) numbers in [0, 1).
        """
        first, stop = self.starts[self.labels[rows]], self.starts[self.labels[rows] + 1]
        places = self.places[rows] - first
        others = np.maximum(stop - first - 1, 1)
        chosen = (places + 1 + (draws * others).astype(np.int64)) % (stop - first)
        found: Integers = self.sorted_rows[first + chosen]
        return found

    def draw_other(self, rows: Integers, draws: NDArray[np.float64]) -> Integers:
        """For each row one of another class, each as likely; any where there is one class alone.

        Args:
            rows: (n,) row ids.
            draws: (n,) numbers in [0, 1).
        """
        first, stop = self.starts[self.labels[rows]], self.starts[self.labels[rows] + 1]
        total = len(self.labels)
        others = np.maximum(total - (stop - first), 1)
        found: Integers = self.sorted_rows[(stop + (draws * others).astype(np.int64)) % total]
        return found


@runtime_checkable
class NeedsCompanions(Protocol):
    """A pipeline whose samples need other rows of the split.

    Each row has one class and is one unit. The stream gives the others as `Stored.companions`. It
    reads the labels of the whole split once, and its rows in no order: the shards should lie on
    this machine.
    """

    def choose_companions(self, rows: Integers, places: Places, index: LabelIndex) -> Integers:
        """(n, k) row ids for n samples.

        Args:
            rows: (n,) row ids of the samples.
            places: where each stands in the order.
            index: the split's rows by class.
        """
