"""Whole runs: seconds from the command to the first step, and what checkpoints hold up.

Where less is better, the row holds what there is of it in a minute, or compares what is allowed
with what was taken.
"""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from harness import Row, main

from striate.core.errors import TrainingStopped
from striate.data.ingest.ingest import ingest
from striate.data.stream.batch import Batch
from striate.train.config import CheckpointConfig, DataConfig, ScalingConfig
from striate.train.recipes.resolve import resolve
from striate.train.run.folder import Run, RunFolder
from striate.train.run.spec import RunOutcome, RunSpec
from striate.train.tracking.metric_log import MetricRecord

STRIATE = str(Path(sys.executable).with_name("striate"))
START_LIMIT_S = 25.0
BLOCKED_LIMIT = 0.05
_BATCH = 32


def measure(quick: bool) -> list[Row]:
    """Start-up with two workers, and a run of AlexNet with a checkpoint a minute.

    The quick form starts once, and takes one checkpoint soon: what it blocks counts as of a minute.
    """
    every_s, seconds = (2, 4) if quick else (60, 150)
    with TemporaryDirectory(prefix="st-") as scratch:  # short: Ray's sockets lie under it
        folder = Path(scratch)
        return [_start_up(folder, 1 if quick else 3), _checkpoints(folder, every_s, seconds)]


def _start_up(folder: Path, times: int) -> Row:
    """`striate train` on two workers, on a platform that is up; the median of several."""
    home = folder / "h"
    environment = {**os.environ, "STRIATE_HOME": str(home)}

    def striate(*words: str) -> str:
        command = [STRIATE, *words]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        return done.stdout

    ingest("digits", home / "data" / "corpora" / "digits", home / "data" / "digits", workers=1)
    striate("up")  # on free ports
    try:
        found = []
        for _ in range(times + (times > 1)):  # of several the first one brings files into memory
            striate("train", "lenet5-digits", "epochs=1", "--workers", "2")
            outcome = max(home.glob("runs/*/outcome.json"), key=lambda path: path.stat().st_mtime)
            found.append(RunOutcome.model_validate_json(outcome.read_bytes()).startup)
    finally:
        striate("down")
    parts = sorted(found[-times:], key=lambda one: sum(one.values()))[times // 2]
    seconds = sum(parts.values())
    listed = ", ".join(f"{name} {part:.1f}" for name, part in parts.items())
    print(f"start-up {seconds:.1f} s: {listed}", file=sys.stderr)
    title = (
        f"starts of `striate train` on 2 workers ({seconds:.1f} s): {START_LIMIT_S:.0f} s allowed"
    )
    return Row(title, 60 / seconds, 60 / START_LIMIT_S, "starts/min", at_least=1.0)


class _Memory:
    """What the loop takes for a stream: one batch in memory, for so many seconds."""

    wait_s = 0.0

    def __init__(self, seconds: float) -> None:
        self.damaged: dict[str, str] = {}
        images = torch.randn(_BATCH, 3, 224, 224).contiguous(memory_format=torch.channels_last)
        labels = torch.randint(1000, (_BATCH,))
        self._tensors = {"images": images, "labels": labels, "rows": torch.arange(_BATCH)}
        self._end, self._cursor = time.monotonic() + seconds, 0

    def __next__(self) -> Batch:
        if time.monotonic() > self._end:
            raise TrainingStopped("The time is over.")
        self._cursor += _BATCH
        return Batch(self._tensors, self._cursor, 0, _BATCH)

    def close(self) -> None:
        """Nothing is open."""


def _checkpoints(folder: Path, every_s: float, seconds: float) -> Row:
    """AlexNet with its momenta, half a gigabyte, saved now and then while it trains here."""
    from striate.train.launch.worker import train_here
    from striate.train.loop import train as loop
    from striate.train.loop.checkpointing import BLOCKED_SHARE

    opened: Any = loop
    opened.open_stream = lambda run, world, cursor: _Memory(seconds)
    spec = RunSpec(
        run_id="bench",
        tracking_uri="http://127.0.0.1:1",
        experiment_id="0",
        recipe=resolve("alexnet-one-tower-imagenet").model_copy(
            update={
                "batch_size": _BATCH,
                "data": DataConfig(corpus="imagenet"),
                "scaling": ScalingConfig(workers=0, cpus_per_worker=os.cpu_count() or 1),
                "checkpoint": CheckpointConfig(every_steps=1_000_000_000, every_s=every_s),
                "report_every": 1,
            }
        ),
        shards="unused",
        manifest_sha256="",
        labels=tuple(str(label) for label in range(1000)),
        train_rows=1_000_000_000,
        created_unix_s=time.time(),
    )
    run = Run(spec, RunFolder(folder / "checkpoints"))
    with contextlib.suppress(TrainingStopped):
        train_here(run)
    lines = run.folder.metric_log.read_text(encoding="utf-8").splitlines()
    records = [MetricRecord.model_validate_json(line) for line in lines]
    # Of the time between two checkpoints; a minute has as much of it as they are rarer.
    shares = [every_s / 60 * record.value for record in records if record.key == BLOCKED_SHARE]
    print(f"blocked shares after each checkpoint: {shares}", file=sys.stderr)
    title = "training time not blocked by a checkpoint a minute: 95 % allowed"
    return Row(title, 100 * (1 - shares[-1]), 100 * (1 - BLOCKED_LIMIT), "%", at_least=1.0)


if __name__ == "__main__":
    main(
        measure,
        "Whole runs: how soon they start, and what checkpoints hold up.",
        "one start, one early checkpoint",
    )
