"""Forgetting: everywhere, counted, and finished by the next process where one was killed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from striate.core.errors import UnknownName
from striate.serve.common.face_types import FaceBox
from striate.serve.identities import forget, schema
from striate.serve.identities.crops import CropFolder
from striate.serve.identities.enroll import enroll
from striate.serve.identities.face_batch import Enrolled
from striate.serve.identities.face_index import FaceIndex
from striate.serve.identities.fingerprint import ModelFingerprint
from striate.serve.identities.forget import (
    finish_forgetting,
    forget_person,
    forget_photo,
    forget_tenant,
)
from striate.serve.identities.listing import list_people
from striate.serve.identities.people import choose_cover
from striate.serve.identities.query import Query
from striate.serve.identities.store import IdentityStore, count_rows

pytestmark = pytest.mark.unit


@pytest.fixture
def done(
    store: IdentityStore, crops: CropFolder, model: ModelFingerprint, new_face: Any
) -> tuple[Enrolled, ...]:
    """Three faces each of three people; two share a photo."""
    faces = [new_face(n, person=f"person {n % 3}", crop=b"crop %d" % n) for n in range(8)]
    faces.append(new_face(8, person="person 2", crop=b"crop 8", photo_id=faces[0].photo_id))
    faces[-1] = replace(faces[-1], box=FaceBox(0, 0, 0.1, 0.1))
    enroll(store, crops, "theirs", model, [new_face(0, person="person 0", crop=b"x")], who="me")
    return enroll(store, crops, "ours", model, faces, who="me").faces


@pytest.fixture
def index(store: IdentityStore, tmp_path: Path, done: tuple[Enrolled, ...]) -> FaceIndex:
    found = FaceIndex(store, tmp_path / "index", threads=1)
    found.save()
    return found


def _rows(store: IdentityStore) -> dict[str, int]:
    tables = (schema.faces, schema.descriptors, schema.codes, schema.people)
    with store.read() as connection:
        return {table.name: count_rows(connection, table) for table in tables}


def test_a_person_is_gone_everywhere(
    store: IdentityStore, crops: CropFolder, index: FaceIndex, done: tuple[Enrolled, ...],
    tmp_path: Path, new_face: Any,
) -> None:  # fmt: skip
    person = done[1].person_id
    assert person is not None
    gone = forget_person(store, crops, [index], "ours", person, who="me")
    assert (gone.faces, gone.descriptors, gone.codes, gone.people, gone.crops) == (3, 3, 3, 1, 3)
    assert not any(gone.left.values())
    assert set(gone.left) == {"faces", "descriptors", "codes", "events", "crops", "index rows"}
    assert _rows(store) == {"faces": 7, "descriptors": 7, "codes": 7, "people": 3}
    code = new_face(1).code
    assert done[1].face_id not in index.search(Query(2, code[None], 20)).face_ids
    with pytest.raises(UnknownName):
        forget_person(store, crops, [index], "ours", person, who="me")


def test_no_byte_of_a_forgotten_face_stays_on_the_disk(
    store: IdentityStore, crops: CropFolder, index: FaceIndex, done: tuple[Enrolled, ...],
    tmp_path: Path, new_face: Any,
) -> None:  # fmt: skip
    secrets = [new_face(4).descriptor.tobytes(), new_face(4).code.tobytes(), b"crop 4"]

    def where(secret: bytes) -> list[str]:
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        return [path.name for path in files if secret in path.read_bytes()]

    assert all(where(secret) for secret in secrets)
    person = done[4].person_id
    assert person is not None
    forget_person(store, crops, [index], "ours", person, who="me")
    assert [where(secret) for secret in secrets] == [[], [], []]
    assert all(where(secret) for secret in (new_face(5).code.tobytes(), b"crop 5"))


def test_a_photo_takes_its_faces_along_and_leaves_the_people(
    store: IdentityStore, crops: CropFolder, index: FaceIndex, done: tuple[Enrolled, ...]
) -> None:
    first = done[0].person_id
    assert first is not None
    choose_cover(store, "ours", first, done[0].face_id, who="me")
    gone = forget_photo(store, crops, [index], "ours", "photo-0-0", who="me")
    assert (gone.faces, gone.people, gone.crops) == (2, 0, 2)
    assert not any(gone.left.values())
    people = list_people(store, "ours")
    assert [(p.name, p.faces) for p in people] == [
        ("person 0", 2), ("person 1", 3), ("person 2", 2),
    ]  # fmt: skip
    assert people[0].cover_face_id is None
    assert len(list_people(store, "theirs")) == 1
    again = forget_photo(store, crops, [index], "ours", "photo-0-0", who="me")
    assert again.faces == 0


def test_a_tenant_takes_everybody_along_but_the_others(
    store: IdentityStore, crops: CropFolder, index: FaceIndex
) -> None:
    gone = forget_tenant(store, crops, [index], "ours", who="me")
    assert (gone.faces, gone.codes, gone.people, gone.crops) == (9, 9, 3, 9)
    assert not any(gone.left.values())
    assert _rows(store) == {"faces": 1, "descriptors": 1, "codes": 1, "people": 1}
    assert (len(index), len(crops.keys())) == (1, 1)
    with store.read() as connection:
        assert set(connection.execute(select(schema.tenants.c.name)).scalars()) == {"theirs"}


def test_a_killed_process_leaves_nothing_behind_for_good(
    store: IdentityStore, crops: CropFolder, index: FaceIndex, done: tuple[Enrolled, ...],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """It ended after its commit and before the first file: the next start removes them."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    person = done[0].person_id
    assert person is not None
    with monkeypatch.context() as patch:
        patch.setattr(forget, "_finish", die)
        with pytest.raises(KeyboardInterrupt):
            forget_person(store, crops, [index], "ours", person, who="me")
    assert len(crops.keys()) == 10
    assert finish_forgetting(store, crops) == 3
    assert len(crops.keys()) == 7
    assert finish_forgetting(store, crops) == 0
    again = FaceIndex(store, tmp_path / "index", threads=1)
    assert again.count_faces([done[0].face_id, done[3].face_id, done[6].face_id]) == 0
    with store.read() as connection:
        assert count_rows(connection, schema.erasures) == 0


def test_a_part_of_the_index_that_does_not_answer_is_counted(
    store: IdentityStore, crops: CropFolder, index: FaceIndex, done: tuple[Enrolled, ...]
) -> None:
    class Deaf:
        def search(self, query: Query) -> Any:
            raise AssertionError

        def follow(self, at_least: int = 0) -> int:
            return 1

        def prepare(self) -> int:
            return 1

        def count_faces(self, face_ids: Any) -> int:
            return 0

    gone = forget_photo(store, crops, [index, Deaf()], "ours", "photo-0-0", who="me")
    assert gone.left["index parts that did not answer"] == 1


def test_a_reader_who_keeps_the_log_from_being_emptied_is_told_of(
    store: IdentityStore, crops: CropFolder, index: FaceIndex, tmp_path: Path
) -> None:
    impatient = IdentityStore.open(str(tmp_path / "faces.db"), busy_timeout_s=0.05)
    with store.read() as connection:
        count_rows(connection, schema.faces)  # a reader's moment begins with its first look
        gone = forget_photo(impatient, crops, [index], "ours", "photo-0-0", who="me")
    assert gone.left["database logs"] == 1
    again = forget_photo(impatient, crops, [index], "ours", "photo-0-0", who="me")
    assert not any(again.left.values())


def test_a_forgotten_number_is_never_given_again(
    store: IdentityStore, model: ModelFingerprint, done: tuple[Enrolled, ...], new_face: Any
) -> None:
    newest = max(one.face_id for one in done)
    forget_tenant(store, None, [], "ours", who="me")
    (later,) = enroll(store, None, "ours", model, [new_face(1)], who="me").faces
    assert later.face_id > newest
    assert np.int64(later.face_id) < 1 << 53
