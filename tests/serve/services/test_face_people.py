"""People over gRPC: listed, named, merged, split, moved, hidden, suggested, exported, forgotten."""

import io
import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb
from striate.serve.services import face_reindexing, face_rights

pytestmark = pytest.mark.unit
FacePhoto = Callable[..., bytes]


@pytest.fixture
def people(faces: Any, face_photo: FacePhoto) -> dict[str, Any]:
    """Ada with two faces, Bob with one, and one face without a name; by name, faces enrolled."""
    named = {"Ada": [1, 2], "Bob": [3], "": [4]}
    return {
        name: [
            faces.call("Enroll", image=face_photo(look), person=name, photo_id=f"p{look}").faces[0]
            for look in looks
        ]
        for name, looks in named.items()
    }


def names(faces: Any, **fields: Any) -> list[tuple[str, int]]:
    return [(one.name, one.faces) for one in faces.call("ListPeople", **fields).people]


def test_people_and_faces_are_listed_in_pages(
    faces: Any, people: dict[str, Any], face_photo: FacePhoto
) -> None:
    first = faces.call("ListPeople", limit=1)
    assert ([one.name for one in first.people], first.more) == (["Ada"], True)
    second = faces.call("ListPeople", limit=1, after=first.people[0].id)
    assert ([one.name for one in second.people], second.more) == (["Bob"], False)
    assert names(faces, name="Bob") == [("Bob", 1)] and names(faces, name="Eve") == []
    ada = people["Ada"][0].person_id
    page = faces.call("ListFaces", person_id=ada, limit=1)
    assert page.more and page.faces[0].photo_id == "p1"
    (rest,) = faces.call("ListFaces", person_id=ada, after=page.faces[0].id).faces
    assert (rest.id, rest.crop) == (people["Ada"][1].face_id, b"")
    assert rest.box.width > 0.5 and rest.quality.size_px > 40 and rest.enrolled_unix_s > 1.7e9
    (of_photo,) = faces.call("ListFaces", photo_id="p3", with_crops=True).faces
    assert of_photo.person_id == people["Bob"][0].person_id
    assert Image.open(io.BytesIO(of_photo.crop)).size == (240, 240)
    (unnamed,) = faces.call("ListFaces", unnamed=True).faces
    assert unnamed.person_id == 0


def test_what_cannot_be_listed_is_refused(faces: Any, people: dict[str, Any]) -> None:
    for fields in ({}, {"unnamed": False}, {"photo_id": ""}, {"unnamed": True, "limit": 1001}):
        assert faces.refused("ListFaces", **fields).status == "INVALID_ARGUMENT"
    assert faces.refused("ListFaces", person_id=999).status == "NOT_FOUND"
    assert faces.refused("ListPeople", limit=1001).status == "INVALID_ARGUMENT"
    assert faces.refused("ListPeople", name="a\0b").status == "INVALID_ARGUMENT"
    assert faces.refused("GetPerson", person_id=999).status == "NOT_FOUND"


def test_renaming_merges_only_when_asked(faces: Any, people: dict[str, Any]) -> None:
    ada, bob = people["Ada"][0].person_id, people["Bob"][0].person_id
    assert faces.call("RenamePerson", person_id=ada, name="Ada L.").name == "Ada L."
    refusal = faces.refused("RenamePerson", person_id=bob, name="Ada L.")
    assert (refusal.status, refusal.code) == ("ALREADY_EXISTS", "NAME_TAKEN")
    assert "merge" in refusal.sentence
    both = faces.call("RenamePerson", person_id=bob, name="Ada L.", merge=True)
    assert (both.id, both.faces) == (ada, 3)
    assert faces.refused("RenamePerson", person_id=bob, name="Bob").status == "NOT_FOUND"
    assert faces.refused("RenamePerson", person_id=ada, name="").status == "INVALID_ARGUMENT"


def test_people_are_merged_and_split(faces: Any, people: dict[str, Any]) -> None:
    ada, bob = people["Ada"][0].person_id, people["Bob"][0].person_id
    assert faces.call("MergePeople", into=ada, other=bob).faces == 3
    theirs = [people["Bob"][0].face_id]
    new = faces.call("SplitPerson", person_id=ada, face_ids=theirs, name="Bob again")
    assert (new.name, new.faces) == ("Bob again", 1) and new.id not in (ada, bob)
    assert names(faces) == [("Ada", 2), ("Bob again", 1)]
    taken = faces.refused("SplitPerson", person_id=new.id, face_ids=theirs, name="Ada")
    assert taken.code == "NAME_TAKEN"
    assert faces.refused("SplitPerson", person_id=ada, face_ids=theirs, name="x").status == (
        "NOT_FOUND"
    )
    assert faces.refused("MergePeople", into=ada, other=ada).status == "INVALID_ARGUMENT"
    assert faces.refused("MergePeople", into=ada, other=bob).status == "NOT_FOUND"


def test_faces_move_to_people_old_and_new_and_nobody(
    faces: Any, people: dict[str, Any], face_photo: FacePhoto
) -> None:
    bob, face = people["Bob"][0].person_id, people[""][0].face_id
    moved = faces.call("MoveFaces", face_ids=[face], person_id=bob)
    assert (moved.faces, moved.person_id) == (1, bob)
    eve = faces.call("MoveFaces", face_ids=[face], new_person="Eve").person_id
    assert faces.call("Search", image=face_photo(4)).faces[0].who == "Eve"
    assert faces.refused("MoveFaces", face_ids=[face], new_person="Bob").code == "NAME_TAKEN"
    assert faces.call("MoveFaces", face_ids=[face], nobody=True).person_id == 0
    (found,) = faces.call("Search", image=face_photo(4)).faces
    assert (found.known, found.who) == (True, "")
    assert names(faces, name="Eve") == [("Eve", 0)] and eve
    by_hand = faces.call("ListFaces", photo_id="p4").faces[0].by_hand
    assert by_hand and not faces.call("ListFaces", photo_id="p3").faces[0].by_hand
    for fields in (
        {"face_ids": [face]},
        {"nobody": True},
        {"face_ids": [face], "nobody": False},
        {"face_ids": [1] * 10_001, "nobody": True},
    ):
        assert faces.refused("MoveFaces", **fields).status == "INVALID_ARGUMENT"
    assert faces.refused("MoveFaces", face_ids=[999], nobody=True).status == "NOT_FOUND"


def test_what_people_corrected_stays_when_a_photo_is_sent_again(
    faces: Any, people: dict[str, Any], face_photo: FacePhoto
) -> None:
    face, bob = people["Ada"][0].face_id, people["Bob"][0].person_id
    faces.call("MoveFaces", face_ids=[face], person_id=bob)
    (again,) = faces.call(
        "Enroll", image=face_photo(1), person="Ada", photo_id="p1", again=True
    ).faces
    assert (again.face_id, again.person_id) == (face, bob)


def test_hidden_people_are_not_found(
    faces: Any, people: dict[str, Any], face_photo: FacePhoto
) -> None:
    ada = people["Ada"][0].person_id
    assert faces.call("HidePerson", person_id=ada, hidden=True).hidden
    assert faces.call("Search", image=face_photo(1)).faces[0].who == "unknown"
    assert names(faces) == [("Bob", 1)]
    assert names(faces, with_hidden=True)[0] == ("Ada", 2)
    assert not faces.call("HidePerson", person_id=ada, hidden=False).hidden
    assert faces.call("Search", image=face_photo(1)).faces[0].who == "Ada"


def test_a_person_has_a_cover(faces: Any, people: dict[str, Any]) -> None:
    ada = people["Ada"][0].person_id
    first, second = (one.face_id for one in people["Ada"])
    plain = faces.call("GetPerson", person_id=ada)
    assert (plain.cover_face_id, plain.cover) == (first, b"")
    assert faces.call("ChooseCover", person_id=ada, face_id=second).cover_face_id == second
    chosen = faces.call("GetPerson", person_id=ada, with_cover=True)
    kept = faces.call("ListFaces", photo_id="p2", with_crops=True).faces[0]
    assert chosen.cover == kept.crop
    other = people["Bob"][0].face_id
    assert faces.refused("ChooseCover", person_id=ada, face_id=other).status == "NOT_FOUND"


def test_unnamed_faces_are_grouped_and_a_group_is_accepted(
    faces: Any, face_photo: FacePhoto
) -> None:
    def brighter(amount: int) -> Any:
        return lambda photo: photo.point(lambda value: min(255, value + amount if value else 0))

    ids = [
        faces.call("Enroll", image=face_photo(1, change=brighter(step)), photo_id=f"a{step}")
        .faces[0]
        .face_id
        for step in (0, 2, 4)
    ]
    faces.call("Enroll", image=face_photo(9), person="Bob")
    found = faces.call("Cluster", threshold=0.8)
    (group,) = found.groups
    assert (list(group.face_ids), group.nearest_person_id) == (ids, 0)
    assert group.cover_face_id in ids
    faces.call("MoveFaces", face_ids=ids[:2], new_person="Ada")
    faces.call("MoveFaces", face_ids=ids[2:], new_person="Ada too")
    (pair,) = faces.call("Cluster", threshold=0.8).same_people
    assert pair.score > 0.8 and pair.pairs == 2
    assert faces.refused("Cluster", least_faces=2**31).status == "INVALID_ARGUMENT"


@pytest.mark.parametrize("method", ["Cluster", "Reindex"])
def test_long_work_is_done_one_at_a_time_beside_all_else(
    serve_faces: Any, face_photo: FacePhoto, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    faces = serve_faces("network", following="other")
    faces.call("Enroll", image=face_photo(1), person="Ada")
    begun, go_on = threading.Event(), threading.Event()
    where: list[str] = []
    module, name = {
        "Cluster": (face_rights, "suggest"), "Reindex": (face_reindexing, "reindex"),
    }[method]  # fmt: skip
    work = getattr(module, name)

    def slow(*arguments: Any, **options: Any) -> Any:
        where.append(threading.current_thread().name)
        begun.set()
        assert go_on.wait(60)
        return work(*arguments, **options)

    monkeypatch.setattr(module, name, slow)
    with ThreadPoolExecutor(1) as caller:
        first = caller.submit(faces.call, method)
        try:
            assert begun.wait(60)
            refusal = faces.refused(method, "other")
            assert (refusal.status, refusal.code) == ("RESOURCE_EXHAUSTED", "QUEUE_FULL")
            assert f"Another {method} is under way" in refusal.sentence
            assert faces.call("Search", image=face_photo(1)).faces[0].who == "Ada"
        finally:
            go_on.set()
        first.result()
    faces.call(method)
    assert [one.split("_")[0] for one in where] == [method] * 2


@pytest.mark.parametrize("what", ["person", "photo", "everything"])
def test_who_is_forgotten_is_gone_and_the_counts_prove_it(
    faces: Any, people: dict[str, Any], face_photo: FacePhoto, what: str
) -> None:
    ada = people["Ada"][0].person_id
    faces.call("Enroll", "other", image=face_photo(1), person="Ada")
    asked: dict[str, Any] = {
        "person": {"person_id": ada},
        "photo": {"photo_id": "p1"},
        "everything": {"everything": True},
    }[what]
    before = len(faces.kept.crops.keys())
    gone = faces.call("Forget", region="DE", **asked)
    rows, people_gone = {"person": (2, 1), "photo": (1, 0), "everything": (4, 2)}[what]
    assert (gone.faces, gone.descriptors, gone.codes) == (rows, rows, rows)
    assert (gone.people, gone.crops) == (people_gone, rows)
    assert gone.gone and not any(gone.left.values())
    assert {"faces", "descriptors", "codes", "crops", "index rows"} <= set(gone.left)
    assert not faces.call("Search", image=face_photo(1)).faces[0].known
    assert len(faces.kept.crops.keys()) == before - rows
    assert faces.call("Search", "other", image=face_photo(1)).faces[0].who == "Ada"


def test_whom_to_forget_must_be_said(faces: Any, people: dict[str, Any]) -> None:
    for fields in ({}, {"everything": False}, {"photo_id": ""}):
        assert faces.refused("Forget", **fields).status == "INVALID_ARGUMENT"
    assert faces.refused("Forget", person_id=999).status == "NOT_FOUND"
    assert faces.refused("Forget", "who never was", everything=True).status == "NOT_FOUND"


def test_all_that_is_held_of_a_person_is_exported(faces: Any, people: dict[str, Any]) -> None:
    ada = people["Ada"][0].person_id
    first, *rest = faces.call("Export", "", person_id=ada, region="DE")
    assert (first.person.person.name, first.person.person.faces) == ("Ada", 2)
    assert [line.verb for line in first.person.audit] == ["export"]
    assert json.loads(first.person.audit[0].details) == {"faces": 2}
    assert [one.face.face.photo_id for one in rest] == ["p1", "p2"]
    (held,) = rest[0].face.descriptors
    assert len(held.code) == 32 and len(held.vector) == held.model.dimension
    assert Image.open(io.BytesIO(rest[0].face.face.crop)).size == (240, 240)
    assert faces.refused("Export", person_id=999).status == "NOT_FOUND"
    assert faces.refused("Export", "other", person_id=ada).status == "NOT_FOUND"


def test_an_export_of_many_lines_comes_in_portions(
    faces: Any, people: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_rights, "MOST_LINES", 2)
    ada = people["Ada"][0].person_id
    for _ in range(4):
        faces.call("GetPerson", person_id=ada)
    parts = [one.person for one in faces.call("Export", person_id=ada) if one.HasField("person")]
    assert [len(one.audit) for one in parts] == [2, 2, 1]
    assert [one.person.name for one in parts] == ["Ada", "", ""]
    verbs = [line.verb for one in parts for line in one.audit]
    assert verbs == ["show person"] * 4 + ["export"]


def test_who_asks_for_anothers_person_is_not_noted_with_them(
    faces: Any, people: dict[str, Any]
) -> None:
    ada = people["Ada"][0].person_id
    assert faces.refused("GetPerson", "other", person_id=ada).status == "NOT_FOUND"
    assert (faces.audit()[-1].who, faces.audit()[-1].person_id) == ("other", None)
    faces.call("GetPerson", person_id=ada)
    assert faces.audit()[-1].person_id == ada


def test_a_change_is_noted_once(faces: Any, people: dict[str, Any]) -> None:
    ada, bob = people["Ada"][0].person_id, people["Bob"][0].person_id
    face = people["Bob"][0].face_id
    begun = len(faces.audit())
    faces.call("RenamePerson", "", person_id=ada, name="A")
    faces.call("HidePerson", "", person_id=ada, hidden=True)
    faces.call("ChooseCover", "", person_id=bob, face_id=face)
    faces.call("MoveFaces", "", face_ids=[face], new_person="C")
    faces.call("MergePeople", "", into=ada, other=bob)
    faces.call("Export", "", person_id=ada)
    faces.call("Forget", "", person_id=ada)
    faces.refused("Forget", "", person_id=ada)
    verbs = [line.verb for line in faces.audit()[begun:]]
    assert verbs == [
        "rename", "hide", "cover", "name", "merge", "export", "forget person", "forget",
    ]  # fmt: skip
    assert json.loads(faces.audit()[-1].details) == {"status": 5}


def test_without_kept_crops_nothing_is_shown(serve_faces: Any, face_photo: FacePhoto) -> None:
    faces = serve_faces(keep_crops=False)
    person = faces.call("Enroll", image=face_photo(1), person="Ada").faces[0].person_id
    assert faces.call("GetPerson", person_id=person, with_cover=True).cover == b""
    assert faces.call("ListFaces", person_id=person, with_crops=True).faces[0].crop == b""
    assert faces.call("Forget", person_id=person).crops == 0
    assert isinstance(faces.call("ListPeople"), pb.ListPeopleResponse)


def test_crops_that_were_kept_before_are_shown_and_forgotten_all_the_same(
    serve_faces: Any, face_photo: FacePhoto
) -> None:
    kept = serve_faces()
    person = kept.call("Enroll", image=face_photo(1), person="Ada").faces[0].person_id
    faces = serve_faces(keep_crops=False)
    assert faces.call("GetPerson", person_id=person, with_cover=True).cover
    gone = faces.call("Forget", person_id=person)
    assert (gone.crops, gone.left["crops"], gone.gone) == (1, 0, True)
    assert not list(kept.kept.crops.keys())


def test_a_store_leaves_the_crops_of_another_alone(
    serve_faces: Any, face_photo: FacePhoto, tmp_path: Path
) -> None:
    first = serve_faces()
    first.call("Enroll", image=face_photo(1), person="Ada")
    for file in (tmp_path / "crops").rglob("*"):
        os.utime(file, (0, 0))  # old enough to be a stray, if nobody named it
    serve_faces(url=str(tmp_path / "other.db"))
    assert len(first.kept.crops.keys()) == 1
