"""`striate faces webhooks`: events that wait for their receivers, and secrets to sign them with."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from striate.cli.faces_store import store_option, store_url
from striate.cli.number_options import COUNT, ID
from striate.cli.output import (
    format_time,
    json_option,
    print_json,
    print_labelled,
    print_line,
    print_note,
    print_table,
    wide_option,
)
from striate.cli.tables import Column, Table, show_id
from striate.core.errors import UnknownName, UsageError
from striate.core.files import write_atomic

if TYPE_CHECKING:
    from striate.serve.identities.store import IdentityStore
    from striate.serve.webhooks.outbox import Letter


@click.group(short_help="Show events that other systems were not told yet.")
def webhooks() -> None:
    """Show events that other systems were not told yet, and try dead ones again.

    \b
    Example: striate faces webhooks ls --dead
    """


@webhooks.command(short_help="List events that no receiver has taken yet.")
@click.option("--dead", is_flag=True, help="Only those that are not tried any more.")
@click.option("--limit", type=COUNT, default=100, show_default=True, help="The oldest so many.")
@store_option
@wide_option
@json_option
def ls(dead: bool, limit: int, store: str | None, as_json: bool) -> None:
    """List events that no receiver has taken yet, the oldest first; whom they name is not shown.

    \b
    Example: striate faces webhooks ls --dead
    """
    from striate.serve.webhooks.outbox import list_letters

    with _opened(store) as opened:
        letters = list_letters(opened, dead=True if dead else None, limit=limit)
    if as_json:
        print_json([_row(letter) for letter in letters])
    elif letters:
        print_table(letters_table(letters))
    else:
        print_note("No event is dead." if dead else "No event waits.")


def letters_table(letters: "Sequence[Letter]") -> Table:
    """Events for people."""
    columns = (
        Column("id", 0, show=show_id), Column("when", 3), Column("app", 4), Column("hook", 1),
        Column("kind", 2), Column("tries", 2), Column("next", 1), Column("error", 1, folds=True),
    )  # fmt: skip
    rows = [
        [
            letter.id,
            format_time(letter.at_unix_s),
            letter.deployment,
            letter.hook,
            _kind(letter),
            letter.attempts,
            "dead" if letter.dead else format_time(letter.due_unix_s),
            letter.error or None,
        ]
        for letter in letters
    ]
    return Table("Events that wait", columns, rows)


@webhooks.command(short_help="Try dead events again, as often as new ones.")
@click.argument("ids", nargs=-1, type=ID, metavar="[ID]…")
@click.option("--all", "every", is_flag=True, help="All dead ones.")
@store_option
@json_option
def retry(ids: tuple[int, ...], every: bool, store: str | None, as_json: bool) -> None:
    """Try dead events again, as often as new ones; the application that saw them sends them.

    \b
    Example: striate faces webhooks retry 17 18
    """
    from striate.serve.webhooks.outbox import retry_letters

    if bool(ids) == every:
        raise UsageError("Name events by their ids, or say --all.")
    with _opened(store) as opened:
        count = retry_letters(opened, time.time(), None if every else ids)
    if not count and not every:
        raise UnknownName(
            "No dead event has such an id.", "`striate faces webhooks ls` lists them."
        )
    if as_json:
        print_json({"retried": count})
    else:
        print_line(f"{count} {'event is' if count == 1 else 'events are'} tried again.")


@webhooks.command(short_help="Make a secret that events are signed with.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def secret(file: Path, as_json: bool) -> None:
    """Make a secret that events are signed with, in a file that only you can read.

    Put it before a line that is there already, and both are valid until you take the old one away.

    \b
    Example: striate faces webhooks secret door.secret
    """
    from striate.serve.webhooks.signature import make_secret

    if file.exists():
        raise UsageError(
            f"{file} is there already, and a secret in use must not be lost.", "Name another file."
        )
    write_atomic(file, f"{make_secret()}\n".encode(), mode=0o600)
    reference = f"file:{file.absolute()}"
    if as_json:
        print_json({"secret": reference})
    else:
        print_labelled([("secret", reference)])
        print_note("Deploy with it, and give the file's line to the receiver.")


@contextmanager
def _opened(url: str | None) -> "Iterator[IdentityStore]":
    from striate.serve.identities.store import IdentityStore

    store = IdentityStore.open(store_url(url))
    try:
        yield store
    finally:
        store.close()


def _kind(letter: "Letter") -> str:
    return str(json.loads(letter.body)["data"]["kind"])


def _row(letter: "Letter") -> dict[str, object]:
    return {
        "id": letter.id,
        "event": letter.event,
        "at_unix_s": letter.at_unix_s,
        "app": letter.deployment,
        "hook": letter.hook,
        "kind": _kind(letter),
        "attempts": letter.attempts,
        "due_unix_s": None if letter.dead else letter.due_unix_s,
        "dead": letter.dead,
        "error": letter.error,
    }
