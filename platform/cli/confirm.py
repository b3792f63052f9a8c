"""The question before what cannot be undone."""

import sys

import click

from striate.core.errors import UsageError


def confirm_forgetting(what: str, yes: bool) -> None:
    """Ask, unless it was said before.

    Raises:
        UsageError: nobody is there to ask.
        click.Abort: the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"Forgetting {what} cannot be undone.", "Add --yes.")
    click.confirm(f"Forget {what}? It cannot be undone.", abort=True, err=True)
