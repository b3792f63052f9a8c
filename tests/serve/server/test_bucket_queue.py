"""Buckets of waiting requests: none is lost, order is kept, the oldest goes next."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.serve.server.bucket_queue import BucketQueue

pytestmark = pytest.mark.unit


@dataclass(frozen=True)
class Sprite:
    number: int
    bucket: int | None
    size: int
    wanted: bool


ARRIVALS = st.tuples(st.sampled_from([None, 0, 1, 2]), st.integers(1, 6), st.booleans())
STEPS = st.lists(ARRIVALS | st.just("take"), max_size=60)


@given(STEPS, st.integers(1, 8))
def test_every_batch_is_the_oldest_bucket_in_its_order(
    steps: Sequence[tuple[int | None, int, bool] | str], most: int
) -> None:
    queue: BucketQueue[Sprite] = BucketQueue()
    waiting: list[Sprite] = []
    seen: list[Sprite] = []

    def keep(thing: Sprite) -> bool:
        seen.append(thing)
        return thing.wanted

    def check() -> None:
        seen.clear()
        batch = queue.take(most, keep)
        assert batch == [thing for thing in seen if thing.wanted]
        for thing in seen:  # all of a bucket's go in their order, once
            waiting.remove(thing)
            assert not any(w.bucket == thing.bucket and w.number < thing.number for w in waiting)
        assert len({thing.bucket for thing in batch}) <= 1
        assert sum(thing.size for thing in batch) <= most or len(batch) == 1
        left = [thing for thing in waiting if thing.wanted]
        if batch:
            assert all(batch[0].number < thing.number for thing in left)  # the oldest went
            following = next((t for t in waiting if t.bucket == batch[0].bucket), None)
            full = following and sum(t.size for t in batch) + following.size > most
            assert full or following is None  # what fits went along
        else:
            assert not waiting
        assert len(queue) == len(waiting)

    for number, step in enumerate(steps):
        if isinstance(step, str):
            check()
            continue
        thing = Sprite(number, *step)
        waiting.append(thing)
        alike = sum(t.bucket == thing.bucket for t in waiting)
        assert queue.append(thing, thing.bucket) == alike
    while len(queue):
        check()
    assert not waiting


def test_what_is_cleared_comes_in_the_order_of_arrival() -> None:
    queue: BucketQueue[Sprite] = BucketQueue()
    things = [Sprite(number, number % 3, 1, True) for number in range(7)]
    for thing in things:
        queue.append(thing, thing.bucket)
    assert queue.clear() == things
    assert (len(queue), queue.take(9, bool), queue.clear()) == (0, [], [])
    queue.append(things[0], 5)
    assert queue.take(9, bool) == things[:1]


def test_a_rare_size_among_many_of_another_waits_no_longer_than_those_before_it() -> None:
    queue: BucketQueue[Sprite] = BucketQueue()
    for number in range(8):
        queue.append(Sprite(number, 0, 1, True), 0)
    rare = Sprite(8, 1, 1, True)
    queue.append(rare, 1)
    batches = []
    for number in range(9, 40, 2):  # the others keep coming, as fast as they go
        queue.append(Sprite(number, 0, 1, True), 0)
        queue.append(Sprite(number + 1, 0, 1, True), 0)
        batches.append(queue.take(2, bool))
    assert batches.index([rare]) == 4
