"""``pip install`` that tells what it does: ``python .ci/install.py WHAT PIP_ARGUMENT…``.

On a terminal one line is written anew all the time; elsewhere there is a line a stage, and one
every half minute. What pip says besides, warnings among it, is shown only if it fails.
"""

import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator

EVERY_S = 30.0
"""Between two lines of one stage, where lines are not written over."""
_LAST_LINES = 40
_COLLECTING = re.compile(r"^(?:Collecting|Processing) (?:\S*/)?([A-Za-z0-9]+(?:[._-][A-Za-z]\w*)*)")
_DOWNLOADING = re.compile(r"^\s+Downloading (?:\S*/)?(\w+)\S* (\([^)]*\))")
_BUILDING = re.compile(r"^\s*Building (?:wheel|editable) for ([\w.-]+)")
_INSTALLING = re.compile(r"^Installing collected packages: (.*)")
_DONE = re.compile(r"^Successfully installed (.*)")


class Progress:
    """What pip does, out of the lines that it prints.

    Attributes:
        stage: ``collecting`` or ``installing``.
        now: in a few words, what it is at.
        installed: packages that it has put in place at the end.
    """

    def __init__(self) -> None:
        self.stage, self.now, self.installed = "collecting", "collecting packages", 0
        self._collected = 0

    def read(self, line: str) -> None:
        """Take in one line of pip's."""
        if found := _COLLECTING.match(line):
            self._collected += 1
            self.now = f"collecting {found[1]}, package {self._collected}"
        elif (found := _DOWNLOADING.match(line)) and ".metadata" not in line:
            self.now = f"downloading {found[1]} {found[2]}"
        elif found := _INSTALLING.match(line):
            count = len(found[1].split(", "))
            self.stage, self.now = "installing", f"installing {_packages(count)}"
        elif found := _DONE.match(line):
            self.installed = len(found[1].split())
        elif found := _BUILDING.match(line):
            self.now = f"building {found[1]}"


class Screen:
    """Where progress is shown: one line that is written over, or now and then a new one."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._stage, self._at = "", 0.0

    def show(self, progress: Progress, seconds: float) -> None:
        """Show what pip is at, `seconds` after it began."""
        text = f"  {progress.now} ({seconds:.0f} s)"
        if self._terminal:
            width = shutil.get_terminal_size().columns
            print(f"\r\x1b[2K{text[: width - 1]}", end="", flush=True)
        elif progress.stage != self._stage or seconds - self._at >= EVERY_S:
            self._stage, self._at = progress.stage, seconds
            print(text, flush=True)

    def end(self, text: str) -> None:
        """Show the last line."""
        print(f"\r\x1b[2K  {text}" if self._terminal else f"  {text}", flush=True)


def install(what: str, arguments: list[str]) -> int:
    """Run pip; its exit code.

    Args:
        what: is installed, for the first line.
        arguments: of ``pip install``.
    """
    print(f"Installing {what} …", flush=True)
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *arguments]
    quiet = {"PIP_PROGRESS_BAR": "off", "PIP_NO_INPUT": "1", "PYTHONUNBUFFERED": "1"}
    began, progress, screen = time.monotonic(), Progress(), Screen()
    last: deque[str] = deque(maxlen=_LAST_LINES)
    pip = subprocess.Popen(
        command, env={**os.environ, **quiet}, text=True, errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    for line in _lines(pip):
        if line is not None:
            last.append(line)
            progress.read(line)
        screen.show(progress, time.monotonic() - began)
    code = pip.wait()
    seconds = time.monotonic() - began
    if code:
        screen.end(f"pip failed after {seconds:.0f} s; its last lines:")
        print("".join(last), file=sys.stderr, end="", flush=True)
    else:
        done = f"installed {_packages(progress.installed)}" if progress.installed else "all there"
        screen.end(f"{done} ({seconds:.0f} s)")
    return code


def _lines(pip: subprocess.Popen[str]) -> Iterator[str | None]:
    """Each line as it comes, and None after a second without one."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert pip.stdout is not None
        for line in pip.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=1.0)
        except queue.Empty:
            yield None
            continue
        if line is None:
            return
        yield line


def _packages(count: int) -> str:
    return "1 package" if count == 1 else f"{count} packages"


if __name__ == "__main__":
    try:
        sys.exit(install(sys.argv[1], sys.argv[2:]))
    except KeyboardInterrupt:
        sys.exit(130)
