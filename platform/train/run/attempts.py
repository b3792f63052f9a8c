"""How often a run was started, from which step, and how many steps were done twice.

Rank 0 writes the number of the step it has done into a file of 8 bytes after every step: a system
call of a microsecond or two, which a killed process leaves behind. A start compares it with the
step that its checkpoint gives.
"""

import contextlib
import os
import struct
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

ATTEMPTS_FILE = "attempts.jsonl"
REACHED_FILE = "reached"


class Attempt(BaseModel):
    """One start of the workers.

    Attributes:
        started_unix_s: when.
        workers: how many.
        step: optimiser steps done when it began: those of the checkpoint that it read.
        reached: steps done by the attempt before it; 0 for the first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    started_unix_s: float
    workers: int
    step: int
    reached: int

    @property
    def repeated(self) -> int:
        """Steps that this start has to do again."""
        return max(0, self.reached - self.step)


def attempts_of(folder: Path) -> list[Attempt]:
    """The starts of a run, oldest first; a line that a killed process left torn is passed over."""
    try:
        lines = (folder / ATTEMPTS_FILE).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        with contextlib.suppress(ValidationError):
            found.append(Attempt.model_validate_json(line))
    return found


class AttemptWriter:
    """The writing side, on rank 0.

    Args:
        folder: the run's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def begin(self, started_unix_s: float, workers: int, step: int) -> None:
        """Count a start.

        Raises:
            OSError: the storage refuses; the run can go on without being counted.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder / REACHED_FILE, os.O_RDWR | os.O_CREAT, 0o644)
        self._descriptor = descriptor
        content = os.pread(descriptor, 8, 0)
        reached = struct.unpack("<q", content)[0] if len(content) == 8 else 0
        attempt = Attempt(
            started_unix_s=started_unix_s, workers=workers, step=step, reached=reached
        )
        path = self._folder / ATTEMPTS_FILE
        torn = path.is_file() and not path.read_bytes().endswith(b"\n")
        with path.open("ab") as file:
            file.write(b"\n" * torn + attempt.model_dump_json().encode() + b"\n")
        self.advance(step)

    def advance(self, step: int) -> None:
        """Note that `step` steps are done; a storage that refuses does not matter."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.pwrite(self._descriptor, struct.pack("<q", step), 0)

    @property
    def restarts(self) -> int:
        """Starts after the first."""
        return max(0, len(attempts_of(self._folder)) - 1)

    @property
    def repeated_steps(self) -> int:
        """Steps that were done more than once, over all starts."""
        return sum(attempt.repeated for attempt in attempts_of(self._folder))

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
