"""Events of webhooks belong to whom they tell of: forgotten, merged and exported with them."""

import json
from typing import Any

import pytest

from striate.core.errors import UnknownName
from striate.serve.identities import schema
from striate.serve.identities.enroll import enroll
from striate.serve.identities.export import export_person
from striate.serve.identities.fingerprint import ModelFingerprint
from striate.serve.identities.forget import forget_person, forget_photo, forget_tenant
from striate.serve.identities.people import merge
from striate.serve.identities.store import IdentityStore, count_rows
from striate.serve.webhooks.config import Webhook
from striate.serve.webhooks.outbox import Attempted, EventOutbox, list_letters, retry_letters
from striate.serve.webhooks.sightings import Sighting

HOOK = Webhook(name="door", url="https://door.example/", secret="env:S")


@pytest.fixture
def people(store: IdentityStore, model: ModelFingerprint, new_face: Any) -> list[int]:
    """Ada and Bob, and events of both, of a stranger, and of another tenant's stranger."""
    faces = [new_face(1, person="Ada"), new_face(2, person="Bob")]
    done = enroll(store, None, "ours", model, faces, who="me").faces
    ids = [int(face.person_id or 0) for face in done]
    _add(store, ids)
    return ids


def _add(store: IdentityStore, ids: list[int]) -> None:
    seen = [Sighting("ours", "known", f"photo of {number}", number, "A name") for number in ids]
    seen += [Sighting("ours", "unknown", "street"), Sighting("theirs", "no_face", "street")]
    assert EventOutbox(store, "faces", 100).add(seen, [HOOK]) == 0


def _left(store: IdentityStore) -> list[tuple[str, Any]]:
    bodies = [json.loads(letter.body)["data"] for letter in list_letters(store)]
    return [(body["tenant"], body["person_id"]) for body in bodies]


@pytest.mark.unit
def test_a_persons_events_are_forgotten_with_them(store: IdentityStore, people: list[int]) -> None:
    ada, bob = people
    gone = forget_person(store, None, [], "ours", ada, who="me")
    assert (gone.events, gone.left["events"]) == (1, 0)
    assert _left(store) == [("ours", bob), ("ours", None), ("theirs", None)]


@pytest.mark.unit
def test_who_was_merged_is_forgotten_with_whom_they_were_merged_into(
    store: IdentityStore, people: list[int]
) -> None:
    ada, bob = people
    merge(store, "ours", bob, ada, who="me")
    assert forget_person(store, None, [], "ours", bob, who="me").events == 2
    assert _left(store) == [("ours", None), ("theirs", None)]


@pytest.mark.unit
def test_a_photos_events_are_forgotten_with_it(store: IdentityStore, people: list[int]) -> None:
    assert forget_photo(store, None, [], "ours", "street", who="me").events == 1
    assert _left(store) == [("ours", people[0]), ("ours", people[1]), ("theirs", None)]


@pytest.mark.unit
def test_a_tenants_events_are_forgotten_with_it(store: IdentityStore, people: list[int]) -> None:
    assert forget_tenant(store, None, [], "ours", who="me").events == 3
    assert _left(store) == [("theirs", None)]
    assert forget_tenant(store, None, [], "theirs", who="me").events == 1  # they enrolled nobody
    with store.read() as connection:
        assert count_rows(connection, schema.tenants) == 0
    with pytest.raises(UnknownName):
        forget_tenant(store, None, [], "theirs", who="me")


@pytest.mark.unit
def test_an_export_holds_a_persons_events(store: IdentityStore, people: list[int]) -> None:
    theirs = Sighting("theirs", "known", "street", people[0], "A name")
    EventOutbox(store, "faces", 100).add([theirs], [HOOK])
    (body,) = export_person(store, None, "ours", people[0], who="me").events
    data = json.loads(body)["data"]
    assert (data["person_id"], data["tenant"]) == (people[0], "ours")


@pytest.mark.e2e
def test_it_is_the_same_in_postgresql(
    postgresql_database: str, model: ModelFingerprint, new_face: Any
) -> None:
    store = IdentityStore.open(postgresql_database)
    done = enroll(store, None, "ours", model, [new_face(1, person="Ada")], who="me").faces
    ada = int(done[0].person_id or 0)
    _add(store, [ada])
    outbox = EventOutbox(store, "faces", 100)
    letters = outbox.exchange("door", [], 1e12, 9, lease_s=100)
    assert [letter.attempts for letter in letters] == [0, 0, 0]
    done_now = [Attempted(letters[1].id), Attempted(letters[2].id, "500")]
    assert outbox.exchange("door", done_now, 1e12, 9, lease_s=100) == []
    assert retry_letters(store, 0) == 1
    assert outbox.next_due("door") == 0
    assert forget_person(store, None, [], "ours", ada, who="me").events == 1
    assert outbox.expire(1e12) == 1
    store.close()
