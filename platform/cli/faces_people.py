"""`striate faces people`: those who are enrolled, listed and corrected by hand."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli.calling import calling_faces, open_client
from striate.cli.faces_tables import kept_table, people_table
from striate.cli.message_json import message_document
from striate.cli.number_options import ID
from striate.cli.output import print_json, print_line, print_note, print_table
from striate.core.errors import UnknownName, UsageError
from striate.core.files import write_atomic

if TYPE_CHECKING:
    from striate.serve.client.client import Client
    from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb

_person = click.argument("person")
_faces = click.argument("face_ids", nargs=-1, required=True, type=ID, metavar="FACE…")


@click.group()
def people() -> None:
    """List people, and correct what was recognised. A PERSON is a number or a name.

    \b
    Example: striate faces people ls
    """


@people.command()
@click.option("--hidden", is_flag=True, help="Those whom searches do not find, too.")
@calling_faces
def ls(hidden: bool, as_json: bool, **where: Any) -> None:
    """List people in the order of their numbers.

    \b
    Example: striate faces people ls --hidden
    """
    with open_client(**where) as client:
        found = list(client.people.ls(with_hidden=hidden))
    if as_json:
        print_json([_document(one) for one in found])
    elif found:
        print_table(people_table("People", found))
    else:
        print_note("Nobody is enrolled; `striate faces enroll` does.")


@people.command(short_help="Show the faces of a person or a photo.")
@click.argument("person", required=False)
@click.option("--photo", "photo_id", help="The faces of a photo instead.")
@click.option("--cover", type=click.Path(dir_okay=False, path_type=Path), help="Write it there.")
@calling_faces
def show(
    person: str | None, photo_id: str | None, cover: Path | None, as_json: bool, **where: Any
) -> None:
    """Show the faces of a person or a photo; those without a name unless one is given.

    \b
    Example: striate faces people show "Ada Lovelace"
    """
    if (person and photo_id is not None) or (cover and not person):
        raise UsageError("Give a PERSON, or --photo; --cover is a person's.")
    with open_client(**where) as client:
        who = find_person(client, person) if person else None
        faces = list(client.people.faces(person_id=who.id if who else None, photo_id=photo_id))
        if who and cover is not None:
            picture = client.people.get(who.id, with_cover=True).cover
            if not picture:
                raise UnknownName(f"No picture of {who.name} is kept.", "Deploy with keep_crops.")
            write_atomic(cover, picture, mode=0o600)
    if as_json:
        listed = [{k: v for k, v in message_document(one).items() if k != "crop"} for one in faces]
        print_json({"person": _document(who) if who else None, "faces": listed})
    elif faces:
        title = who.name if who else f"The photo {photo_id}" if photo_id else "Faces without a name"
        print_table(kept_table(title, faces))
    else:
        print_note("There is no such face.")


@people.command()
@_person
@click.argument("name")
@click.option("--merge", is_flag=True, help="Who has the name already is the same person.")
@calling_faces
def rename(person: str, name: str, merge: bool, as_json: bool, **where: Any) -> None:
    """Give a person another name.

    \b
    Example: striate faces people rename 3 "Ada Lovelace"
    """
    with open_client(**where) as client:
        done = client.people.rename(find_person(client, person).id, name, merge=merge)
    _say(as_json, done, f"Person {done.id} is {done.name}.")


@people.command(short_help="Make two people one; the first keeps its name.")
@click.argument("into")
@click.argument("other")
@calling_faces
def merge(into: str, other: str, as_json: bool, **where: Any) -> None:
    """Make two people one: the first keeps name, number and cover, the second is no more.

    \b
    Example: striate faces people merge "Ada Lovelace" 7
    """
    with open_client(**where) as client:
        one, two = find_person(client, into), find_person(client, other)
        done = client.people.merge(one.id, two.id)
    _say(as_json, done, f"{done.name} has {done.faces} faces now.")


@people.command()
@_person
@click.argument("name")
@_faces
@calling_faces
def split(person: str, name: str, face_ids: tuple[int, ...], as_json: bool, **where: Any) -> None:
    """Make a new person, NAME, of some faces of a person.

    \b
    Example: striate faces people split "Ada Lovelace" "Her sister" 12 15
    """
    with open_client(**where) as client:
        done = client.people.split(find_person(client, person).id, face_ids, name)
    _say(as_json, done, f"{done.name} is person {done.id} and has {done.faces} faces.")


@people.command()
@_faces
@click.option("--to", help="The person, a number or a name.")
@click.option("--new", default="", help="The name of a new person.")
@click.option("--nobody", is_flag=True, help="They have no name any more.")
@calling_faces
def move(
    face_ids: tuple[int, ...], to: str | None, new: str, nobody: bool, as_json: bool, **where: Any
) -> None:
    """Say whose some faces are. So a group that `cluster` suggests is named.

    \b
    Example: striate faces people move 12 15 --new "Grace Hopper"
    """
    if sum((to is not None, bool(new), nobody)) != 1:
        raise UsageError("Faces are one person's: give --to, --new or --nobody.")
    with open_client(**where) as client:
        person_id = None if to is None else find_person(client, to).id
        done = client.people.move(face_ids, person_id, new)
    whose = f"person {done.person_id}'s" if done.person_id else "nobody's"
    _say(as_json, done, f"{done.faces} faces are {whose} now.")


@people.command()
@_person
@click.option("--show", is_flag=True, help="Searches find them again.")
@calling_faces
def hide(person: str, show: bool, as_json: bool, **where: Any) -> None:
    """Let searches no longer find a person.

    \b
    Example: striate faces people hide "Ada Lovelace"
    """
    with open_client(**where) as client:
        done = client.people.hide(find_person(client, person).id, hidden=not show)
    _say(as_json, done, f"Searches {'do not find' if done.hidden else 'find'} {done.name}.")


@people.command()
@_person
@click.argument("face_id", type=ID, metavar="FACE")
@calling_faces
def cover(person: str, face_id: int, as_json: bool, **where: Any) -> None:
    """Let one of a person's faces stand for them.

    \b
    Example: striate faces people cover "Ada Lovelace" 12
    """
    with open_client(**where) as client:
        done = client.people.choose_cover(find_person(client, person).id, face_id)
    _say(as_json, done, f"Face {done.cover_face_id} stands for {done.name}.")


def find_person(client: "Client", person: str) -> "pb.Person":
    """The person of a number or a name.

    Raises:
        UnknownName: there is none.
    """
    if person.isascii() and person.isdigit() and len(person) < 16:
        return client.people.get(int(person))
    found = next(client.people.ls(name=person), None) if person else None
    if found is None:
        raise UnknownName(
            f"There is no person {person!r}.", "`striate faces people ls` lists them."
        )
    return found


def _document(person: "pb.Person") -> dict[str, Any]:
    return {name: value for name, value in message_document(person).items() if name != "cover"}


def _say(as_json: bool, done: Any, sentence: str) -> None:
    if as_json:
        print_json({k: v for k, v in message_document(done).items() if k != "cover"})
    else:
        print_line(sentence)
