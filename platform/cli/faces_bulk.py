"""`striate faces import`, `export` and `reindex`: many faces at once."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli.calling import EXISTING_FILE, calling_faces, open_client
from striate.cli.faces_people import find_person
from striate.cli.faces_sources import DescribedFile, list_photos, model_metadata
from striate.cli.faces_tables import failures_table, imported_table
from striate.cli.message_json import message_document
from striate.cli.output import print_json, print_labelled, print_line, print_table
from striate.cli.progress import Stage, stage
from striate.core.errors import UsageError
from striate.core.files import atomic_folder

if TYPE_CHECKING:
    from striate.serve.client.client import Client
    from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb


@click.command("import", short_help="Enrol many: a folder of photos, or Arrow of described faces.")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--described-by",
    type=EXISTING_FILE,
    help="A document of `describe --json` by the model that described a file's faces, where the"
    " file does not say.",
)
@calling_faces
def import_(source: Path, described_by: Path | None, as_json: bool, **where: Any) -> None:
    """Enrol many: a folder of photos, or an Arrow or Parquet file of described faces.

    Photos in a folder of their own are of the person whom it is named after. Broken off, it can be
    called again: what is there already is known.

    \b
    Example: striate faces import people/
    """
    if not source.exists():
        raise UsageError(f"There is no {source}.", "Name a folder of photos, or a file of faces.")
    with open_client(**where) as client, stage(f"Importing {source.name}") as told:
        if source.is_dir():
            if described_by is not None:
                raise UsageError("Photos are described by the server; leave out --described-by.")
            done = _import_photos(client, source, told)
        else:
            done = _import_described(client, DescribedFile(source), described_by, told)
    if as_json:
        print_json(message_document(done))
        return
    print_table(imported_table(source.name, done))
    if done.failures:
        print_table(failures_table(done.failures))


def _import_photos(client: "Client", folder: Path, told: Stage) -> "pb.ImportResponse":
    photos = list_photos(folder)

    def read() -> Iterator[tuple[str, bytes, str]]:
        for number, (photo_id, path, person) in enumerate(photos, 1):
            yield photo_id, path.read_bytes(), person
            told.tell(done=number, total=len(photos))

    return client.faces.import_photos(read())


def _import_described(
    client: "Client", file: DescribedFile, described_by: Path | None, told: Stage
) -> "pb.ImportResponse":
    model = file.model(described_by)

    def read() -> Iterator[bytes]:
        rows = 0
        for count, part in file.parts(model.dimension):
            yield part
            rows += count
            told.tell(done=rows, total=file.rows)

    return client.faces.import_arrow(read(), model)


@click.command(short_help="Write all that is held of a person into a new FOLDER.")
@click.argument("person")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@calling_faces
def export(person: str, folder: Path, as_json: bool, **where: Any) -> None:
    """Write all that is held of a person into a new FOLDER, to be handed to them.

    `person.json` has the person, what the audit says of them, and their faces with every
    descriptor; `crops` the kept pictures; `faces-N.arrow` what `striate faces import` reads.

    \b
    Example: striate faces export "Ada Lovelace" ada/
    """
    if folder.exists():
        raise UsageError(f"{folder} is there already.", "Name a new folder.")
    with open_client(**where) as client:
        who = find_person(client, person)
        with stage(f"Exporting {who.name}") as told, atomic_folder(folder) as unfinished:
            unfinished.chmod(0o700)
            counts = _write_export(client, who, unfinished, told)
    if as_json:
        print_json({"folder": str(folder), "person_id": who.id, **counts})
    else:
        print_labelled([("folder", str(folder)), ("faces", f"{counts['faces']}")])


def _write_export(client: "Client", who: "pb.Person", folder: Path, told: Stage) -> dict[str, int]:
    from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb

    person = pb.ExportedPerson()
    faces: list[pb.ExportedFace] = []
    (folder / "crops").mkdir()
    for part in client.people.export(who.id):
        if part.WhichOneof("part") == "person":
            person.MergeFrom(part.person)
            continue
        faces.append(part.face)
        if part.face.face.crop:
            (folder / "crops" / f"{part.face.face.id}.png").write_bytes(part.face.face.crop)
        told.tell(done=len(faces), total=who.faces)
    held: dict[str, Any] = message_document(person)
    held["faces"] = [_without_crop(message_document(face)) for face in faces]
    (folder / "person.json").write_text(json.dumps(held, indent=2) + "\n", encoding="utf-8")
    _write_described(faces, held["person"]["name"], folder)
    return {"faces": len(faces), "crops": sum(bool(face.face.crop) for face in faces)}


def _write_described(faces: "list[pb.ExportedFace]", person: str, folder: Path) -> None:
    """A file for each model."""
    import pyarrow as pa

    from striate.serve.identities.import_faces import import_schema

    by_model: dict[bytes, list[tuple[pb.KeptFace, pb.Descriptor]]] = {}
    for face in faces:
        for descriptor in face.descriptors:
            key = descriptor.model.SerializeToString(deterministic=True)
            by_model.setdefault(key, []).append((face.face, descriptor))
    for number, described in enumerate(by_model.values(), 1):
        model = described[0][1].model
        schema = import_schema(model.dimension).with_metadata(model_metadata(model))
        rows = [_imported_row(face, descriptor, person) for face, descriptor in described]
        with (
            pa.OSFile(str(folder / f"faces-{number}.arrow"), "wb") as file,
            pa.ipc.new_file(file, schema) as writer,
        ):
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def _imported_row(face: "pb.KeptFace", descriptor: "pb.Descriptor", person: str) -> dict[str, Any]:
    return {
        "photo_id": face.photo_id,
        "descriptor": list(descriptor.vector),
        "code": descriptor.code,
        "person": person,
        "crop": face.crop or None,
        **{name: getattr(face.box, name) for name in ("left", "top", "width", "height")},
        **{
            name: getattr(face.quality, name)
            for name in ("size_px", "sharpness", "yaw_deg", "roll_deg")
        },
    }


def _without_crop(document: dict[str, Any]) -> dict[str, Any]:
    """The face's document; its picture is a file of its own."""
    document["face"].pop("crop")
    return document


@click.command(short_help="Describe every face anew by the deployment's next model.")
@click.option("--plan", "plan_only", is_flag=True, help="Only say what it takes.")
@click.option("--leave-out", is_flag=True, help="Faces without a kept crop are found no more.")
@calling_faces
def reindex(plan_only: bool, leave_out: bool, as_json: bool, **where: Any) -> None:
    """Describe every face anew by the deployment's next model, while the one that serves goes on.

    Broken off, it can be called again and goes on where it was.

    \b
    Example: striate faces reindex --plan
    """
    with open_client(**where) as client, stage("Describing faces anew", hidden=plan_only) as told:
        answers = client.faces.reindex(plan_only=plan_only, leave_out=leave_out)
        latest = next(answers)
        for latest in answers:
            told.tell(done=latest.described, total=latest.waiting)
    if as_json:
        print_json(message_document(latest))
    elif plan_only:
        print_line(f"{latest.why} {latest.waiting:,} of {latest.faces:,} faces are described anew.")
    else:
        name = f"{latest.model.network.name} version {latest.model.network.version}"
        print_line(f"{name} serves; {latest.described:,} faces were described anew.")
