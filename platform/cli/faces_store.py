"""The store of faces that a command opens itself: `--store`, or the local platform's."""

import click

from striate.core.settings import Settings

store_option = click.option(
    "--store",
    metavar="URL",
    help="A SQLite file or postgresql://…; that of the local platform unless given.",
)
"""Passed to the command as `store`, for `store_url`."""


def store_url(given: str | None) -> str:
    """Where the store is, with a folder to be in."""
    from striate.serve.identities.store import default_store

    if given is not None:
        return given
    file = default_store(Settings.load().home)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return str(file)
