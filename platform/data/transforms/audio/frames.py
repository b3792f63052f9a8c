"""Where the frames of speech lie.

A frame is 25 ms long and starts every 10 ms, and only whole frames count (Kaldi's
``snip-edges=true``), so that n samples at 16 kHz have 1 + ⌊(n − 400) / 160⌋ frames.
"""

import numpy as np
from numpy.typing import NDArray

FRAME_S = 0.010
FRAME_STEP = 160
FRAME_LENGTH = 400


def frames_in(samples: int) -> int:
    """Whole 25 ms frames, one every 10 ms, in a number of samples at 16 kHz."""
    return max(0, 1 + (samples - FRAME_LENGTH) // FRAME_STEP)


def frame_centres(frames: int) -> NDArray[np.int64]:
    """(frames,) the sample at 16 kHz that stands in the middle of each frame."""
    return np.arange(frames, dtype=np.int64) * FRAME_STEP + FRAME_LENGTH // 2
