"""Enrolment in bulk: restartable, with what may be missing missing, and wrong columns by name."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from striate.core.errors import RequestError
from striate.serve.identities import import_faces as bulk
from striate.serve.identities.crops import CropFolder
from striate.serve.identities.face_index import FaceIndex
from striate.serve.identities.fingerprint import ModelFingerprint
from striate.serve.identities.import_faces import import_faces, import_schema
from striate.serve.identities.listing import list_people
from striate.serve.identities.search import identify
from striate.serve.identities.store import IdentityStore

pytestmark = pytest.mark.unit

COUNT = 25


@pytest.fixture
def batch(new_face: Any, model: ModelFingerprint) -> pa.RecordBatch:
    """Faces of five people; those of person 4 are unnamed."""
    faces = [new_face(n % 5, flipped=n // 5) for n in range(COUNT)]
    columns = {
        "photo_id": pa.array([face.photo_id for face in faces]),
        "descriptor": pa.FixedSizeListArray.from_arrays(
            pa.array(np.concatenate([face.descriptor for face in faces])), model.dimension
        ),
        "code": pa.array([face.code.tobytes() for face in faces], pa.binary(32)),
        "person": pa.array([None if n % 5 == 4 else f"person {n % 5}" for n in range(COUNT)]),
        "crop": pa.array([b"%d" % n for n in range(COUNT)], pa.binary()),
        "size_px": pa.array([float(n) for n in range(COUNT)]),
    }
    return pa.RecordBatch.from_pydict(columns)


def test_all_rows_are_enrolled_and_found(
    store: IdentityStore, crops: CropFolder, model: ModelFingerprint, batch: pa.RecordBatch,
    new_face: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(bulk, "ROWS_AT_A_TIME", 10)
    parts = [batch.slice(0, 7), batch.slice(7)]
    told = list(import_faces(store, crops, "ours", model, parts, who="me"))
    assert [one.rows for one in told] == [7, 17, 25]
    people = list_people(store, "ours")
    assert [(p.name, p.faces) for p in people] == [(f"person {n}", 5) for n in range(4)]
    index = FaceIndex(store, threads=1)
    codes = np.stack([new_face(3, flipped=2).code, new_face(4, flipped=2).code])
    named, unnamed = identify(store, index, "ours", model, codes, most=0)
    assert (named.who, named.score) == ("person 3", 1.0)
    assert (unnamed.who, unnamed.score) == ("", 1.0)
    assert len(crops.keys()) == COUNT


def test_it_can_be_begun_again(
    store: IdentityStore, crops: CropFolder, model: ModelFingerprint, batch: pa.RecordBatch
) -> None:
    list(import_faces(store, crops, "ours", model, [batch.slice(0, 9)], who="me"))
    (told,) = import_faces(store, crops, "ours", model, [batch], who="me")
    outcomes = [face.outcome for face in told.part.faces]
    assert outcomes == ["known"] * 9 + ["enrolled"] * 16
    assert len(crops.keys()) == COUNT


@pytest.mark.parametrize("name", ["photo_id", "descriptor", "code"])
@pytest.mark.parametrize("how", ["missing", "null", "type"])
def test_a_wrong_column_is_named(
    store: IdentityStore, model: ModelFingerprint, batch: pa.RecordBatch, name: str, how: str
) -> None:
    columns = {field.name: batch.column(field.name) for field in batch.schema}
    if how == "missing":
        del columns[name]
    elif how == "null":
        columns[name] = pa.nulls(COUNT, columns[name].type)
    else:
        columns[name] = pa.array(range(COUNT))
    wrong = pa.RecordBatch.from_pydict(columns)
    with pytest.raises(RequestError, match=f"The column {name} of an import"):
        list(import_faces(store, None, "ours", model, [wrong], who="me"))


def test_the_schema_says_what_an_import_reads(model: ModelFingerprint) -> None:
    names = {field.name for field in import_schema(model.dimension) if not field.nullable}
    assert names == {"photo_id", "descriptor", "code"}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("size_px", float("nan"), "not finite"),
        ("descriptor", [float("nan")] + [0.0] * 7, "descriptor holds a number that is not finite"),
        ("descriptor", [0.0] * 7 + [float("-inf")], "descriptor holds a number that is not finite"),
        ("descriptor", [0.0] * 7 + [None], "descriptor holds a number that is not finite"),
        ("left", float("inf"), "not finite"),
        ("photo_id", "a\0b", "photo's id is none"),
        ("photo_id", "", "names no photo"),
        ("person", "a\nb", "cannot be the name of a person"),
        ("crop", b"no picture", "no picture at all"),
    ],
)
def test_a_row_that_cannot_be_kept_is_refused_alone(
    store: IdentityStore, crops: CropFolder, model: ModelFingerprint, batch: pa.RecordBatch,
    name: str, value: Any, said: str,
) -> None:  # fmt: skip
    def check_crop(crop: bytes) -> None:
        if crop == b"no picture":
            raise RequestError("It is no picture at all.")

    columns = {field.name: batch.column(field.name) for field in batch.schema}
    values = columns[name].to_pylist() if name in columns else [None] * COUNT
    kind = import_schema(model.dimension).field(name).type
    columns[name] = pa.array([*values[:3], value, *values[4:]], kind)
    wrong = pa.RecordBatch.from_pydict(columns)
    (told,) = import_faces(store, crops, "ours", model, [wrong], who="me", check_crop=check_crop)
    outcomes = [face.outcome for face in told.part.faces]
    assert outcomes == ["enrolled"] * 3 + ["refused"] + ["enrolled"] * (COUNT - 4)
    assert said in str(told.part.faces[3].error)
    assert (told.rows, len(crops.keys())) == (COUNT, COUNT - 1)


def test_crops_are_not_looked_at_where_none_are_kept(
    store: IdentityStore, model: ModelFingerprint, batch: pa.RecordBatch
) -> None:
    def never(crop: bytes) -> None:
        raise AssertionError("a crop was looked at")

    (told,) = import_faces(store, None, "ours", model, [batch], who="me", check_crop=never)
    assert {face.outcome for face in told.part.faces} == {"enrolled"}
