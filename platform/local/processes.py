"""Processes by identity: start them, find all that came of them, end exactly those."""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from striate.core.errors import PlatformError
from striate.core.retry import wait_until
from striate.local.state import PlatformProcess, PlatformState

MARK = "STRIATE_PLATFORM"
NO_MARK = "-"  # the id of a scope that is only a part of a platform
_CLOCK_S = 0.02  # creation times are told in ticks of 10 ms
_GRACE_S = 10.0
_TERM_S = 3.0
_KILL_S = 10.0
_EXCEPTION = re.compile(r"[\w.]*(Error|Exception): ")


def start(
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    port: int | None = None,
) -> PlatformProcess:
    """Start a process as the leader of a session of its own, its output going to `log`.

    Raises:
        PlatformError: the program cannot be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=log.parent,
            )
    except OSError as error:
        raise PlatformError(f"{command[0]} cannot be started: {error.strerror}.") from error
    created_s = psutil.Process(process.pid).create_time()
    process.returncode = 0  # the process outlives this object on purpose
    return PlatformProcess(name=name, pid=process.pid, created_s=created_s, port=port, log=str(log))


def is_alive(part: PlatformProcess) -> bool:
    """Whether the very process that was recorded still runs."""
    try:
        process = psutil.Process(part.pid)
        return _same(process, part) and _running(process)
    except psutil.Error:
        return False


def members(state: PlatformState) -> list[psutil.Process]:
    """Every running process that came of the platform, this one excepted.

    Found by session (a session's id is not given away while a member lives), by the mark in the
    environment (survives re-parenting and new sessions), and by descent from both.
    """
    everyone = [process for process in psutil.process_iter() if _running(process)]
    marked = [process for process in everyone if _is_marked(process, state.id)]
    sessions = {part.pid for part in state.parts if _owns_session(part)}
    sessions |= {process.pid for process in marked if _session(process) == process.pid}
    found = [*marked, *(p for p in everyone if _session(p) in sessions)]
    found = [p for p in _with_descendants(found, everyone) if p.pid != os.getpid()]
    return [process for process in found if _running(process)]


def end(state: PlatformState, parts: Iterable[PlatformProcess]) -> list[psutil.Process]:
    """End parts of a platform with all that came of them; returns what was ended.

    The leaders are asked first, since Ray ends its own in good order; then each process is
    asked, and at last made to.

    Raises:
        PlatformError: a process cannot be ended.
    """
    scope = state.model_copy(update={"parts": tuple(parts)})
    if len(scope.parts) < len(state.parts):
        scope = scope.model_copy(update={"id": NO_MARK})  # the mark is the whole platform's
    ended = {process.pid: process for process in members(scope)}
    for part in scope.parts:
        if is_alive(part):
            _signal(psutil.Process(part.pid), force=False)
    grace_s = _GRACE_S if any(is_alive(part) for part in scope.parts) else 0.0
    _wait_gone(ended.values(), grace_s)
    for force, patience_s in ((False, _TERM_S), (True, _KILL_S)):
        left = {p.pid: p for p in [*ended.values(), *members(scope)] if _running(p)}
        ended |= left
        for process in left.values():
            _signal(process, force)
        _wait_gone(left.values(), patience_s)
    left_over = [process.pid for process in ended.values() if _running(process)]
    if left_over:
        raise PlatformError(f"The processes {left_over} cannot be ended.", "End them as root.")
    return list(ended.values())


def end_strays(state: PlatformState) -> None:
    """End what bears the platform's mark and came of no recorded part.

    An `up` that was killed between starting a process and recording it leaves such a one.
    """
    recorded = {process.pid for process in members(state.model_copy(update={"id": NO_MARK}))}
    strays = [process for process in members(state) if process.pid not in recorded]
    for process in strays:
        _signal(process, force=True)
    _wait_gone(strays, _KILL_S)


def _wait_gone(processes: Iterable[psutil.Process], patience_s: float) -> None:
    waiting = list(processes)
    wait_until(lambda: not any(map(_running, waiting)), patience_s, 0.05)


def _running(process: psutil.Process) -> bool:
    try:
        if not process.is_running():
            return False
        if process.status() != psutil.STATUS_ZOMBIE:
            return True
        _reap(process.pid)
    except psutil.Error:
        pass
    return False


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return  # its parent is another process, which will


def _same(process: psutil.Process, part: PlatformProcess) -> bool:
    return abs(process.create_time() - part.created_s) <= _CLOCK_S


def _owns_session(part: PlatformProcess) -> bool:
    """False once another process has the leader's id: then nothing of its session is left."""
    try:
        return _same(psutil.Process(part.pid), part)
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


def _is_marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark
    except (psutil.Error, OSError):
        return False


def _session(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except OSError:
        return None


def _with_descendants(
    some: Iterable[psutil.Process], everyone: Iterable[psutil.Process]
) -> list[psutil.Process]:
    """Those with all that came of them, each once; each process is asked for its parent once."""
    children: dict[int, list[psutil.Process]] = {}
    for process in everyone:
        with contextlib.suppress(psutil.Error):
            children.setdefault(process.ppid(), []).append(process)
    found: dict[int, psutil.Process] = {}
    waiting = list(some)
    while waiting:
        process = waiting.pop()
        if process.pid not in found:
            found[process.pid] = process
            waiting += children.get(process.pid, ())
    return list(found.values())


def _signal(process: psutil.Process, force: bool) -> None:
    try:
        process.kill() if force else process.terminate()
    except psutil.Error:
        return  # gone already, or another user's: the caller checks


def last_line(log: Path) -> str:
    """What a log says last: its last exception, else its last line; empty when there is none."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    said = [line.strip().rstrip(".") for line in lines if line.strip()]
    return next((line for line in reversed(said) if _EXCEPTION.match(line)), (said or [""])[-1])
