"""The metric log: an append-only file of what a run has to say, which no restart can double.

Rank 0 appends, the driver reads on and ships to MLflow. One JSON record a line: a metric
(key, step, value, time) or a note (text). The first record of a (key, step) counts, so a restart
that repeats steps changes nothing; a last line that a killed worker left torn is passed over.
"""

import contextlib
import json
import math
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from striate.core.errors import DiskFull, PlatformError

Points = list[tuple[int, float]]
"""A metric as it went: (step, value)."""
_CLOSED = -1


class MetricRecord(BaseModel):
    """One line of the metric log.

    Attributes:
        kind: ``metric``, or ``note``: one sentence for the user.
        key: the metric's name; empty for a note.
        step: optimiser steps done.
        value: of the metric; 0 for a note. May be NaN or infinite.
        text: of the note; empty for a metric.
        time_ms: Unix time in milliseconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    kind: Literal["metric", "note"] = "metric"
    key: str = ""
    step: int = 0
    value: float = 0.0
    text: str = ""
    time_ms: int

    def line(self) -> bytes:
        """The record as one line of JSON."""
        document = self.model_dump(exclude_defaults=True)
        if not math.isfinite(self.value):
            document["value"] = str(self.value)
        return json.dumps(document, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> Self | None:
        """The record of a line, or None for a torn one."""
        try:
            return cls.model_validate_json(line)
        except ValidationError:
            return None


class MetricLog:
    """Appends records; what a full disk refuses is held in memory and tried again.

    Several threads may use one writer. A line that a killed predecessor left torn is closed
    first, so that it harms no other.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._path = path
        self._lock = threading.Lock()
        size = os.fstat(self._descriptor).st_size
        torn = size > 0 and os.pread(self._descriptor, 1, size - 1) != b"\n"
        self._held = b"\n" if torn else b""

    def append(self, records: Iterable[MetricRecord]) -> bool:
        """Append records; whether all that was ever appended is now in the file."""
        try:
            with self._lock:
                self._held += b"".join(record.line() for record in records)
                self._write()
        except OSError:
            return False
        return True

    def sync(self) -> None:
        """Bring all that was ever appended to the disk.

        Raises:
            OSError: the disk refuses some of it for now.
        """
        with self._lock:
            self._write()
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Sync and close; a closed one stays so.

        Raises:
            DiskFull: records are still held because the disk refuses them.
        """
        if self._descriptor == _CLOSED:
            return
        try:
            self.sync()
        except OSError as error:
            raise DiskFull(
                f"The disk that holds {self._path} is full: some metrics are not written.",
                "Free some room and resume the run.",
            ) from error
        finally:
            with self._lock:  # a thread that still writes is refused, whoever gets the number
                descriptor, self._descriptor = self._descriptor, _CLOSED
            os.close(descriptor)

    def _write(self) -> None:
        while self._held:
            written = os.write(self._descriptor, self._held)
            self._held = self._held[written:]


class MetricLogReader:
    """Reads on from where it stopped; each (key, step) is returned once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._seen: dict[str, _Steps] = {}

    @property
    def offset(self) -> int:
        """Bytes of the file that were read."""
        return self._offset

    def read(self, until: int | None = None) -> list[MetricRecord]:
        """Whole records appended since the last call, without repeated (key, step).

        Args:
            until: bytes of the file that are looked at; all of it when None.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                content = file.read(-1 if until is None else max(0, until - self._offset))
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        records = [MetricRecord.parse(line) for line in whole.split(b"\n") if line]
        return [record for record in records if record is not None and self._first(record)]

    def _first(self, record: MetricRecord) -> bool:
        if record.kind == "note":
            return True
        return self._seen.setdefault(record.key, _Steps()).add(record.step)


class _Steps:
    """A set of steps that takes no room for those that follow on each other, as losses do."""

    def __init__(self) -> None:
        self._run = range(0)
        self._others: set[int] = set()

    def add(self, step: int) -> bool:
        """Put a step in; whether it was not there."""
        if step in self._run or step in self._others:
            return False
        if not self._run:
            self._run = range(step, step + 1)
        elif step == self._run.stop:
            self._run = range(self._run.start, step + 1)
        else:
            self._others.add(step)
        return True


def history(records: Iterable[MetricRecord]) -> dict[str, Points]:
    """(step, value) by metric, in the order of the steps."""
    series: dict[str, Points] = {}
    for record in records:
        if record.kind == "metric":
            series.setdefault(record.key, []).append((record.step, record.value))
    return {key: sorted(points) for key, points in series.items()}


def append_note(path: Path, text: str) -> None:
    """Append one sentence for the user to a metric log that another process may be writing.

    A storage that refuses it does not matter: it is said elsewhere that it does.
    """
    with contextlib.suppress(OSError, PlatformError), contextlib.closing(MetricLog(path)) as log:
        log.append([MetricRecord(kind="note", text=text, time_ms=time.time_ns() // 1_000_000)])


def last_time_ms(path: Path) -> int | None:
    """When a metric log was last written to, by its own records; None where it has none."""
    records = MetricLogReader(path).read()
    return max((record.time_ms for record in records), default=None)
