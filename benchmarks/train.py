"""Training: the loop, the rate, the way from disk, the start-up, the checkpoints, the GPU.

Each group of rows says in its own file what is compared: `train_loop_rows.py`,
`train_rate_rows.py`, `train_run_rows.py`, `train_cuda_rows.py`. ``STRIATE_BENCH_ROWS`` names the
groups to measure, such as ``loop,rate``; all of them where it is not set.
"""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import train_cuda_rows
import train_loop_rows
import train_rate_rows
import train_run_rows
from harness import Row, main

GROUPS: dict[str, Callable[[Path, bool], list[Row]]] = {
    "loop": train_loop_rows.rows,
    "rate": train_rate_rows.rows,
    "run": train_run_rows.rows,
    "cuda": lambda _folder, quick: train_cuda_rows.rows(quick),
}


def measure(quick: bool) -> list[Row]:
    """All groups, one after the other."""
    wanted = os.environ.get("STRIATE_BENCH_ROWS", ",".join(GROUPS)).split(",")
    found: list[Row] = []
    for name in wanted:
        with TemporaryDirectory(prefix="st-") as folder:  # short: Ray's sockets lie under /tmp too
            found += GROUPS[name](Path(folder), quick)
    return found


if __name__ == "__main__":
    main(measure, "Training with Striate against its peers.")
