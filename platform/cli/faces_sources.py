"""What `striate faces import` reads: a folder of photos, or a file of described faces."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.core.errors import DataError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb

MODEL_KEY = b"striate.face_model"
"""In the metadata of an Arrow schema: which model described the faces, as JSON."""
PHOTO_ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif", ".heic", ".heif"}
PART_BYTES = 4 * 2**20
"""Of a message; a row is no larger than a crop and a descriptor."""
_MOST_ROWS = 10_000


def list_photos(folder: Path) -> list[tuple[str, Path, str]]:
    """The photos of a folder: an id, the file, and whose it is.

    Those in a folder of their own are of the person whom it is named after, as in LFW; those beside
    such folders are of nobody. Hidden files are left out. The id is the path from the folder on,
    its name included.

    Raises:
        DataError: there is no photo.
    """
    found = [
        (
            f"{folder.resolve().name}/{path.relative_to(folder).as_posix()}",
            path,
            _person(path, folder),
        )
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in PHOTO_ENDINGS and path.is_file()
        if not any(part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts)
    ]
    if not found:
        raise DataError(
            f"{folder} holds no photo.", f"Photos end in {', '.join(sorted(PHOTO_ENDINGS))}."
        )
    return found


def _person(path: Path, folder: Path) -> str:
    inside = path.relative_to(folder).parts[:-1]
    return inside[0].replace("_", " ") if inside else ""


class DescribedFile:
    """An Arrow or Parquet file of faces that were described before.

    Args:
        path: of the file.

    Attributes:
        rows: how many faces it holds.

    Raises:
        DataError: it is none, or has columns that cannot be used.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._path = path
        try:
            if path.read_bytes()[:4] == b"PAR1":
                self._table: Any = pq.read_table(path, memory_map=True)
            else:
                with pa.memory_map(str(path)) as file:
                    self._table = _open_arrow(file).read_all()
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(
                f"{path} is no Arrow or Parquet file: {str(error).splitlines()[0]}"
            ) from None
        self.rows = self._table.num_rows

    def model(self, described_by: Path | None) -> "pb.FaceModel":
        """Which model described the faces.

        Args:
            described_by: a document of `describe --json`, of the same model; None for what the
                file itself says.

        Raises:
            UsageError: nobody says.
        """
        from google.protobuf.json_format import Parse, ParseError

        from striate.cli.faces_photos import read_descriptors
        from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb

        if described_by is not None:
            return read_descriptors(described_by)[0].model
        said = (self._table.schema.metadata or {}).get(MODEL_KEY)
        try:
            return Parse(said or b"", pb.FaceModel())
        except ParseError:
            raise UsageError(
                f"{self._path} does not say which model described its faces.",
                "Give --described-by, a document of `striate faces describe PHOTO --json`.",
            ) from None

    def parts(self, dimension: int) -> Iterator[tuple[int, bytes]]:
        """Whole Arrow streams, small enough for a message each, and how many rows are in them.

        Args:
            dimension: floats of a descriptor.

        Raises:
            DataError: a column is missing or cannot be read as what it must be.
        """
        import pyarrow as pa

        table = _as_imported(self._table, dimension, self._path)
        at_a_time = max(1, min(_MOST_ROWS, PART_BYTES * max(1, self.rows) // max(1, table.nbytes)))
        for start in range(0, self.rows, at_a_time):
            some = table.slice(start, at_a_time)
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(some)
            yield some.num_rows, sink.getvalue().to_pybytes()


def model_metadata(model: "pb.FaceModel") -> dict[bytes, bytes]:
    """What a schema's metadata says of the model."""
    from striate.cli.message_json import message_document

    return {MODEL_KEY: json.dumps(message_document(model)).encode()}


def _open_arrow(file: "pa.NativeFile") -> Any:
    import pyarrow as pa

    try:
        return pa.ipc.open_file(file)
    except pa.ArrowInvalid:  # not the file format; the stream format perhaps
        file.seek(0)
        return pa.ipc.open_stream(file)


def _as_imported(table: Any, dimension: int, path: Path) -> Any:
    """The table with the columns that an import has, each of its type."""
    import pyarrow as pa

    from striate.serve.identities.import_faces import import_schema

    columns, fields = [], []
    for field in import_schema(dimension):
        if field.name not in table.column_names:
            if field.nullable:
                continue
            raise DataError(f"{path} lacks the column {field.name}.", f"Its type is {field.type}.")
        try:
            columns.append(table.column(field.name).cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            found = table.column(field.name).type
            raise DataError(
                f"The column {field.name} of {path} has the type {found}.",
                f"Give it the type {field.type}.",
            ) from None
        fields.append(field)
    return pa.table(columns, schema=pa.schema(fields))
