"""Subsampling, windows and negatives: word2vec's shares, and a function of the place alone."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data.transforms.random import Places
from striate.data.transforms.text.word_windows import (
    BLOCK,
    Windows,
    WordDraws,
    blocks_used,
    draw_windows,
    keep_shares,
    noise_sums,
)

pytestmark = pytest.mark.unit

COUNTS = np.array([0, 0, 0, 0, 1000, 100, 10, 1, 5, 0], np.int64)
MOST = 50


def draws(sample: float = 0.0, window: int = 3, drawn: int = 7) -> WordDraws:
    return WordDraws(keep_shares(COUNTS, sample), noise_sums(COUNTS, 0.75), window, drawn)


def places(*positions: int, seed: int = 5, epoch: int = 2) -> Places:
    return Places(seed, np.full(len(positions), epoch), np.array(positions, np.int64))


def text(size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(4, 9, size)


def test_frequent_words_are_kept_as_word2vec_says() -> None:
    keep = keep_shares(COUNTS, 0.01)
    share = 1000 / COUNTS.sum()
    assert keep[4] == pytest.approx(np.sqrt(0.01 / share) + 0.01 / share)
    assert (keep[5:] <= 1).all() and keep[7] == 1
    assert (keep_shares(COUNTS, 0) == 1).all()


def test_negatives_come_by_their_counts_to_a_power_and_never_unseen_words() -> None:
    made = draw_windows([text(48)] * 400, draws(drawn=32), places(*range(400)), 48)
    found = np.bincount(made.negatives[:, :3].ravel(), minlength=10)
    weights = np.where(COUNTS > 0, COUNTS, 0) ** 0.75
    assert found[COUNTS == 0].sum() == 0
    assert found / found.sum() == pytest.approx(weights / weights.sum(), abs=0.01)


@given(
    sizes=st.lists(st.integers(0, 60), min_size=1, max_size=6),
    sample=st.sampled_from([0.0, 0.05]),
    window=st.integers(1, 20),
)
def test_a_text_has_its_windows_whatever_else_is_in_the_batch(
    sizes: list[int], sample: float, window: int
) -> None:
    texts = [text(size, seed) for seed, size in enumerate(sizes)]
    how, where = draws(sample, window), list(range(3, 3 + len(sizes)))
    whole = draw_windows(texts, how, places(*where), MOST)
    for at, one in enumerate(texts):
        alone = draw_windows([one], how, places(where[at]), MOST)
        used = blocks_used(alone.centres)
        for name in ("centres", "contexts", "reach", "negatives"):
            ours, theirs = (getattr(made, name) for made in (whole, alone))
            assert (ours[at, :used] == theirs[0, :used]).all()
        check(one[:MOST], alone, window, sample)


def check(one: np.ndarray, made: Windows, window: int, sample: float) -> None:
    """The kept words stand in their order, each block in what is around it."""
    centres = made.centres[0].ravel()
    kept = centres[centres != 0]
    assert (centres[: len(kept)] == kept).all()
    if not sample:
        assert (kept == one).all()
    around = np.concatenate([np.zeros(window), centres, np.zeros(window)])
    for block, (start, _) in enumerate(pairwise(range(0, len(centres) + 1, BLOCK))):
        there = made.centres[0, block, 0] != 0
        expected = around[start : start + BLOCK + 2 * window] * there
        assert (made.contexts[0, block] == expected).all()
        assert made.negatives[0, block].all() == there
    reach = made.reach[0].ravel()
    assert ((reach >= 1) & (reach <= window))[: len(kept)].all() and not reach[len(kept) :].any()


def test_windows_are_drawn_evenly_and_thinned_words_make_them_wider() -> None:
    made = draw_windows([text(48)] * 300, draws(window=4), places(*range(300)), 48)
    assert np.bincount(made.reach.ravel())[1:] / made.reach.size == pytest.approx(
        [0.25] * 4, abs=0.02
    )
    thin = draw_windows([np.full(48, 4)] * 300, draws(0.01), places(*range(300)), 48)
    share = (thin.centres != 0).sum() / (300 * 48)
    assert share == pytest.approx(keep_shares(COUNTS, 0.01)[4], abs=0.02)


@pytest.mark.parametrize("other", [{"seed": 6}, {"epoch": 3}])
def test_another_seed_or_pass_draws_anew(other: dict[str, int]) -> None:
    one = draw_windows([text(40)], draws(0.01), places(9), MOST)
    again = draw_windows([text(40)], draws(0.01), places(9), MOST)
    new = draw_windows([text(40)], draws(0.01), places(9, **other), MOST)
    assert (one.negatives == again.negatives).all() and (one.reach == again.reach).all()
    assert (one.negatives != new.negatives).any() and (one.reach != new.reach).any()


def test_no_text_at_all_is_one_empty_block() -> None:
    made = draw_windows([np.empty(0, np.int64)] * 2, draws(), places(0, 1), MOST)
    assert not made.centres.any() and blocks_used(made.centres) == 1
