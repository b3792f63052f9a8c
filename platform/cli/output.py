"""What every command prints with: tables for people, one JSON document for programs."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table

_Command = TypeVar("_Command", bound=Callable[..., Any])

console = Console(highlight=False)
"""Results go here: standard output."""

progress_console = Console(stderr=True, highlight=False)
"""Progress, notes and errors go here: standard error, so that `--json` stays parseable."""


def json_option(command: _Command) -> _Command:
    """Add ``--json``, passed to the command as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def print_json(document: Any) -> None:
    """Print one JSON document to standard output."""
    click.echo(json.dumps(document, indent=2, default=str))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; a number column is right-aligned, None is shown as a dash."""
    rows = [list(row) for row in rows]
    table = Table(title=title, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(
            isinstance(row[index], int | float) or row[index] is None for row in rows
        )
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console.print(table)


def print_note(text: str) -> None:
    """Print one line of what is going on to standard error."""
    progress_console.print(text, style="dim", markup=False, soft_wrap=True)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)
