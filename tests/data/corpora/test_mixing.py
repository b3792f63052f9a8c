"""Mixing classes in runs: every item once, whole runs, many classes in any window."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data.corpora.mixing import mix_in_runs

pytestmark = pytest.mark.unit

Counts = st.lists(st.integers(0, 70), min_size=0, max_size=30)


@given(Counts, st.integers(1, 20))
def test_every_item_comes_once_and_runs_stay_whole(counts: list[int], run: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    order = mix_in_runs(labels, run)
    assert sorted(order.tolist()) == list(range(len(labels)))
    starts = np.flatnonzero(np.diff(order) != 1) + 1
    runs = np.split(order, starts) if len(order) else []
    starts_of_class = np.cumsum([0, *counts])
    for part in runs:  # two runs that follow each other by chance are one part
        label = labels[part[0]]
        assert (part[0] - starts_of_class[label]) % run == 0


def test_the_order_is_always_the_same_and_never_the_old_one() -> None:
    labels = np.repeat(np.arange(100), 160)
    order = mix_in_runs(labels)
    assert np.array_equal(order, mix_in_runs(labels.copy()))
    assert order[:16].tolist() == list(range(order[0], order[0] + 16))
    assert len(set(labels[order[:1600]].tolist())) > 50


def test_a_window_of_imagenet_sees_nearly_every_class() -> None:
    labels = np.repeat(np.arange(1000), 1281)
    order = mix_in_runs(labels)
    window = labels[order[500_000 : 500_000 + 65_536]]
    assert len(set(window.tolist())) > 950
