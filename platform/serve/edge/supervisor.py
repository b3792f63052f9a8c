"""Keeps the edge's processes running: HAProxy, and where asked for the replica watcher.

One that dies is started again at once, from the files that always say what holds, and with the
sockets that the supervisor holds open: who calls meanwhile waits and is not refused. ``SIGTERM``
ends all of them, ``SIGUSR1`` lets HAProxy finish the calls in flight first. Run as a module by
`striate.serve.edge.control`; it imports the standard library alone, so that it starts at once and
stays small.
"""

import argparse
import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from types import FrameType

QUICK_S = 1.0  # a process that lived shorter than this is not started again at once
PAUSE_S = 0.5
REFUSED = 1  # HAProxy's exit code when it cannot go by its configuration
# HAProxy's tables end at the highest descriptor that its `maxconn` asks for, so that what it
# inherits must be low, however many files whoever started the edge had open.
FIRST_SOCKET = 3


class Supervisor:
    """The processes of one edge.

    Args:
        commands: what to run, by name; the first one is HAProxy, and the supervisor gives up when
            it refuses its configuration at the start.
        sockets: descriptors that HAProxy inherits, each time; callers come through them.
    """

    def __init__(self, commands: Mapping[str, Sequence[str]], sockets: Sequence[int] = ()) -> None:
        self._commands = commands
        self._sockets = tuple(sockets)
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
        inherited = self._sockets if name == next(iter(self._commands)) else ()
        process = subprocess.Popen(
            self._commands[name], stdin=subprocess.DEVNULL, pass_fds=inherited
        )
        process.returncode = 0  # waited for in `run`
        self._running[process.pid] = (name, time.monotonic())
        if self._ending:  # told while it was started
            self._signal(process.pid, signal.SIGTERM)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._ending = True
        first = next(iter(self._commands))
        for pid, (name, _) in self._running.items():
            self._signal(pid, number if name == first else signal.SIGTERM)
        for descriptor in self._sockets:  # whoever has them open: callers are refused from now on
            with (
                contextlib.suppress(OSError),
                socket.socket(fileno=os.dup(descriptor)) as listening,
            ):
                listening.shutdown(socket.SHUT_RDWR)

    def _give_up(self, code: int) -> int:
        self._end(signal.SIGTERM, None)
        return code

    @staticmethod
    def _signal(pid: int, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def renumber(sockets: Sequence[int]) -> list[int]:
    """Give the descriptors the numbers from `FIRST_SOCKET` on, in their order."""
    wanted = range(FIRST_SOCKET, FIRST_SOCKET + len(sockets))
    aside = [fcntl.fcntl(given, fcntl.F_DUPFD_CLOEXEC, wanted.stop) for given in sockets]
    for given in sockets:
        os.close(given)
    for kept, number in zip(aside, wanted, strict=True):
        os.dup2(kept, number, inheritable=False)
        os.close(kept)
    return list(wanted)


def main(arguments: Sequence[str]) -> int:
    """Keep what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--follow", metavar="FOLDER", help="whose replicas are followed")
    parser.add_argument("--sockets", required=True, help="to hold: callers', inner, hold")
    parser.add_argument("haproxy", nargs=argparse.REMAINDER, help="HAProxy's command")
    given = parser.parse_args(arguments)
    commands = {"haproxy": given.haproxy}
    if given.follow:
        commands["replica watcher"] = [
            sys.executable,
            "-m",
            "striate.serve.deployment.replica_watcher",
            given.follow,
        ]
    *inherited, _hold = renumber([int(number) for number in given.sockets.split(",")])
    return Supervisor(commands, inherited).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
