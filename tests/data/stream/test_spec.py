"""Shares of a batch: every position belongs to exactly one, and none is asked for that is not."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.core.errors import UsageError
from striate.data.stream.spec import ALONE, Share, StreamSpec

pytestmark = pytest.mark.unit


@given(st.integers(0, 200), st.integers(1, 40))
def test_the_shares_of_a_world_are_disjoint_and_whole(whole: int, world: int) -> None:
    shares = [Share(rank, world) for rank in range(world)]
    positions = [list(range(whole)[share.positions]) for share in shares]
    assert sorted(itertools.chain(*positions)) == list(range(whole))
    sizes = [share.size(whole) for share in shares]
    assert sizes == [len(one) for one in positions]
    assert max(sizes) - min(sizes) <= 1
    assert ALONE.size(whole) == whole


@pytest.mark.parametrize(("rank", "world"), [(2, 2), (-1, 2), (0, 0)])
def test_a_rank_outside_the_world_is_refused(rank: int, world: int) -> None:
    with pytest.raises(UsageError, match=f"no rank {rank} in a world of {world}"):
        Share(rank, world)


def test_a_batch_of_nothing_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(UsageError, match="batch of 0"):
        StreamSpec("train", 0)
