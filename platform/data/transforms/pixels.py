"""Pixels, as everything that decodes, changes or draws pictures has them."""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""Bytes of a picture; a function's docstring gives the shape."""
