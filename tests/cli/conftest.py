"""A terminal for the commands that are tested: a real pseudo terminal of a given width."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping

import pytest
from rich.cells import cell_len

_SEQUENCE = re.compile(r"\x1b(\[[0-9;?]*[a-zA-Z]|\][^\x1b\x07]*(\x1b\\|\x07))")


class Shown:
    """What a command has written to a terminal.

    Attributes:
        raw: as it was written.
        lines: each line that stood there at some time, without colours.
        code: exit code.
    """

    def __init__(self, raw: str, code: int) -> None:
        self.raw = raw
        self.code = code
        plain = _SEQUENCE.sub("", raw)
        self.lines = [line for line in re.split(r"[\r\n]+", plain) if line.strip()]

    @property
    def widest(self) -> int:
        """Cells of the widest line."""
        return max(map(cell_len, self.lines))


Terminal = Callable[..., Shown]


@pytest.fixture(scope="session")
def terminal() -> Terminal:
    """Runs ``striate WORDS`` on a terminal: ``terminal(*words, columns=80, environment=…)``."""
    return _run_on_terminal


def _run_on_terminal(*words: str, environment: Mapping[str, str], columns: int = 80) -> Shown:
    variables = {k: v for k, v in environment.items() if k not in {"COLUMNS", "LINES", "NO_COLOR"}}
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    command = subprocess.Popen(
        [sys.executable, "-m", "striate.cli", *words],
        env={**variables, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
    )
    os.close(theirs)
    said = b""
    while part := _read(ours):
        said += part
    os.close(ours)
    return Shown(said.decode(), command.wait())


def _read(terminal: int) -> bytes:
    """What comes next; nothing once the other side is closed, which Linux calls an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
