"""`striate faces cluster` and `forget`: what to do about faces, and how to be rid of them."""

from typing import Any

import click

from striate.cli.calling import calling_faces, open_client
from striate.cli.confirm import confirm_forgetting
from striate.cli.faces_people import find_person
from striate.cli.faces_tables import cluster_tables, forgotten_table
from striate.cli.message_json import message_document
from striate.cli.number_options import COUNT, SHARE
from striate.cli.output import print_json, print_note, print_table
from striate.core.errors import PlatformError, UsageError


@click.command(short_help="Suggest who unnamed faces are, and who may be one.")
@click.option("--threshold", type=SHARE, help="Least score of one person.")
@click.option("--least-faces", type=COUNT, default=2, show_default=True, help="Of a group.")
@click.option("--limit", type=COUNT, default=100, show_default=True, help="Groups at most.")
@calling_faces
def cluster(
    threshold: float | None, least_faces: int, limit: int, as_json: bool, **where: Any
) -> None:
    """Suggest who unnamed faces are, and which people may be one; nothing is changed.

    `people move FACE… --new NAME` names a group, `people merge` makes two people one.

    \b
    Example: striate faces cluster --least-faces 5
    """
    with open_client(**where) as client:
        answer = client.faces.cluster(threshold, least_faces, limit)
    if as_json:
        print_json(message_document(answer))
    elif answer.groups or answer.same_people:
        print_table(*cluster_tables(answer))
    else:
        print_note("There is nothing to suggest.")


@click.command(short_help="Forget a person, a photo, or everybody, everywhere.")
@click.argument("person", required=False)
@click.option("--photo", "photo_id", help="All faces of this photo instead; people stay.")
@click.option("--everything", is_flag=True, help="Everybody whom your token has enrolled.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@calling_faces
def forget(
    person: str | None,
    photo_id: str | None,
    everything: bool,
    yes: bool,
    as_json: bool,
    **where: Any,
) -> None:
    """Forget a person, a photo, or everybody: in the store, the index, its snapshots, the crops.

    It cannot be undone. The answer proves it by counts; backups that you made are yours to clear.

    \b
    Example: striate faces forget "Ada Lovelace" --yes
    """
    if sum((person is not None, photo_id is not None, everything)) != 1:
        raise UsageError("Name one: a PERSON, --photo or --everything.")
    with open_client(**where) as client:
        who = find_person(client, person) if person is not None else None
        what = f"{who.name} (person {who.id}, {who.faces} faces)" if who else ""
        what = what or (f"the photo {photo_id}" if photo_id is not None else "everybody")
        confirm_forgetting(what, yes)
        gone = client.people.forget(
            person_id=who.id if who else None, photo_id=photo_id, everything=everything
        )
    if as_json:
        print_json(message_document(gone))
    else:
        print_table(forgotten_table(f"Forgotten: {what}", gone))
    if not gone.gone:
        rest = ", ".join(f"{name} ({count})" for name, count in sorted(gone.left.items()) if count)
        raise PlatformError(
            f"It is forgotten, and traces are left: {rest}.",
            "They go when these answer again; the next `forget` looks after them.",
        )
