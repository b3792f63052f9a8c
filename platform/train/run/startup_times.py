"""Where the time from the command to the first step goes: marks that every process of a run sets.

A mark names what was done up to it. Driver, controller and first worker append theirs to one file
of the run's folder, with the time of day, so that the parts add up to the whole.
"""

import contextlib
import json
import os
import time
from itertools import pairwise
from pathlib import Path

STARTUP_FILE = "startup.jsonl"
FIRST_STEP = "first step"


def begin(folder: Path, at_unix_s: float) -> None:
    """A command, begun at that time, starts its run or goes on with it: former marks go."""
    with contextlib.suppress(OSError):
        (folder / STARTUP_FILE).unlink(missing_ok=True)
    mark(folder, "", at_unix_s)


def mark(folder: Path, done: str, at_unix_s: float | None = None) -> None:
    """Note that `done` is done now; a storage that refuses does not matter."""
    line = json.dumps([time.time() if at_unix_s is None else at_unix_s, done]).encode() + b"\n"
    with contextlib.suppress(OSError):
        descriptor = os.open(folder / STARTUP_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def parts_of(folder: Path) -> dict[str, float]:
    """Seconds of each part up to the first step; empty before it.

    A part that came twice, because workers had to be started again, has all its seconds.
    """
    try:
        lines = (folder / STARTUP_FILE).read_text(encoding="utf-8").splitlines()
        marks = sorted((float(at), str(done)) for at, done in map(json.loads, lines))
    except (OSError, ValueError, TypeError):
        return {}
    ends = [index for index, (_, done) in enumerate(marks) if done == FIRST_STEP]
    if not ends:
        return {}
    parts: dict[str, float] = {}
    for (before, _), (at, done) in pairwise(marks[: ends[0] + 1]):
        parts[done] = parts.get(done, 0.0) + at - before
    return parts


def describe(parts: dict[str, float]) -> str:
    """The parts for a reader, the longest first.

    >>> describe({"imports": 2.0, "workers": 5.25})
    'The first step was done 7.2 s after the command: workers 5.2, imports 2.0.'
    """
    longest = sorted(parts.items(), key=lambda part: -part[1])
    listed = ", ".join(f"{name} {seconds:.1f}" for name, seconds in longest)
    return f"The first step was done {sum(parts.values()):.1f} s after the command: {listed}."
