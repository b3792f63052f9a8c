"""The order of samples: properties that exact resume and elastic workers stand on."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.core.errors import UsageError
from striate.data.stream.order import Order

pytestmark = pytest.mark.unit

SHARDS = st.lists(st.integers(0, 60), min_size=1, max_size=12).filter(any)
SEEDS = st.integers(0, 2**63 - 1)
WINDOWS = st.integers(1, 300)


def ranks_share(order: Order, cursor: int, batch: int, world: int) -> list[int]:
    """A global batch as its ranks see it, put together again."""
    parts = [order.rows(cursor, batch)[rank::world] for rank in range(world)]
    whole = np.empty(batch, np.int64)
    for rank, part in enumerate(parts):
        whole[rank::world] = part
    return [int(row) for row in whole]


@given(shards=SHARDS, seed=SEEDS, window=WINDOWS, world=st.integers(1, 64))
def test_every_sample_once_an_epoch_for_every_world(
    shards: list[int], seed: int, window: int, world: int
) -> None:
    order, batch = Order(shards, seed, window), world + 3
    total = order.rows_per_epoch
    seen: list[int] = []
    while len(seen) < 2 * total:
        seen += ranks_share(order, len(seen), batch, world)
    for epoch in range(2):
        assert sorted(seen[epoch * total : (epoch + 1) * total]) == list(range(total))


@given(
    shards=SHARDS,
    seed=SEEDS,
    window=WINDOWS,
    worlds=st.lists(st.integers(1, 64), min_size=1, max_size=30),
    batch=st.integers(1, 70),
)
def test_a_changing_world_sees_the_undisturbed_order(
    shards: list[int], seed: int, window: int, worlds: list[int], batch: int
) -> None:
    seen: list[int] = []
    for world in worlds:  # each step a new process with another world size
        seen += ranks_share(Order(shards, seed, window), len(seen), batch, world)
    assert seen == Order(shards, seed, window).rows(0, len(seen)).tolist()


@given(
    shards=SHARDS, seed=SEEDS, window=WINDOWS, cursor=st.integers(0, 500), count=st.integers(0, 300)
)
def test_resuming_at_any_cursor_gives_the_tail(
    shards: list[int], seed: int, window: int, cursor: int, count: int
) -> None:
    undisturbed = Order(shards, seed, window).rows(0, cursor + count)
    resumed = Order(shards, seed, window).rows(cursor, count)
    assert resumed.tolist() == undisturbed[cursor:].tolist()


@given(seed=SEEDS, window=st.integers(10, 200))
def test_epochs_and_seeds_differ(seed: int, window: int) -> None:
    order = Order((40, 40, 40), seed, window)
    first, second = order.rows(0, 120).tolist(), order.rows(120, 120).tolist()
    assert first != second
    assert first != Order((40, 40, 40), (seed + 1) % 2**63, window).rows(0, 120).tolist()


@given(cursor=st.integers(0, 10_000))
def test_positions_count_through_the_epochs(cursor: int) -> None:
    order = Order((7, 6), 0)
    epochs, positions = order.positions(cursor, 5)
    assert (epochs * 13 + positions).tolist() == list(range(cursor, cursor + 5))
    assert positions.max() < 13


@settings(max_examples=20)
@given(seed=SEEDS)
def test_shards_are_read_mostly_in_sequence(seed: int) -> None:
    """A window of four shards' rows touches five shards at most, whatever the epoch's order."""
    order = Order((100,) * 50, seed, window=400)
    for start in range(0, 4800, 400):
        assert len({row // 100 for row in order.rows(start, 400).tolist()}) <= 5


def test_one_big_shard_is_mixed_beyond_its_window() -> None:
    order = Order((10_000,), 3, window=1000)
    rows = order.rows(0, 1000)
    assert rows.max() - rows.min() > 5000


def test_a_shuffle_leaves_no_trace_of_the_stored_order() -> None:
    order = Order((500, 700, 800), 11)
    correlation = np.corrcoef(np.arange(2000), order.rows(0, 2000))[0, 1]
    assert abs(correlation) < 0.1


def test_ten_million_rows_cost_one_window() -> None:
    """The whole permutation would be 80 MB."""
    tracemalloc.start()
    try:
        Order((1_000_000,) * 10, 5).rows(7_654_321, 64)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000


def test_the_order_never_changes_between_versions() -> None:
    """A checkpoint holds a cursor alone, so another order would repeat and skip samples."""
    order = Order((5, 4, 6), 42, window=8)
    assert order.rows(0, 20).tolist() == GOLDEN


GOLDEN = [6, 4, 5, 8, 3, 2, 7, 0, 11, 1, 13, 10, 14, 12, 9, 6, 5, 14, 8, 11]


@pytest.mark.parametrize(
    ("shards", "seed", "window"), [((), 0, 8), ((0,), 0, 8), ((3,), -1, 8), ((3,), 0, 0)]
)
def test_what_cannot_be_ordered_is_said(shards: tuple[int, ...], seed: int, window: int) -> None:
    with pytest.raises(UsageError):
        Order(shards, seed, window)
