"""Two sides that train in turns: each waits before a segment of steps until it is told to go."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from striate.data.stream.batch import Batch

LIMIT_S = 180.0
DISTINCT_BATCHES = 4


@dataclass(frozen=True)
class Plan:
    """What one side does: `segments` segments of `steps` steps, after a warm-up.

    Attributes:
        side: ``ours`` or ``peer``.
        folder: through which sides are told to go and say that they are done.
        world: processes.
        batch_size: of the global batch.
        field: height and width of the images, in pixels.
        classes: number of labels.
        steps: of a segment.
        segments: to be timed.
        warm_up: steps before the first segment.
    """

    side: str
    folder: str
    world: int
    batch_size: int
    field: int
    classes: int
    steps: int
    segments: int
    warm_up: int

    @property
    def place(self) -> Path:
        """The side's own folder."""
        return Path(self.folder) / f"{self.side}-{self.world}"

    @property
    def total_steps(self) -> int:
        """All steps that are timed or warm up."""
        return self.warm_up + self.steps * self.segments


def batches(plan: Plan, rank: int) -> Iterator[Batch]:
    """This rank's parts of the same few batches, over and over, in memory; a turn at a time."""
    share = plan.batch_size // plan.world
    generator = torch.Generator().manual_seed(rank)
    tensors = [
        {
            "images": torch.randn(share, 3, plan.field, plan.field, generator=generator).contiguous(
                memory_format=torch.channels_last
            ),
            "labels": torch.randint(plan.classes, (share,), generator=generator),
            "rows": torch.arange(share),
        }
        for _ in range(DISTINCT_BATCHES)
    ]
    began = time.perf_counter()
    for step in range(plan.total_steps + 1):
        segment, within = divmod(step - plan.warm_up, plan.steps)
        if within == 0 and segment >= 0:
            _turn(plan, rank, segment, time.perf_counter() - began)
            began = time.perf_counter()
        if step < plan.total_steps:
            cursor = (step + 1) * plan.batch_size
            yield Batch(tensors[step % DISTINCT_BATCHES], cursor, 0, plan.batch_size)


def _turn(plan: Plan, rank: int, segment: int, seconds: float) -> None:
    """The steps of the segment before are done; wait for the turn of this one."""
    if rank == 0:
        done = plan.place / f"{segment}.tmp"
        done.write_text(str(seconds))
        done.rename(plan.place / f"done-{segment}")
    if segment < plan.segments:
        wait_for(plan.place / f"go-{segment}")


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    deadline = time.monotonic() + LIMIT_S
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path.name} did not come within {LIMIT_S:.0f} s")
        time.sleep(0.005)
