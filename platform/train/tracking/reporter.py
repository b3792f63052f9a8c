"""What the loop says: every step's loss, fetched from the device once every N steps."""

import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from striate.train.distributed.world import World
from striate.train.tracking.metric_log import MetricLog, MetricRecord
from striate.train.tracking.metric_names import DAMAGED, LOSS, RATE, SKIPPED, THROUGHPUT, WAIT_SHARE


class Reporter:
    """Gathers losses without waiting for them, and writes them to the metric log on rank 0.

    Args:
        world: this process.
        metric_log: file that rank 0 writes to.
        batch_size: global batch size, by which summed losses are divided.
    """

    def __init__(self, world: World, metric_log: Path, batch_size: int) -> None:
        self._world = world
        self._log = MetricLog(metric_log) if world.first else None
        self._batch_size = batch_size
        self._losses: list[Tensor] = []
        self._since = time.perf_counter()
        self._waited_s = 0.0
        self._named = 0

    def add(self, loss: Tensor) -> None:
        """Hold one step's summed local loss; nothing is synchronised."""
        self._losses.append(loss)

    def flush(
        self, step: int, rate: float, waited_s: float, damaged: Mapping[str, str] | None = None
    ) -> dict[int, float]:
        """Report all held steps, the last of which is `step`; every rank must call.

        Args:
            step: optimiser steps done.
            rate: learning rate of the last step.
            waited_s: seconds waited for data since the start of the stream.
            damaged: name → reason of this rank's damaged samples; rank 0's are named in a note.

        Returns:
            Step → loss over the whole batch, the same on every rank; some may not be finite.
        """
        if not self._losses:
            return {}
        damaged = damaged or {}
        met = torch.tensor([float(len(damaged))], device=self._losses[0].device)
        sums = self._world.sum(torch.cat([torch.stack(self._losses), met]))
        means = (sums[:-1] / self._batch_size).tolist()
        losses = dict(enumerate(means, start=step - len(means) + 1))
        for name in list(damaged)[self._named :]:
            self.note(step, f"The sample {name} cannot be used: {damaged[name]}.")
        self._named = len(damaged)
        now = time.perf_counter()
        seconds = max(now - self._since, 1e-9)
        self.metrics(
            step,
            {
                RATE: rate,
                THROUGHPUT: len(losses) * self._batch_size / seconds,
                WAIT_SHARE: (waited_s - self._waited_s) / seconds,
                DAMAGED: float(sums[-1]),
            },
            losses,
        )
        self._losses, self._since, self._waited_s = [], now, waited_s
        return losses

    def metrics(
        self, step: int, values: Mapping[str, float], losses: Mapping[int, float] | None = None
    ) -> None:
        """Write metrics of a step, and losses by their own steps."""
        if self._log is not None:
            now = time.time_ns() // 1_000_000
            by_step = {(LOSS, at): loss for at, loss in (losses or {}).items()}
            by_step |= {(key, step): value for key, value in values.items()}
            self._log.append(
                MetricRecord(key=key, step=at, value=value, time_ms=now)
                for (key, at), value in by_step.items()
            )

    def note(self, step: int, text: str) -> None:
        """Write one sentence for the user."""
        if self._log is not None:
            now = time.time_ns() // 1_000_000
            self._log.append([MetricRecord(kind="note", step=step, text=text, time_ms=now)])

    def skip(self, step: int, skipped: int, text: str) -> None:
        """Say that a step was skipped, and how many have been."""
        self.metrics(step, {SKIPPED: float(skipped)})
        self.note(step, text)

    def sync(self) -> None:
        """Bring all that was said to the disk.

        Raises:
            OSError: the disk refuses some of it for now.
        """
        if self._log is not None:
            self._log.sync()

    def close(self) -> None:
        """Sync, and say nothing more.

        Raises:
            PlatformError: the disk refuses some of it.
        """
        if self._log is not None:
            self._log.close()

    def rest(self) -> None:
        """Leave the time since the last report (evaluation, checkpoint) out of the throughput."""
        self._since = time.perf_counter()
