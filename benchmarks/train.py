"""Training: the loop inside Ray Train, and training on a GPU where there is one.

`train_loop_rows.py` and `train_cuda_rows.py` say what is compared. `train_rate.py` measures the
rate on this processor and the way from disk, `train_runs.py` start-up and checkpoints.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import train_cuda_rows
import train_loop_rows
from harness import Row, main


def measure(quick: bool) -> list[Row]:
    """The loop's rows, then the GPU's."""
    with TemporaryDirectory(prefix="st-") as folder:  # short: Ray's sockets lie under /tmp too
        found = train_loop_rows.rows(Path(folder), quick)
    return [*found, *train_cuda_rows.rows(quick)]


if __name__ == "__main__":
    main(measure, "The training loop against its peers.", "fewer and shorter segments")
