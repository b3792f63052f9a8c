"""What every command prints with: tables for people, one JSON document for programs."""

import datetime
import json
import shutil
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.text import Text

from striate.cli.tables import Link, Table, clean, table_lines

_Command = TypeVar("_Command", bound=Callable[..., Any])
_WIDE = "striate.wide"
_PRINTED = "striate.printed"

console = Console(highlight=False)
"""Results go here: standard output."""

progress_console = Console(stderr=True, highlight=False)
"""Progress, notes and errors go here: standard error, so that `--json` stays parseable."""


def json_option(command: _Command) -> _Command:
    """Add ``--json``, passed to the command as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def wide_option(command: _Command) -> _Command:
    """Add ``--wide``, which `print_table` heeds by itself."""
    return click.option(
        "--wide",
        is_flag=True,
        expose_value=False,
        callback=_keep_wide,
        help="Show whole rows of all columns, wider than the terminal where need be.",
    )(command)


def print_json(document: Any) -> None:
    """Print one JSON document to standard output."""
    click.echo(json.dumps(document, indent=2, default=str))


def print_table(*tables: Table) -> None:
    """Print tables, an empty line between two of a command.

    A terminal gets what it has room for, and a line that names what it has not; a pipe or a file,
    and ``--wide``, get every column and one line a row.
    """
    for table in tables:
        if _remembered(_PRINTED):
            console.print()
        _remember(_PRINTED)
        for line in table_lines(table, table_width()):
            console.print(line, soft_wrap=True)


def print_labelled(rows: Iterable[tuple[str, str | Link]]) -> None:
    """Print what people copy, an address or a path, behind what it is; one whole line each."""
    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        style = f"link {value.url}" if isinstance(value, Link) else ""
        line = Text.assemble(f"{name:<{width}}  ", (clean(str(value)), style))
        console.print(line, soft_wrap=True)


def print_line(text: str) -> None:
    """Print a sentence: a terminal folds it at blanks, a pipe or a file gets one line."""
    console.print(text, markup=False, soft_wrap=not is_screen(console))


def print_note(text: str) -> None:
    """Print one line of what is going on to standard error."""
    progress_console.print(text, style="dim", markup=False, soft_wrap=True)


def format_time(unix_s: float) -> str:
    """A moment as people write it, in this machine's time zone."""
    return datetime.datetime.fromtimestamp(unix_s).strftime("%Y-%m-%d %H:%M")


def is_screen(shown_on: Console) -> bool:
    """Whether somebody sees lines as they change; else they go into a pipe or a file."""
    return shown_on.file.isatty() and not shown_on.is_dumb_terminal


def table_width() -> int | None:
    """Cells that a line of a table may be wide; None where it may be as wide as it is."""
    if _remembered(_WIDE) or not console.file.isatty():
        return None
    return shutil.get_terminal_size().columns


def wants_json() -> bool:
    """Whether the command that runs was asked for JSON."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.params.get("as_json"))


def _keep_wide(context: click.Context, option: click.Parameter, wide: bool) -> None:
    if wide:
        context.meta[_WIDE] = True


def _remember(what: str) -> None:
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta[what] = True


def _remembered(what: str) -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(what))
