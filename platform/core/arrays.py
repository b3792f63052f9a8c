"""Arrays by what they hold; a function's docstring gives the shape."""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""Bytes of a picture."""

Integers = NDArray[np.int64]
"""Rows, positions and other counts."""

Floats = NDArray[np.float64]
"""Coordinates, times and other quantities."""
