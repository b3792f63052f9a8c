"""Few reads for many members: the same bytes as one read each."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data.corpora.tar_reading import read_ranges, spans

pytestmark = pytest.mark.unit

CONTENT = bytes(range(256)) * 8
Ranges = st.lists(st.tuples(st.integers(0, 2100), st.integers(0, 300)), max_size=40)


@given(Ranges)
def test_every_range_is_read_as_it_lies(ranges: list[tuple[int, int]]) -> None:
    expected = [CONTENT[offset : offset + size] for offset, size in ranges]
    assert list(read_ranges(io.BytesIO(CONTENT), ranges)) == expected


@given(Ranges, st.integers(0, 100), st.integers(1, 500))
def test_spans_hold_every_range_in_order(
    ranges: list[tuple[int, int]], gap: int, most: int
) -> None:
    found = list(spans(ranges, gap, most))
    assert [one for span in found for one in span] == ranges
    for span in found:
        assert len(span) == 1 or sum(span[-1]) - span[0][0] <= most


def test_neighbours_are_read_at_once() -> None:
    assert list(spans([(0, 10), (512, 10), (9000, 5), (100, 3)], gap=600, most=10_000)) == [
        [(0, 10), (512, 10)],
        [(9000, 5)],
        [(100, 3)],
    ]
