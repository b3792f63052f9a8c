"""Words and their neighbours, as word2vec draws them: subsampling, windows, negatives.

Mikolov, Sutskever, Chen, Corrado, Dean, "Distributed representations of words and phrases and their
compositionality", NIPS 2013, and the code published with it, as recalled. All that is drawn is a
function of a text's place in the order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.arrays import Integers
from striate.data.transforms.random import Places, uniforms

BLOCK = 16
"""Centre words of a block: they share their negatives."""

_NEGATIVES = 0x6E656761746976  # apart from what words are drawn by
Shares = NDArray[np.float64]
Ids = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class WordDraws:
    """What words are drawn by.

    Attributes:
        keep: (words,) share of each word's occurrences that is kept; see `keep_shares`.
        noise: (words,) rising sums of what negatives are drawn by, up to 1; see `noise_sums`.
        window: words on either side that are neighbours at most.
        drawn: negatives of each block.
    """

    keep: Shares
    noise: Shares
    window: int
    drawn: int


@dataclass(frozen=True)
class Windows:
    """Words with their neighbours in blocks of `BLOCK` centres; 0 stands where there is no word.

    Attributes:
        centres: (n, blocks, BLOCK) ids.
        contexts: (n, blocks, window + BLOCK + window) ids: the centres, and what is around them.
        reach: (n, blocks, BLOCK) how far off a centre's neighbours may be.
        negatives: (n, blocks, drawn) ids.
    """

    centres: Integers
    contexts: Integers
    reach: NDArray[np.uint8]
    negatives: Integers


def keep_shares(counts: Integers, sample: float) -> Shares:
    """(words,) how likely an occurrence of each word is kept: √(t/f) + t/f, at most 1.

    Args:
        counts: (words,) occurrences.
        sample: t, the share of all words above which a word is thinned out; 0 keeps all.
    """
    total = counts.sum()
    if sample == 0 or total == 0:
        return np.ones(len(counts))
    ratio = sample * total / np.maximum(counts, 1)
    keep: Shares = np.minimum(1.0, np.sqrt(ratio) + ratio)
    return keep


def noise_sums(counts: Integers, power: float) -> Shares:
    """(words,) the running sums of the words' shares of the noise, which are as count^power."""
    weights = np.where(counts > 0, np.maximum(counts, 1).astype(np.float64) ** power, 0.0)
    sums = np.cumsum(weights)
    shares: Shares = sums / sums[-1]
    return shares


def draw_windows(texts: Sequence[Ids], draws: WordDraws, places: Places, most: int) -> Windows:
    """The words that are kept of some texts, with neighbours and negatives.

    Args:
        texts: n texts, as ids from 1; of longer ones than `most` the rest is left out.
        draws: what is drawn by.
        places: where the texts stand in the order.
        most: words of a text; it says how many blocks there are.
    """
    ids, rows, at, reach = _kept([text[:most] for text in texts], draws, places)
    blocks, window = -(-most // BLOCK), draws.window
    shape = (len(texts), blocks, BLOCK)
    padded = np.zeros((len(texts), blocks * BLOCK + 2 * window), np.int64)
    padded[rows, at + window] = ids
    reaches = np.zeros((len(texts), blocks * BLOCK), np.uint8)
    reaches[rows, at] = reach
    around = np.lib.stride_tricks.sliding_window_view(padded, BLOCK + 2 * window, axis=1)
    centres = padded[:, window : window + blocks * BLOCK].reshape(shape)
    used = blocks_used(centres)
    there = centres[:, :used, :1] != 0  # a text knows nothing of how many blocks others have
    contexts = np.zeros((len(texts), blocks, BLOCK + 2 * window), np.int64)
    contexts[:, :used] = around[:, : used * BLOCK : BLOCK] * there
    negatives = np.zeros((len(texts), blocks, draws.drawn), np.int64)
    negatives[:, :used] = _negatives(used, draws, places) * there
    return Windows(centres, contexts, reaches.reshape(shape), negatives)


def blocks_used(centres: NDArray[np.generic]) -> int:
    """Blocks up to the last one that has a word, of (n, blocks, BLOCK) ids; at least one."""
    return max(1, int((centres[:, :, 0] != 0).sum(1).max(initial=0)))


def _kept(
    texts: Sequence[Ids], draws: WordDraws, places: Places
) -> tuple[Integers, Integers, Integers, Integers]:
    """Of the words that stay: ids, which text they are of, which of its words, and their reach."""
    lengths = np.array([len(text) for text in texts], np.int64)
    rows = np.repeat(np.arange(len(texts)), lengths)
    ids = np.concatenate([np.empty(0, np.int64), *texts]).astype(np.int64)
    at = np.arange(len(ids)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    drawn = uniforms(places.seed, places.epochs, places.positions, 2 * int(lengths.max(initial=0)))
    stays = drawn[2 * at, rows] < draws.keep[ids]
    ids, rows, at = ids[stays], rows[stays], at[stays]
    reach = 1 + (drawn[2 * at + 1, rows] * draws.window).astype(np.int64)
    counts = np.bincount(rows, minlength=len(texts))
    return ids, rows, np.arange(len(ids)) - np.repeat(np.cumsum(counts) - counts, counts), reach


def _negatives(blocks: int, draws: WordDraws, places: Places) -> Integers:
    """(n, blocks, drawn) ids, drawn as the noise says."""
    seed = (places.seed ^ _NEGATIVES) % 2**63
    lots = uniforms(seed, places.epochs, places.positions, blocks * draws.drawn)
    found = np.searchsorted(draws.noise, lots.T, side="right")
    return found.reshape(-1, blocks, draws.drawn)
