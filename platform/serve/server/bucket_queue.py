"""Requests that wait, sorted into buckets: a batch is of one bucket, the oldest request's first.

A model whose samples differ in size computes those of one size together. Serving the bucket whose
first request has waited longest, and no other before it, starves none: whoever waits is overtaken
only by requests that came to join an older one of another bucket.
"""

import heapq
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """What waits: it has a number of samples."""

    @property
    def size(self) -> int:
        """Samples."""
        ...


Item = TypeVar("Item", bound=Sized)


class BucketQueue(Generic[Item]):
    """A queue for each bucket; no lock, no clock, no event loop."""

    def __init__(self) -> None:
        self._buckets: dict[Hashable, deque[tuple[int, Item]]] = {}
        self._oldest: list[tuple[int, Hashable]] = []  # a heap: each bucket by its first item
        self._arrived = self._gone = 0

    def __len__(self) -> int:
        return self._arrived - self._gone

    def append(self, item: Item, bucket: Hashable = None) -> int:
        """Let an item wait; returns how many wait in its bucket."""
        self._arrived = number = self._arrived + 1
        if bucket in self._buckets:
            waiting = self._buckets[bucket]
        else:
            waiting = self._buckets[bucket] = deque()
            heapq.heappush(self._oldest, (number, bucket))
        waiting.append((number, item))
        return len(waiting)

    def take(self, most: int, keep: Callable[[Item], bool]) -> list[Item]:
        """The next batch: in their order, items of the bucket that holds the oldest one.

        Args:
            most: samples in it; an item of more is a batch by itself.
            keep: asked once of every item that is taken; one that it refuses is in no batch.

        Returns:
            Empty only when nothing is left.
        """
        batch: list[Item] = []
        while self._oldest and not batch:
            bucket = heapq.heappop(self._oldest)[1]
            waiting = self._buckets[bucket]
            before = len(waiting)
            batch = _take(waiting, most, keep)
            self._gone += before - len(waiting)
            if waiting:
                heapq.heappush(self._oldest, (waiting[0][0], bucket))
            else:
                del self._buckets[bucket]
        return batch

    def clear(self) -> list[Item]:
        """All that wait, in the order they came; none waits afterwards."""
        waiting = sorted(
            ((n, item) for every in self._buckets.values() for n, item in every),
            key=lambda pair: pair[0],
        )
        self._buckets.clear()
        self._oldest.clear()
        self._gone = self._arrived
        return [item for _, item in waiting]


def _take(waiting: deque[tuple[int, Item]], most: int, keep: Callable[[Item], bool]) -> list[Item]:
    """What of a bucket is kept and fits, or nothing where its first item is refused."""
    batch: list[Item] = []
    room = most
    while waiting:
        item = waiting[0][1]
        size = item.size
        if size > room and batch:
            break
        waiting.popleft()
        if keep(item):
            batch.append(item)
            room -= size
        elif not batch:
            break  # the oldest one may be another bucket's now
    return batch
