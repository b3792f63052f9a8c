"""What rank 0 tells of a start of the workers: which it is, and where the time before it went."""

import json
import os
import time

from striate.core.files import write_atomic
from striate.train.distributed.world import World
from striate.train.loop.storage import write_or_note
from striate.train.run import startup_times
from striate.train.run.attempts import AttemptWriter
from striate.train.run.folder import RunFolder
from striate.train.tracking.reporter import Reporter


def write_process_id(folder: RunFolder, world: World, reporter: Reporter) -> None:
    """Leave this worker's process id where its rank looks for it; every rank must call."""
    path = folder.workers / f"rank-{world.rank}.json"
    content = json.dumps({"pid": os.getpid(), "rank": world.rank}).encode()
    what = "The process ids of the workers"
    write_or_note(reporter, 0, what, lambda: write_atomic(path, content))


def begin_attempt(
    attempt: AttemptWriter, folder: RunFolder, world: World, step: int, reporter: Reporter
) -> None:
    """Count a start of the workers that goes on from `step`; on ranks other than 0, nothing."""

    def count() -> None:
        folder.stopped.unlink(missing_ok=True)
        attempt.begin(time.time(), world.world_size, step)
        counts = {
            "train/workers": float(world.world_size),
            "train/restarts": float(attempt.restarts),
            "train/repeated_steps": float(attempt.repeated_steps),
        }
        reporter.metrics(step, counts)

    if world.first:
        write_or_note(reporter, step, "The start", count)
        startup_times.mark(folder.path, "model and checkpoint")


def report_startup(
    folder: RunFolder, world: World, step: int, reporter: Reporter
) -> dict[str, float]:
    """After the first step: where the time since the command went; said once a command.

    Returns:
        Seconds by part; nothing on ranks other than 0, or where the storage refuses.
    """
    if not world.first:
        return {}
    if before := startup_times.parts_of(folder.path):
        return before
    startup_times.mark(folder.path, startup_times.FIRST_STEP)
    if parts := startup_times.parts_of(folder.path):
        reporter.note(step, startup_times.describe(parts))
        metrics = {f"startup/{name.replace(' ', '_')}_s": s for name, s in parts.items()}
        reporter.metrics(step, {**metrics, "startup/total_s": sum(parts.values())})
    return parts
