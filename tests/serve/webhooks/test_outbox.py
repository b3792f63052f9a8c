"""Events in the store: kept, leased, noted, bounded, and gone with whom they are of."""

from collections.abc import Callable
from typing import Any

import pytest

from striate.serve.identities.store import IdentityStore, make_person, make_tenant
from striate.serve.webhooks.config import Webhook
from striate.serve.webhooks.outbox import (
    Attempted,
    EventOutbox,
    Letter,
    list_letters,
    retry_letters,
)
from striate.serve.webhooks.sightings import Sighting

pytestmark = pytest.mark.unit

DOOR = Webhook(name="door", url="https://door.example/", secret="env:S")
SHOP = Webhook(name="shop", url="https://shop.example/", secret="env:S", events=("known",))


@pytest.fixture
def outbox(store: IdentityStore) -> EventOutbox:
    """An outbox for five events a hook."""
    return EventOutbox(store, "faces", most=5)


def _seen(number: int, **fields: Any) -> Sighting:
    given = {"tenant": "ours", "kind": "unknown", "photo_id": f"photo {number}", **fields}
    return Sighting(event=f"evt_{number}", at_unix_s=float(number), **given)


def _take(
    outbox: EventOutbox, now: float, *done: Attempted, hook: str = "door", n: int = 9
) -> list[str]:
    return [letter.event for letter in outbox.exchange(hook, done, now, n, lease_s=100.0)]


def test_each_hook_is_told_of_what_it_wants(outbox: EventOutbox, store: IdentityStore) -> None:
    seen = [_seen(1), _seen(2, kind="known"), _seen(3, kind="no_face")]
    assert outbox.add(seen, (DOOR, SHOP)) == 0
    assert _take(outbox, 10) == ["evt_1", "evt_2", "evt_3"]
    assert _take(outbox, 10, hook="shop") == ["evt_2"]
    assert _take(EventOutbox(store, "other", 5), 10) == []


def test_a_letter_is_taken_once_until_its_lease_ends(outbox: EventOutbox) -> None:
    outbox.add([_seen(1), _seen(2)], [DOOR])
    assert _take(outbox, 10, n=1) == ["evt_1"]
    assert outbox.next_due("door") == 2
    assert _take(outbox, 10) == ["evt_2"]
    assert _take(outbox, 109) == []
    assert outbox.next_due("door") == 110
    assert _take(outbox, 110) == ["evt_1", "evt_2"]


def test_what_became_of_attempts_is_noted(outbox: EventOutbox, store: IdentityStore) -> None:
    outbox.add([_seen(1), _seen(2), _seen(3)], [DOOR])
    one, two, three = outbox.exchange("door", [], 10, 9, 100)
    done = [Attempted(one.id), Attempted(two.id, "500", 50), Attempted(three.id, "410")]
    assert _take(outbox, 49, *done) == []
    left = [(x.event, x.attempts, x.due_unix_s, x.dead, x.error) for x in list_letters(store)]
    assert left == [("evt_2", 1, 50, False, "500"), ("evt_3", 1, 110, True, "410")]
    assert outbox.next_due("door") == 50
    assert [x.event for x in list_letters(store, dead=True)] == ["evt_3"]
    assert [x.event for x in list_letters(store, dead=False, limit=5)] == ["evt_2"]
    assert [x.event for x in list_letters(store, after=two.id)] == ["evt_3"]
    assert _take(outbox, 200, *done[1:2]) == ["evt_2"]
    assert list_letters(store)[0].attempts == 2


def test_dead_letters_are_tried_again_when_asked_for(
    outbox: EventOutbox, store: IdentityStore
) -> None:
    outbox.add([_seen(number) for number in range(3)], [DOOR])
    letters = outbox.exchange("door", [], 10, 9, 100)
    _take(outbox, 10, *(Attempted(letter.id, "500") for letter in letters))
    assert retry_letters(store, 20, [letters[1].id, 999]) == 1
    assert _take(outbox, 20) == ["evt_1"]
    assert retry_letters(store, 20) == 2
    again = outbox.exchange("door", [], 20, 9, 100)
    assert [(x.event, x.attempts) for x in again] == [("evt_0", 0), ("evt_2", 0)]
    assert retry_letters(store, 20) == 0


def test_there_is_room_for_so_many(outbox: EventOutbox, store: IdentityStore) -> None:
    assert outbox.add([_seen(number) for number in range(4)], [DOOR]) == 0
    assert outbox.add([_seen(4), _seen(5)], [DOOR]) == 1
    letters = list_letters(store)
    assert [letter.event for letter in letters] == [f"evt_{n}" for n in range(5)]
    _take(outbox, 10, *(Attempted(letter.id, "500") for letter in letters[:3]))
    assert outbox.add([_seen(6), _seen(7)], [DOOR]) == 0  # the two oldest dead letters make room
    assert [letter.event for letter in list_letters(store)] == [
        "evt_2", "evt_3", "evt_4", "evt_6", "evt_7",
    ]  # fmt: skip


def test_what_is_too_old_goes(outbox: EventOutbox, store: IdentityStore) -> None:
    outbox.add([_seen(1), _seen(2), _seen(3)], [DOOR])
    EventOutbox(store, "other", 5).add([_seen(0)], [DOOR])
    assert outbox.expire(3) == 2
    assert outbox.expire(3) == 0
    assert [letter.event for letter in list_letters(store)] == ["evt_3", "evt_0"]


def test_whoever_is_forgotten_meanwhile_is_told_of_to_nobody(
    outbox: EventOutbox, store: IdentityStore
) -> None:
    with store.write() as connection:
        ada = make_person(connection, make_tenant(connection, "ours"), "Ada")
    seen = [_seen(1, kind="known", person_id=ada), _seen(2, kind="known", person_id=ada + 1)]
    outbox.add([*seen, _seen(3, kind="known")], [DOOR])
    assert _take(outbox, 10) == ["evt_1", "evt_3"]


def test_looking_for_letters_locks_nothing(
    outbox: EventOutbox, store: IdentityStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replicas look every few seconds; who enrols must not wait for that."""
    writes: list[int] = []
    write: Callable[[], Any] = store.write

    def counted() -> Any:
        writes.append(1)
        return write()

    monkeypatch.setattr(store, "write", counted)
    assert _take(outbox, 10) == [] and outbox.expire(5) == 0 and outbox.next_due("door") is None
    assert not writes
    outbox.add([_seen(1)], [DOOR])
    assert isinstance(outbox.exchange("door", [], 10, 1, 1)[0], Letter)
    assert len(writes) == 2
