"""The order by length: exact as the plain one, whatever the lengths, and with little padding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.core.arrays import Integers
from striate.data.stream.length_order import LengthOrder, arrange, bucket_of
from striate.data.stream.order import Order

pytestmark = pytest.mark.unit

SHARDS = st.lists(st.integers(0, 40), min_size=1, max_size=6).filter(any)


def lengths_of(rows: Integers) -> Integers:
    """A length for each row id, from 1 to 97."""
    return rows * 7919 % 97 + 1


def order(shards: list[int], seed: int, window: int, batch: int) -> LengthOrder:
    return LengthOrder(shards, seed, window, batch, lengths_of)


@given(SHARDS, st.integers(0, 9), st.integers(1, 60), st.integers(1, 50))
def test_every_epoch_has_every_sample_once(
    shards: list[int], seed: int, window: int, batch: int
) -> None:
    made = order(shards, seed, window, batch)
    for epoch in range(3):
        rows = made.rows(epoch * sum(shards), sum(shards))
        assert sorted(rows.tolist()) == list(range(sum(shards)))


@given(SHARDS, st.integers(1, 60), st.integers(1, 50), st.integers(0, 300), st.integers(1, 99))
def test_any_cursor_goes_on_where_another_run_was(
    shards: list[int], window: int, batch: int, cursor: int, count: int
) -> None:
    whole = order(shards, 3, window, batch).rows(0, cursor + count)
    assert order(shards, 3, window, batch).rows(cursor, count).tolist() == whole[cursor:].tolist()


@given(SHARDS, st.integers(1, 60), st.integers(1, 50))
def test_a_window_holds_the_rows_that_the_plain_order_gives_it(
    shards: list[int], window: int, batch: int
) -> None:
    made, plain = order(shards, 1, window, batch), Order(shards, 1, window)
    for start in range(0, sum(shards), window):
        count = min(window, sum(shards) - start)
        assert set(made.rows(start, count).tolist()) == set(plain.rows(start, count).tolist())
        assert made.shards(start, 1) == plain.shards(start, 1)


def padding(made: Order, batch: int, epochs: int) -> float:
    """Share of a batch's tokens that are padding, over all batches."""
    padded = held = 0
    for cursor in range(0, epochs * made.rows_per_epoch, batch):
        found = lengths_of(made.rows(cursor, batch))
        held += int(found.sum())
        padded += int(found.max()) * batch
    return 1 - held / padded


def test_batches_hold_little_padding_over_the_ends_of_epochs() -> None:
    """1,003 rows in windows of 500 and batches of 32: windows and epochs end within batches."""
    by_length = padding(order([600, 403], 0, 500, 32), 32, 3)
    plain = padding(Order([600, 403], 0, 500), 32, 3)
    assert plain > 0.4
    assert by_length < 0.16


def test_batches_come_in_no_order_of_length_and_differ_from_epoch_to_epoch() -> None:
    made = order([960], 0, 960, 32)
    means = [lengths_of(made.rows(cursor, 32)).mean() for cursor in range(0, 960, 32)]
    assert abs(np.corrcoef(means, np.arange(30))[0, 1]) < 0.5
    first, second = (
        {frozenset(made.rows(start + at, 32).tolist()) for at in range(0, 960, 32)}
        for start in (0, 960)
    )
    assert len(first & second) < 3


def test_batches_that_straddle_windows_get_the_shortest() -> None:
    lengths = np.array([9, 50, 2, 50, 1, 3, 50, 50])
    found = arrange(lengths, 2, 4, np.array([0]))
    assert sorted(lengths[found[:2]].tolist()) == [1, 2]
    assert sorted(lengths[found[6:]].tolist()) == [3, 9]
    assert set(lengths[found[2:6]].tolist()) == {50}


def test_buckets_are_an_eighth_apart() -> None:
    buckets = bucket_of(np.arange(2000))
    assert buckets[0] == 0 and (np.diff(buckets) >= 0).all()
    for bucket in np.unique(buckets)[1:]:
        inside = np.flatnonzero(buckets == bucket)
        assert inside[-1] <= inside[0] + max(0, inside[0] // 8)
    assert not len(bucket_of(np.empty(0, np.int64)))
