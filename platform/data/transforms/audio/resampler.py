"""Sound at another rate, while it comes."""

import numpy as np
from scipy.signal import firwin, resample_poly

from striate.data.transforms.audio.load import RATE_HZ, Samples

_REACH = 10  # of the filter, in samples of the lower rate; scipy's own
_BETA = 5.0
_BLOCK_S = 0.05


class Resampler:
    """One channel in, at one rate, and out at another: what `to_mono` makes of the whole.

    It works in blocks that lie where the sound begins, so how it is cut does not matter. A rate
    that has little in common with the other one makes long blocks, of up to a second.

    Args:
        rate: of what comes.
        rate_hz: wanted.
    """

    def __init__(self, rate: int, rate_hz: int = RATE_HZ) -> None:
        shared = int(np.gcd(rate, rate_hz))
        self._up, self._down = rate_hz // shared, rate // shared
        wide = max(self._up, self._down)
        if wide > 1:
            taps = firwin(2 * _REACH * wide + 1, 1 / wide, window=("kaiser", _BETA))
            self._filter = taps.astype(np.float32)
        # In units of `down` samples, each of which makes `up` others.
        self._block = max(1, round(_BLOCK_S * rate / self._down))
        self._margin = -(-(_REACH * wide // self._up + 1) // self._down)
        self._held = np.zeros(0, np.float32)
        self._start = self._done = self._received = 0

    def accept(self, samples: Samples) -> Samples:
        """Take in (n,) samples; returns those at the other rate that can be told by now."""
        if self._up == self._down:
            return samples
        self._held = np.concatenate([self._held, samples])
        self._received += len(samples)
        made = []
        while self._received >= (self._done + self._block + self._margin) * self._down:
            made.append(self._make(self._done + self._block))
        return _join(made)

    def finish(self) -> Samples:
        """The samples that are left."""
        if self._up == self._down or not self._received:
            return np.zeros(0, np.float32)
        changed = resample_poly(self._held, self._up, self._down, window=self._filter)
        return np.asarray(changed[(self._done - self._start) * self._up :], np.float32)

    def _make(self, stop: int) -> Samples:
        """From where it is done to `stop`, and let go what is no longer needed."""
        last = (stop + self._margin - self._start) * self._down
        changed = resample_poly(self._held[:last], self._up, self._down, window=self._filter)
        first, end = (at * self._up for at in (self._done - self._start, stop - self._start))
        self._done, before = stop, self._start
        self._start = max(0, stop - self._margin)
        self._held = self._held[(self._start - before) * self._down :]
        return np.asarray(changed[first:end], np.float32)


def _join(parts: list[Samples]) -> Samples:
    return np.concatenate([np.zeros(0, np.float32), *parts])
