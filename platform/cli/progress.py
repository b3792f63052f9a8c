"""How long work is shown on standard error: a bar that moves on a terminal, else lines.

A pipe or a file gets a line when a stage ends, with its count and seconds. A stage of many parts
says as well where it is: when it begins, and at most once each tenth or each half minute.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task
from rich.text import Text

from striate.cli.numbers import format_seconds
from striate.cli.output import is_screen, print_note, progress_console, wants_json
from striate.cli.tables import shorten

_MANY = 10
_EVERY_S = 30.0
_BAR = range(8, 25)  # cells of a bar: less says nothing
_SPINNER = 2  # cells


class Stage(Protocol):
    """A piece of work that says where it is."""

    def tell(
        self,
        what: str = "",
        *,
        done: int | None = None,
        total: int | None = None,
        state: str = "",
    ) -> None:
        """Show what is done now, how much of how much, and its figures in words."""

    def end(self, what: str = "") -> None:
        """Show that it is done."""


Opener = Callable[[str], Stage]
"""Begins a stage, given what is done in it."""


@contextmanager
def stages(*, hidden: bool = False, kept: bool = False) -> Iterator[Opener]:
    """Show stages, several at a time where they overlap.

    Args:
        hidden: show nothing.
        kept: leave the bars of a terminal where they are at the end.
    """
    screen = is_screen(progress_console)
    if hidden or (not screen and wants_json()):
        yield lambda what: _Hidden()
    elif not screen:
        yield LineStage
    else:
        columns = (SpinnerColumn(), _LineColumn())
        with Progress(*columns, console=progress_console, transient=not kept) as bars:
            yield lambda what: _BarStage(bars, what)


@contextmanager
def stage(what: str, *, hidden: bool = False) -> Iterator[Stage]:
    """Show one stage for as long as the block runs; one that fails has no end."""
    with stages(hidden=hidden) as opened:
        begun = opened(what)
        yield begun
        begun.end()


class _Hidden:
    def tell(
        self, what: str = "", *, done: int | None = None, total: int | None = None, state: str = ""
    ) -> None:
        pass

    def end(self, what: str = "") -> None:
        pass


class LineStage:
    """A stage as lines; see `stages` for which.

    Args:
        what: is done in it.
        say: prints a line.
        clock: seconds.
    """

    def __init__(
        self,
        what: str,
        say: Callable[[str], None] = print_note,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._state, self._say, self._clock = what, "", say, clock
        self._done: int | None = None
        self._total: int | None = None
        self._began = self._said_at = clock()
        self._said: tuple[str, int | None, str] | None = None

    def tell(
        self, what: str = "", *, done: int | None = None, total: int | None = None, state: str = ""
    ) -> None:
        new = bool(what) and what != self._what
        self._what = what or self._what
        self._done = self._done if done is None else done
        self._total = self._total if total is None else total
        self._state = state or self._state
        if done is None:
            if new:
                self._say(f"{self._what} …")
        elif self._is_due():
            self._print()

    def end(self, what: str = "") -> None:
        self._what = what or self._what
        if self._said != self._now():
            self._print()

    def _now(self) -> tuple[str, int | None, str]:
        return self._what, self._done, self._state

    def _is_due(self) -> bool:
        late = self._clock() - self._said_at >= _EVERY_S
        if not self._total or self._total < _MANY or self._done is None:
            return late
        if self._said is None or self._said[1] is None:
            return True
        return late or 10 * self._done // self._total > 10 * self._said[1] // self._total

    def _print(self) -> None:
        self._said, self._said_at = self._now(), self._clock()
        parts = [_count(self._done, self._total), *self._state.split("  ")]
        parts.append(f"{format_seconds(self._said_at - self._began)} s")
        self._say(f"{self._what}: {', '.join(part for part in parts if part)}")


class _BarStage:
    """A stage as one line of a terminal that changes."""

    def __init__(self, bars: Progress, what: str) -> None:
        self._bars, self._state = bars, ""
        self._task = bars.add_task(what, total=None, state="")

    def tell(
        self, what: str = "", *, done: int | None = None, total: int | None = None, state: str = ""
    ) -> None:
        self._state = state or self._state
        self._bars.update(
            self._task,
            description=what or None,
            completed=done,
            total=total or None,
            state=self._state,
        )

    def end(self, what: str = "") -> None:
        self._bars.update(self._task, description=what or None)


class _LineColumn(ProgressColumn):
    """All that is known of a stage in one line: what there is no room for is left out whole."""

    def render(self, task: Task) -> Text:
        count = ""
        if task.total is not None:
            count = f"{int(task.completed):,}/{int(task.total):,}"
        seconds = task.elapsed if task.total is None else task.time_remaining
        if task.finished:
            seconds = None  # there is more room for what came of it
        return bar_line(
            task.description,
            count,
            "" if seconds is None else _clock(seconds),
            str(task.fields["state"]),
            task.percentage / 100 if task.total is not None else None,
            progress_console.width - _SPINNER,
        )


def bar_line(
    what: str, count: str, clock: str, state: str, share: float | None, width: int
) -> Text:
    """A stage in one line of at most `width` cells.

    Args:
        what: is done.
        count: how much of how much.
        clock: time, in words.
        state: figures, two blanks between two; the first ones are kept longest.
        share: that is done, drawn as a bar; None for no bar.
        width: in cells.
    """
    figures = state.split("  ") if state else []
    while figures and len("  ".join(filter(None, [what, count, *figures, clock]))) > width:
        figures.pop()
    parts = [part for part in (count, *figures, clock) if part]
    while parts and len("  ".join([what, *parts])) > width:
        parts.pop()
    line = Text(shorten(what, width), "bold", no_wrap=True)
    room = width - len("  ".join([what, *parts])) - 2
    if share is not None and room >= _BAR.start:
        size = min(room, _BAR.stop - 1)
        full = round(size * min(share, 1.0))
        line.append("  ")
        line.append("━" * full, "not bold green")
        line.append("━" * (size - full), "not bold dim")
    for part in parts:
        line.append(f"  {part}", "not bold")
    return line


def _count(done: int | None, total: int | None) -> str:
    if done is None:
        return ""
    return f"{done:,} of {total:,}" if total else f"{done:,}"


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> _clock(3725.4)
    '1:02:05'
    """
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
