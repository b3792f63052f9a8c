"""Random numbers as a function of integers: no state, so nothing to save and nothing to share.

SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA 2014) over arrays: the number for (seed, epoch,
position, draw) is the same whatever batch, worker, thread or process asks for it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_TO_UNIT = 2.0**-53


@dataclass(frozen=True)
class Places:
    """Where the samples of a batch stand: one seed, and (n,) epochs and positions."""

    seed: int
    epochs: NDArray[np.int64]
    positions: NDArray[np.int64]


def uniforms(
    seed: int, epochs: NDArray[np.int64], positions: NDArray[np.int64], draws: int
) -> NDArray[np.float64]:
    """Numbers in [0, 1) for each sample.

    Args:
        seed: a whole number from 0.
        epochs: (n,) epoch of each sample.
        positions: (n,) position of each sample in its epoch.
        draws: numbers wanted for each sample.

    Returns:
        (draws, n) float64.
    """
    with np.errstate(over="ignore"):
        key = _mix(np.asarray([seed], np.uint64) + _GOLDEN)
        key = _mix(key + epochs.astype(np.uint64) * _GOLDEN)
        key = _mix(key + (positions.astype(np.uint64) + np.uint64(1)) * _GOLDEN)
        steps = np.arange(1, draws + 1, dtype=np.uint64)[:, None] * _GOLDEN
        words = _mix(key[None, :] + steps)
    return (words >> np.uint64(11)).astype(np.float64) * _TO_UNIT


def _mix(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    word = (word ^ (word >> np.uint64(30))) * _MIX_1
    word = (word ^ (word >> np.uint64(27))) * _MIX_2
    return word ^ (word >> np.uint64(31))
