"""Enrolment in bulk, out of Arrow record batches."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from striate.core.errors import RequestError, StriateError
from striate.serve.common.face_types import FaceBox, FaceQuality
from striate.serve.identities.crops import CropFolder
from striate.serve.identities.enroll import Enrolment, enroll
from striate.serve.identities.face_batch import ANY_FACE, Enrolled, EnrolmentRules
from striate.serve.identities.faces import NewFace, check_photo_id
from striate.serve.identities.fingerprint import CODE_BYTES, ModelFingerprint
from striate.serve.identities.store import IdentityStore, check_name

ROWS_AT_A_TIME = 1000
"""Of one transaction."""
_BOX = ("left", "top", "width", "height")
_QUALITY = ("size_px", "sharpness", "yaw_deg", "roll_deg")


@dataclass(frozen=True)
class Imported:
    """One part of an import, on the disk.

    Attributes:
        rows: read so far.
        part: what became of the latest of them.
    """

    rows: int
    part: Enrolment


def import_schema(dimension: int) -> pa.Schema:
    """The columns that an import reads; those that may be missing or null are nullable here.

    Args:
        dimension: floats of a descriptor.
    """
    return pa.schema(
        [
            pa.field("photo_id", pa.string(), nullable=False),
            pa.field("descriptor", pa.list_(pa.float32(), dimension), nullable=False),
            pa.field("code", pa.binary(CODE_BYTES), nullable=False),
            pa.field("person", pa.string()),
            pa.field("crop", pa.binary()),
            *(pa.field(name, pa.float64()) for name in (*_BOX, *_QUALITY)),
        ]
    )


def import_faces(
    store: IdentityStore,
    crops: CropFolder | None,
    tenant: str,
    fingerprint: ModelFingerprint,
    batches: Iterable[pa.RecordBatch],
    *,
    who: str,
    rules: EnrolmentRules = ANY_FACE,
    check_crop: Callable[[bytes], None] = lambda crop: None,
) -> Iterator[Imported]:
    """Enrol all rows of some batches, a part a transaction.

    A row whose values cannot be kept is refused alone: a descriptor, box or quality that is not
    finite, an id of a photo or a name that is none, a crop that is no picture. An import can be
    interrupted and begun again: faces that are there already are known, and stay as they are.

    Args:
        store: of record.
        crops: where crops are kept; None keeps none.
        tenant: in whose name.
        fingerprint: of the model that described the faces.
        batches: with the columns of `import_schema`, in any order; more are left out.
        who: the caller, for the audit.
        rules: of the deployment.
        check_crop: raises `RequestError` for a crop from which no face can be described anew.

    Yields:
        After each part, what became of it.

    Raises:
        RequestError: a column is missing or of another type; earlier parts are kept.
        OtherModel, StoreFull, StoreBusy: as `enroll`.
    """
    rows = 0
    for batch in batches:
        for start in range(0, batch.num_rows, ROWS_AT_A_TIME):
            faces = _new_faces(batch.slice(start, ROWS_AT_A_TIME), fingerprint.dimension)
            if crops is None:
                faces = [replace(face, crop=None) for face in faces]
            refused = [_refusal(face, check_crop) for face in faces]
            good = [face for face, error in zip(faces, refused, strict=True) if error is None]
            part = enroll(store, crops, tenant, fingerprint, good, who=who, rules=rules)
            rows += len(faces)
            yield Imported(rows, Enrolment(_in_order(refused, part.faces), part.change))


def _refusal(face: NewFace, check_crop: Callable[[bytes], None]) -> StriateError | None:
    """Why a row cannot be kept; None where it can."""
    try:
        if not face.photo_id:
            raise RequestError("A row of the import names no photo.", "Give each a photo_id.")
        check_photo_id(face.photo_id)
        if face.person is not None:
            check_name("person", face.person)
        if not np.isfinite(face.descriptor).all():
            raise RequestError(
                "A row's descriptor holds a number that is not finite.", "Describe the face again."
            )
        if not all(map(math.isfinite, (*astuple(face.box), *astuple(face.quality)))):
            raise RequestError(
                "A row's box or quality holds a number that is not finite.",
                "Leave empty what is not known.",
            )
        if face.crop is not None:
            check_crop(face.crop)
    except StriateError as error:
        return error
    return None


def _in_order(
    refused: Sequence[StriateError | None], kept: Iterable[Enrolled]
) -> tuple[Enrolled, ...]:
    """What became of each row, in the rows' order."""
    rest = iter(kept)
    return tuple(
        next(rest) if error is None else Enrolled("refused", error=error) for error in refused
    )


def _new_faces(batch: pa.RecordBatch, dimension: int) -> list[NewFace]:
    columns = {field.name: _column(batch, field) for field in import_schema(dimension)}
    flat = columns["descriptor"].flatten().to_numpy(zero_copy_only=False)
    descriptors = flat.reshape(batch.num_rows, dimension)
    values = {
        name: column.to_pylist()
        for name, column in columns.items()
        if column is not None and name != "descriptor"
    }
    boxes = _records(values, _BOX, FaceBox, batch.num_rows)
    qualities = _records(values, _QUALITY, FaceQuality, batch.num_rows)
    nothing = [None] * batch.num_rows
    return [
        NewFace(
            values["photo_id"][row],
            descriptors[row],
            np.frombuffer(values["code"][row], np.uint8),
            values.get("person", nothing)[row],
            boxes[row],
            qualities[row],
            values.get("crop", nothing)[row],
        )
        for row in range(batch.num_rows)
    ]


def _column(batch: pa.RecordBatch, field: pa.Field) -> Any:
    """The column of that name and type; None where one that may be missing is.

    Raises:
        RequestError: it is missing, of another type, or holds nothing somewhere and must not.
    """
    place = batch.schema.get_field_index(field.name)
    if place < 0 and field.nullable:
        return None
    found = batch.column(place) if place >= 0 else None
    if found is None or found.type != field.type or (found.null_count and not field.nullable):
        said = "missing" if found is None else f"of type {found.type}, or null somewhere"
        raise RequestError(
            f"The column {field.name} of an import is {said}.",
            f"Give it the type {field.type}, and a value in every row.",
        )
    return found


def _records(values: dict[str, list[Any]], names: tuple[str, ...], kind: Any, count: int) -> Any:
    """A box or a quality a row, with its own defaults where a column or a value is missing."""
    plain = kind()
    given = {name: values.get(name, [None] * count) for name in names}
    return [
        kind(**{n: getattr(plain, n) if given[n][r] is None else given[n][r] for n in names})
        for r in range(count)
    ]
