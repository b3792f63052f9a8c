"""A lease on a run's folder: one driver at a time, on a file system that hosts may share.

A lease is a file whose number is one more than the one before; making it fails for all but one of
those who try at once, on network file systems too, which locks of the kernel cannot be relied on
for. Its content tells who holds it, its time of change is the holder's heartbeat, and the time 0
says that it was given back. The highest number counts.

A holder of this machine is gone when its process is, so that a stopped one still holds, and a
killed one holds no longer. One of another machine is gone once its heartbeat has been missing for
`EXPIRES_S`, by the clock of the file system and not by that of either host.
"""

import contextlib
import os
import re
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from striate.core.errors import TrainingFailed, UsageError
from striate.core.files import explain_full_disk
from striate.core.periodic import call_every
from striate.core.retry import wait_until

HEARTBEAT_S = 5.0
EXPIRES_S = 60.0
_GIVEN_BACK = (0, 0)
_NAME = re.compile(r"lease-(\d+)\.json")
_ENDED = {"Z", "X"}  # a zombie runs no more


class LeaseHolder(BaseModel):
    """The process that holds a lease.

    Attributes:
        host: the name of its machine, for people.
        machine: tells machines apart, their restarts, and containers that count processes anew.
        pid: its process id.
        started_ticks: when it began, in the kernel's ticks since the machine did: process ids are
            given again.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str
    machine: str
    pid: int
    started_ticks: int | None

    @classmethod
    def here(cls) -> "LeaseHolder":
        """This process."""
        pid = os.getpid()
        return cls(
            host=socket.gethostname(),
            machine=_machine(),
            pid=pid,
            started_ticks=_started_ticks(pid),
        )


@dataclass(frozen=True)
class _Claim:
    """One lease file as it lies there; no `holder` while it is being written."""

    number: int
    path: Path
    holder: LeaseHolder | None
    beaten_unix_s: float

    @property
    def given_back(self) -> bool:
        return self.beaten_unix_s == 0

    def is_alive(self) -> bool:
        """Whether its holder still drives the run."""
        if self.given_back:
            return False
        if self.holder is not None and self.holder.machine == _machine():
            return _started_ticks(self.holder.pid) == self.holder.started_ticks
        return self.silent_s() < EXPIRES_S

    def silent_s(self) -> float:
        """Seconds since the last heartbeat, by the file system's clock."""
        return max(0.0, _clock_of(self.path.parent) - self.beaten_unix_s)


class Lease:
    """A lease that this process holds.

    Attributes:
        lost: set once another process has taken it over, because this one was silent for too long.
    """

    def __init__(self, path: Path, number: int, run_id: str) -> None:
        self.lost = threading.Event()
        self._run_id = run_id
        self._path = path
        self._number = number

    def beat(self) -> bool:
        """Show that the holder lives; whether the lease is still its own.

        Raises:
            OSError: the storage refuses for now.
        """
        last = _last(self._path.parent)
        if last is None or last.number != self._number:
            self.lost.set()
        else:
            os.utime(self._path)
        return not self.lost.is_set()

    def check(self) -> None:
        """Go on only while it is held.

        Raises:
            TrainingFailed: another process has taken the run over.
        """
        if self.lost.is_set():
            raise TrainingFailed(
                f"The run {self._run_id} was taken over by another process, since this one did not"
                " reach the run's folder for too long.",
                "See `striate runs show` for how it goes on.",
            )

    def release(self) -> None:
        """Give it back; needs no room on the disk."""
        with contextlib.suppress(OSError):
            os.utime(self._path, _GIVEN_BACK)


@contextmanager
def hold_lease(
    folder: Path,
    run_id: str,
    *,
    wait_s: float = 0.0,
    on_lost: Callable[[], None] = lambda: None,
) -> Iterator[Lease]:
    """Hold the lease of a run's folder while the block runs.

    Args:
        folder: the run's; it is made when it is missing.
        run_id: names the run to the user.
        wait_s: how long to wait for another holder's end.
        on_lost: called from a thread, once, if another process takes the lease over.

    Raises:
        UsageError: another process drives the run.
        DiskFull: the disk is full.
    """
    lease = _claim(folder, run_id, wait_s)

    def beat() -> None:
        if not lease.lost.is_set() and not lease.beat():
            on_lost()

    try:
        with call_every(HEARTBEAT_S, beat, name="striate-lease", ignored=(OSError,)):
            yield lease
    finally:
        lease.release()


def is_interrupted(folder: Path) -> bool:
    """Whether nobody drives the run of a folder that was driven before; not where none is known.

    A lease that was given back counts as well: its holder may have ended without being able to say
    so in MLflow, or was refused and had to leave the run as it was.
    """
    last = _last(folder)
    return last is not None and not last.is_alive()


def _claim(folder: Path, run_id: str, wait_s: float) -> Lease:
    folder.mkdir(parents=True, exist_ok=True)
    wait_until(lambda: not _is_held(folder), wait_s, 1.0)
    while True:
        last = _last(folder)
        if last is not None and last.is_alive():
            raise _refusal(last, run_id)
        number = 1 if last is None else last.number + 1
        path = folder / f"lease-{number}.json"
        try:
            _write(path)
        except FileExistsError:
            continue  # another process was faster
        numbers = _numbers(folder)
        if numbers[-1] > number:  # others came and went since `last` was read
            path.unlink(missing_ok=True)
            continue
        for older in numbers:
            if older < number:
                (folder / f"lease-{older}.json").unlink(missing_ok=True)
        return Lease(path, number, run_id)


def _write(path: Path) -> None:
    with path.open("xb") as file:
        try:
            with explain_full_disk(path):
                file.write(LeaseHolder.here().model_dump_json().encode())
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def _is_held(folder: Path) -> bool:
    last = _last(folder)
    return last is not None and last.is_alive()


def _refusal(claim: _Claim, run_id: str) -> UsageError:
    if claim.holder is None:
        return UsageError(
            f"The run {run_id} is just being taken by another process.", "Wait for its end."
        )
    who = f"process {claim.holder.pid} on {claim.holder.host}"
    if claim.holder.machine == _machine():
        return UsageError(
            f"The run {run_id} is running: {who} drives it.",
            f"Wait for its end, or stop it first: `kill {claim.holder.pid}`.",
        )
    return UsageError(
        f"The run {run_id} is running: {who} drives it, last seen {claim.silent_s():.0f} s ago.",
        f"Wait for its end, or stop it there; a driver that died can be followed"
        f" {EXPIRES_S:.0f} s after it was last seen.",
    )


def _numbers(folder: Path) -> list[int]:
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(int(match[1]) for match in map(_NAME.fullmatch, names) if match)


def _last(folder: Path) -> _Claim | None:
    """The lease that counts; None in a folder that nobody ever held."""
    while numbers := _numbers(folder):
        path = folder / f"lease-{numbers[-1]}.json"
        try:
            beaten_unix_s = path.stat().st_mtime
            return _Claim(numbers[-1], path, _parse(path.read_bytes()), beaten_unix_s)
        except FileNotFoundError:
            continue  # a higher one has come
    return None


def _parse(content: bytes) -> LeaseHolder | None:
    try:
        return LeaseHolder.model_validate_json(content)
    except ValidationError:
        return None


def _machine() -> str:
    """This machine since its start, and the process ids that this process sees."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
    with contextlib.suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)


def _started_ticks(pid: int) -> int | None:
    """When a process began; None when there is none, or it is over and only waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in _ENDED else int(fields[19])


def _clock_of(folder: Path) -> float:
    """The time of day as the file system's server has it, which heartbeats are told in."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()  # a folder that may only be read
