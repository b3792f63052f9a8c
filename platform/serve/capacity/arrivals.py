"""When calls come: independent callers, a Poisson process."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def poisson_arrivals(rate: float, seconds: float, seed: int = 0) -> FloatArray:
    """Ascending times in [0, `seconds`) at which callers call, `rate` a second on average."""
    generator = np.random.default_rng(seed)
    count = int(rate * seconds + 6 * (rate * seconds) ** 0.5 + 16)  # six deviations: never short
    times = np.cumsum(generator.exponential(1 / rate, count))
    return times[times < seconds]
