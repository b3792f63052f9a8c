"""`striate faces`: its verbs, and `striate faces migrate`, which brings the store up to date."""

import click

from striate.cli.faces_bulk import export, import_, reindex
from striate.cli.faces_codes import codes
from striate.cli.faces_forget import cluster, forget
from striate.cli.faces_people import people
from striate.cli.faces_photos import describe, detect, enroll, search, verify
from striate.cli.faces_store import store_option, store_url
from striate.cli.faces_webhooks import webhooks
from striate.cli.output import json_option, print_json, print_line


@click.group()
def faces() -> None:
    """Find, describe and recognise faces, and look after the people who are enrolled.

    \b
    Example: striate faces search street.jpg
    """


for _command in (
    detect, describe, verify, enroll, search, people, cluster, forget, export, import_, reindex,
    codes, webhooks,
):  # fmt: skip
    faces.add_command(_command)


@faces.command()
@store_option
@json_option
def migrate(store: str | None, as_json: bool) -> None:
    """Bring the store to this version's schema.

    Whole or not at all; once is enough.

    \b
    Example: striate faces migrate --store postgresql://striate@db/faces
    """
    from striate.serve.identities.store import FACES, IdentityStore
    from striate.serve.sql.migrate import newest_revision

    IdentityStore.upgrade(store_url(store)).close()
    if as_json:
        print_json({"schema": newest_revision(FACES)})
    else:
        print_line(f"The store of faces has the schema {newest_revision(FACES)}.")
