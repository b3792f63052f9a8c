"""`striate faces detect`, `describe`, `verify`, `enroll` and `search`: photos of faces."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli.calling import EXISTING_FILE, calling_faces, open_client
from striate.cli.faces_tables import described_table, detected_table, enrolled_table, found_table
from striate.cli.message_json import message_document
from striate.cli.number_options import COUNT, SHARE
from striate.cli.numbers import format_probability
from striate.cli.output import print_json, print_line, print_table
from striate.cli.tables import Table
from striate.core.errors import UsageError

if TYPE_CHECKING:
    from striate.serve.common.face_types import FaceBox
    from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb

_photos = click.argument("photos", nargs=-1, required=True, type=EXISTING_FILE)
_threshold = click.option(
    "--threshold", type=SHARE, help="Least score of one person; the deployment's unless given."
)
_only = click.option(
    "--only",
    metavar="LEFT,TOP,WIDTH,HEIGHT",
    help="The face that is here, in shares of the photo; `detect --json` says where faces are.",
)


@click.command()
@_photos
@calling_faces
def detect(photos: tuple[Path, ...], as_json: bool, **where: Any) -> None:
    """Find the faces of photos, and say how good they are.

    \b
    Example: striate faces detect photo.jpg
    """
    with open_client(**where) as client:
        found = [(path, client.faces.detect(path.read_bytes())) for path in photos]
    _show(as_json, found, lambda path, answer: detected_table(_counted(path, answer), answer.faces))


@click.command()
@_photos
@_only
@calling_faces
def describe(photos: tuple[Path, ...], only: str | None, as_json: bool, **where: Any) -> None:
    """Describe the faces of photos; nothing is kept.

    With --json the document holds descriptors that `verify` and `search` take in the place of
    photos.

    \b
    Example: striate faces describe ada.jpg --json > ada.json
    """
    box = read_box(only)
    with open_client(**where) as client:
        found = [(path, client.faces.describe(path.read_bytes(), box)) for path in photos]
    _show(
        as_json, found, lambda path, answer: described_table(_counted(path, answer), answer.faces)
    )


@click.command()
@click.argument("first", type=EXISTING_FILE)
@click.argument("second", type=EXISTING_FILE)
@_threshold
@calling_faces
def verify(first: Path, second: Path, threshold: float | None, as_json: bool, **where: Any) -> None:
    """Say whether two photos, of one face each, show the same person.

    \b
    Example: striate faces verify ada.jpg perhaps-ada.jpg
    """
    with open_client(**where) as client:
        answer = client.faces.verify(_face_of(first), _face_of(second), threshold)
    if as_json:
        print_json(message_document(answer))
        return
    print_line(
        f"{first.name} and {second.name} show {'the same person' if answer.same else 'two people'}:"
        f" the score is {format_probability(answer.score)}, and from"
        f" {format_probability(answer.threshold)} on it is one."
    )


@click.command()
@_photos
@click.option("--person", default="", help="Whose face it is; left out, faces stay unnamed.")
@click.option(
    "--photo-id", default="", help="What you call the photo; the image's SHA-256 unless given."
)
@_only
@click.option("--again", is_flag=True, help="It is no error that faces are there already.")
@calling_faces
def enroll(
    photos: tuple[Path, ...],
    person: str,
    photo_id: str,
    only: str | None,
    again: bool,
    as_json: bool,
    **where: Any,
) -> None:
    """Keep the faces of photos, under a name or none.

    \b
    Example: striate faces enroll ada-1.jpg ada-2.jpg --person "Ada Lovelace"
    """
    if len(photos) > 1 and (photo_id or only):
        raise UsageError("--photo-id and --only are for one photo.", "Enrol photos one by one.")
    box = read_box(only)
    with open_client(**where) as client:
        done = [
            (
                path,
                client.faces.enroll(path.read_bytes(), person, photo_id, box, again=again),
            )
            for path in photos
        ]
    _show(as_json, done, lambda path, answer: enrolled_table(path.name, answer.faces))


@click.command(short_help="Say who the faces of photos are.")
@_photos
@_threshold
@click.option("--top-k", type=COUNT, default=1, show_default=True, help="Matches of a face.")
@_only
@calling_faces
def search(
    photos: tuple[Path, ...],
    threshold: float | None,
    top_k: int,
    only: str | None,
    as_json: bool,
    **where: Any,
) -> None:
    """Say who the faces of photos are, or those of documents of `describe --json`.

    \b
    Example: striate faces search street.jpg
    """
    box = read_box(only)
    with open_client(**where) as client:
        found = []
        for path in photos:
            descriptors = read_descriptors(path)
            what: Any = {"descriptors": descriptors}
            if not descriptors:
                what = {"image": path.read_bytes(), "only": box, "photo_id": path.name}
            answer = client.faces.search(**what, threshold=threshold, top_k=top_k)
            found.append((path, answer))
    _show(as_json, found, lambda path, answer: found_table(_searched(path, answer), answer.faces))


def read_box(text: str | None) -> "FaceBox | None":
    """The box of four shares of a photo.

    Raises:
        UsageError: it is none.
    """
    from striate.serve.common.face_types import FaceBox

    if text is None:
        return None
    try:
        left, top, width, height = map(float, text.split(","))
    except ValueError:
        raise UsageError(
            f"--only {text!r} is no place.", "Give LEFT,TOP,WIDTH,HEIGHT, such as 0.1,0.2,0.3,0.4."
        ) from None
    return FaceBox(left, top, width, height)


def read_descriptors(path: Path) -> "list[pb.Descriptor]":
    """The descriptors of a document of `describe --json`; none of a photo.

    Raises:
        UsageError: it is another document.
    """
    from google.protobuf.json_format import ParseDict, ParseError

    from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb

    content = path.read_bytes()
    if content[:1] not in (b"[", b"{"):  # as no photo begins
        return []
    try:
        document = json.loads(content)
        found = [
            ParseDict(face["descriptor"], pb.Descriptor())
            for photo in document
            for face in photo["faces"]
        ]
    except (ValueError, KeyError, TypeError, RecursionError, ParseError):
        found = []
    if not found:
        raise UsageError(
            f"{path} holds no described faces.",
            "`striate faces describe PHOTO --json` writes them.",
        )
    return found


def _face_of(path: Path) -> "bytes | pb.Descriptor":
    descriptors = read_descriptors(path)
    if len(descriptors) > 1:
        raise UsageError(f"{path} holds {len(descriptors)} faces.", "Describe one by --only.")
    return descriptors[0] if descriptors else path.read_bytes()


def _show(
    as_json: bool,
    answers: Sequence[tuple[Path, Any]],
    table: Callable[[Path, Any], Table],
) -> None:
    if as_json:
        print_json([{"photo": str(path), **message_document(answer)} for path, answer in answers])
    else:
        print_table(*(table(path, answer) for path, answer in answers))


def _counted(path: Path, answer: Any) -> str:
    count = len(answer.faces)
    return (
        f"{path.name}: {'no face' if not count else '1 face' if count == 1 else f'{count} faces'}"
    )


def _searched(path: Path, answer: Any) -> str:
    partial = ", but a part of the index does not answer" if answer.partial else ""
    asked = format_probability(answer.threshold)
    return f"{_counted(path, answer)}, known from a score of {asked} on{partial}"
