"""Keeps the edge's processes running: HAProxy, and where asked for who follows the replicas.

One that dies is started again at once, from the files that always say what holds. ``SIGTERM`` ends
all of them, ``SIGUSR1`` lets HAProxy finish the calls in flight first. Run as a module by
`striate.serve.edge`; it imports the standard library alone, so that it starts at once and stays
small.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from types import FrameType

QUICK_S = 1.0  # a process that lived shorter than this is not started again at once
PAUSE_S = 0.5
REFUSED = 1  # HAProxy's exit code when it cannot go by its configuration


class Keeper:
    """The processes of one edge.

    Args:
        commands: what to run, by name; the first one is HAProxy, and the keeper gives up when it
            refuses its configuration at the start.
    """

    def __init__(self, commands: Mapping[str, Sequence[str]]) -> None:
        self._commands = commands
        self._running: dict[int, tuple[str, float]] = {}
        self._ending = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, self._end)

    def run(self) -> int:
        """Run until told to end; returns the exit code."""
        for name in self._commands:
            self._start(name)
        first = next(iter(self._commands))
        started = False
        while self._running:
            pid, status = os.wait()
            if pid not in self._running:
                continue
            name, since_s = self._running.pop(pid)
            lived_s = time.monotonic() - since_s
            started = started or lived_s >= QUICK_S
            if self._ending:
                continue
            code = os.waitstatus_to_exitcode(status)
            if name == first and not started and code == REFUSED:
                return self._give_up(code)
            if lived_s < QUICK_S:
                time.sleep(PAUSE_S)
            self._start(name)
        return 0

    def _start(self, name: str) -> None:
        process = subprocess.Popen(self._commands[name], stdin=subprocess.DEVNULL)
        process.returncode = 0  # waited for in `run`
        self._running[process.pid] = (name, time.monotonic())
        if self._ending:  # told while it was started
            self._signal(process.pid, signal.SIGTERM)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._ending = True
        first = next(iter(self._commands))
        for pid, (name, _) in self._running.items():
            self._signal(pid, number if name == first else signal.SIGTERM)

    def _give_up(self, code: int) -> int:
        self._end(signal.SIGTERM, None)
        return code

    @staticmethod
    def _signal(pid: int, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def main(arguments: Sequence[str]) -> int:
    """``[--follow FOLDER] COMMAND …``: HAProxy's command, and the folder to follow replicas in."""
    commands = {"haproxy": list(arguments)}
    if arguments[0] == "--follow":
        follower = [sys.executable, "-m", "striate.serve.follower", arguments[1]]
        commands = {"haproxy": list(arguments[2:]), "follower": follower}
    return Keeper(commands).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
