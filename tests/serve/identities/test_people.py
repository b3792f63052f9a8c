"""What people do to people: names, merges, splits, moves, hiding, covers, suggestions, export."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from striate.core.errors import PayloadTooLarge, StriateError, UnknownName, UsageError
from striate.serve.identities import clusters, schema
from striate.serve.identities import people as verbs
from striate.serve.identities.audit import AuditLine, write_lines
from striate.serve.identities.clusters import binary_kmeans, join, suggest
from striate.serve.identities.crops import CropFolder
from striate.serve.identities.enroll import enroll
from striate.serve.identities.errors import NameTaken
from striate.serve.identities.export import export_person
from striate.serve.identities.fingerprint import ModelFingerprint
from striate.serve.identities.listing import Person, list_people
from striate.serve.identities.store import IdentityStore

pytestmark = pytest.mark.unit


@pytest.fixture
def faces(
    store: IdentityStore, crops: CropFolder, model: ModelFingerprint, new_face: Any
) -> list[int]:
    """Six faces: Ada's, Ada's, Bob's, Bob's, and two unnamed; the tenant `theirs` has one."""
    names = ["Ada", "Ada", "Bob", "Bob", None, None]
    new = [new_face(n, person=name, crop=b"%d" % n) for n, name in enumerate(names)]
    done = enroll(store, crops, "ours", model, new, who="me").faces
    enroll(store, crops, "theirs", model, [new_face(50, person="Ada")], who="you")
    return [one.face_id for one in done]


def _known(store: IdentityStore, **options: Any) -> dict[str, int]:
    return {person.name: person.faces for person in list_people(store, "ours", **options)}


def _person(store: IdentityStore, name: str) -> Person:
    found = list_people(store, "ours", with_hidden=True)
    return next(person for person in found if person.name == name)


def test_people_are_listed_a_page_at_a_time(store: IdentityStore, faces: list[int]) -> None:
    assert _known(store) == {"Ada": 2, "Bob": 2}
    (first,) = list_people(store, "ours", limit=1)
    (second,) = list_people(store, "ours", limit=1, after=first.id)
    assert (first.name, second.name) == ("Ada", "Bob")
    assert list_people(store, "nobody") == []


def test_renaming_merges_only_when_asked(store: IdentityStore, faces: list[int]) -> None:
    ada, bob = _person(store, "Ada").id, _person(store, "Bob").id
    assert verbs.rename(store, "ours", ada, "Ada Lovelace", who="me") == ada
    with pytest.raises(NameTaken, match="Ask for a merge") as caught:
        verbs.rename(store, "ours", bob, "Ada Lovelace", who="me")
    assert caught.value.grpc_status == "ALREADY_EXISTS"
    assert _known(store) == {"Ada Lovelace": 2, "Bob": 2}
    assert verbs.rename(store, "ours", bob, "Ada Lovelace", who="me", merge=True) == ada
    assert _known(store) == {"Ada Lovelace": 4}
    assert verbs.rename(store, "ours", ada, "Ada Lovelace", who="me") == ada  # her own name


def test_merging_keeps_name_and_cover_of_the_first(store: IdentityStore, faces: list[int]) -> None:
    ada, bob = _person(store, "Ada").id, _person(store, "Bob").id
    verbs.choose_cover(store, "ours", ada, faces[1], who="me")
    verbs.choose_cover(store, "ours", bob, faces[2], who="me")
    assert verbs.merge(store, "ours", ada, bob, who="me") == 2
    assert list_people(store, "ours") == [Person(ada, "Ada", 4, False, faces[1], faces[0])]
    with pytest.raises(UsageError):
        verbs.merge(store, "ours", ada, ada, who="me")


def test_splitting_makes_a_person_of_some_faces(store: IdentityStore, faces: list[int]) -> None:
    ada = _person(store, "Ada").id
    verbs.choose_cover(store, "ours", ada, faces[0], who="me")
    new = verbs.split(store, "ours", ada, [faces[0]], "Grace", who="me")
    assert _known(store) == {"Ada": 1, "Bob": 2, "Grace": 1}
    assert _person(store, "Ada").cover_face_id is None  # the face is not hers any more
    with pytest.raises(UnknownName, match=f"no face {faces[2]}"):
        verbs.split(store, "ours", ada, [faces[2]], "Alan", who="me")
    with pytest.raises(NameTaken):
        verbs.split(store, "ours", new, [faces[0]], "Bob", who="me")
    assert _known(store) == {"Ada": 1, "Bob": 2, "Grace": 1}


def test_moved_faces_are_marked_as_corrected_by_hand(
    store: IdentityStore, faces: list[int]
) -> None:
    bob = _person(store, "Bob").id
    assert verbs.move_faces(store, "ours", [faces[0], faces[4]], bob, who="me") == 2
    assert verbs.move_faces(store, "ours", [faces[1]], None, who="me") == 1
    assert _known(store) == {"Ada": 0, "Bob": 4}
    with store.read() as connection:
        table = schema.faces.c
        by_hand = connection.execute(select(table.id).where(table.by_hand).order_by(table.id))
        assert list(by_hand.scalars()) == [faces[0], faces[1], faces[4]]


def test_hidden_people_are_listed_when_asked_for(store: IdentityStore, faces: list[int]) -> None:
    verbs.hide(store, "ours", _person(store, "Ada").id, who="me")
    assert _known(store) == {"Bob": 2}
    assert _known(store, with_hidden=True) == {"Ada": 2, "Bob": 2}


@pytest.mark.parametrize(
    "call",
    [
        lambda store, face, other: verbs.rename(store, "ours", other, "X", who="me"),
        lambda store, face, other: verbs.merge(store, "ours", 1, other, who="me"),
        lambda store, face, other: verbs.split(store, "ours", other, [face], "X", who="me"),
        lambda store, face, other: verbs.move_faces(store, "ours", [face], other, who="me"),
        lambda store, face, other: verbs.move_faces(store, "ours", [7], 1, who="me"),
        lambda store, face, other: verbs.hide(store, "ours", other, who="me"),
        lambda store, face, other: verbs.choose_cover(store, "ours", 1, 7, who="me"),
        lambda store, face, other: verbs.rename(store, "nobody", 1, "X", who="me"),
        lambda store, face, other: export_person(store, None, "ours", other, who="me"),
    ],
)
def test_nobody_reaches_into_another_tenant(
    store: IdentityStore, faces: list[int], call: Any
) -> None:
    """Person 3 and face 7 are theirs."""
    (their,) = list_people(store, "theirs")
    assert (their.id, faces[-1]) == (3, 6)
    with pytest.raises(StriateError) as caught:
        call(store, faces[0], their.id)
    assert caught.value.grpc_status == "NOT_FOUND"
    assert list_people(store, "theirs") == [their]
    assert _known(store) == {"Ada": 2, "Bob": 2}


def test_everything_that_is_done_is_in_the_audit(store: IdentityStore, faces: list[int]) -> None:
    ada, bob = _person(store, "Ada").id, _person(store, "Bob").id
    verbs.rename(store, "ours", ada, "Secret Name", who="you")
    verbs.hide(store, "ours", bob, who="you")
    verbs.merge(store, "ours", ada, bob, who="they")
    with store.read() as connection:
        lines = connection.execute(select(schema.audit).order_by(schema.audit.c.id)).all()
    assert [(line.who, line.verb, line.person_id) for line in lines[2:]] == [
        ("you", "rename", ada), ("you", "hide", bob), ("they", "merge", ada),
    ]  # fmt: skip
    said = json.dumps([tuple(map(str, line)) for line in lines])
    assert "Secret Name" not in said and "photo-" not in said


def test_an_export_holds_all_that_is_held(
    store: IdentityStore, crops: CropFolder, faces: list[int], new_face: Any
) -> None:
    ada = _person(store, "Ada").id
    write_lines(store, [AuditLine("you", "show person", "theirs", ada)])
    held = export_person(store, crops, "ours", ada, who="me")
    assert held.person.name == "Ada"
    assert [record.verb for record in held.records] == ["export"], "and none of another tenant's"
    found = list(held.faces)
    assert [(face.id, face.photo_id, face.crop) for face in found] == [
        (faces[0], "photo-0-0", b"0"), (faces[1], "photo-1-0", b"1"),
    ]  # fmt: skip
    (described,) = found[1].descriptions
    assert described.descriptor.tolist() == new_face(1).descriptor.tolist()
    assert described.code == new_face(1).code.tobytes()
    assert json.loads(described.fingerprint)["network"] == "n1"


def test_there_is_an_end_to_what_is_grouped(
    store: IdentityStore, faces: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "MOST_FACES", len(faces))
    suggest(store, "ours", most=10)
    monkeypatch.setattr(clusters, "MOST_FACES", len(faces) - 1)
    with pytest.raises(PayloadTooLarge, match="more than 5 faces"):
        suggest(store, "ours", most=10)


def test_unnamed_faces_are_grouped_beside_who_they_may_be(
    store: IdentityStore, model: ModelFingerprint, new_face: Any
) -> None:
    """Three of one stranger, two of somebody like Ada, one of nobody; and Ada twice."""
    new = [
        *(new_face(1, flipped=n) for n in (0, 10, 20)),
        *(new_face(2, flipped=n) for n in (5, 7)),
        new_face(3),
        new_face(2, person="Ada"),
        new_face(2, flipped=12, person="Ada L."),
        new_face(4, person="Bob"),
    ]
    ids = [one.face_id for one in enroll(store, None, "ours", model, new, who="me").faces]
    found = suggest(store, "ours", most=10)
    people = {person.name: person.id for person in list_people(store, "ours")}
    assert [group.face_ids for group in found.groups] == [tuple(ids[:3]), tuple(ids[3:5])]
    assert found.groups[0].cover_face_id == ids[1]
    assert found.groups[0].nearest_person_id is None
    assert (found.groups[1].nearest_person_id, found.groups[1].distance) == (people["Ada"], 5)
    assert found.same_people == ()  # 12 bits apart
    (pair,) = suggest(store, "ours", most=12).same_people
    assert (pair.person_id, pair.other_id, pair.distance, pair.pairs) == (
        people["Ada"], people["Ada L."], 12, 1,
    )  # fmt: skip
    assert suggest(store, "nobody", most=12).groups == ()


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=40))
def test_joining_pairs_gives_their_components(pairs: list[tuple[int, int]]) -> None:
    firsts = np.array([one for one, _ in pairs], np.int64)
    seconds = np.array([other for _, other in pairs], np.int64)
    roots = join(20, firsts, seconds)
    component = {place: {place} for place in range(20)}
    for one, other in pairs:
        both = component[one] | component[other]
        for place in both:
            component[place] = both
    assert roots.tolist() == [min(component[place]) for place in range(20)]


def test_binary_kmeans_finds_well_parted_clusters() -> None:
    rng = np.random.default_rng(0)
    middle = rng.integers(0, 2, (4, 256), dtype=np.uint8)
    noisy = np.repeat(middle, 50, axis=0) ^ (rng.random((200, 256)) < 0.1)
    codes = np.packbits(noisy.astype(np.uint8), axis=1)
    best = min(
        (binary_kmeans(codes, 4, seed=seed) for seed in range(5)),
        key=lambda found: int(np.bitwise_count(codes ^ found[1][found[0]]).sum()),
    )
    of_each, centres = best
    groups = of_each.reshape(4, 50)
    assert all(len(set(group)) == 1 for group in groups.tolist())
    assert (np.unpackbits(centres, axis=1)[groups[:, 0]] == middle).all()
