"""From a search to a receiver that fails, hangs, comes back or never does."""

import asyncio
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from striate.core.errors import SettingsError
from striate.serve.identities.store import IdentityStore
from striate.serve.webhooks import sender as module
from striate.serve.webhooks.config import Webhook, Webhooks
from striate.serve.webhooks.outbox import EventOutbox, list_letters
from striate.serve.webhooks.post import Receiver
from striate.serve.webhooks.sender import HookSender, WebhookSender
from striate.serve.webhooks.sightings import Sighting

pytestmark = pytest.mark.unit

WITHIN_S = 30


def _seen(*numbers: int) -> list[Sighting]:
    return [Sighting("ours", "unknown", f"photo {number}") for number in numbers]


def _photo(body: bytes) -> str:
    return body.decode().split('"photo_id":"')[1].split('"')[0]


@pytest.fixture
def run(store: IdentityStore) -> Any:
    """Starts a sender: ``run(config)``."""
    started: list[WebhookSender] = []

    def start(config: Webhooks, **options: Any) -> WebhookSender:
        started.append(WebhookSender(store, config, "faces", **options))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_an_event_is_tried_until_it_is_taken(
    listen: Any, configure: Any, run: Any, store: IdentityStore
) -> None:
    receiver = listen(500, 404, 503, 204)
    events: Counter[tuple[str, str]] = Counter()
    sender = run(
        configure(receiver),
        told=lambda hook, outcome, count: events.update({(hook, outcome): count}),
    )
    sender.tell(_seen(1)).result(WITHIN_S)
    posted = [receiver.next() for _ in range(4)]
    sender.close()
    assert len({(one.headers["webhook-id"], one.body) for one in posted}) == 1
    assert list_letters(store) == []
    assert sender.counts() == {
        ("hook-0", "failed"): 3, ("hook-0", "delivered"): 1, ("", "dropped"): 0,
    }  # fmt: skip
    assert sender.tell(_seen(2, 3)).done()  # it is closed
    assert events == {("hook-0", "failed"): 3, ("hook-0", "delivered"): 1, ("", "dropped"): 2}


def test_after_the_last_attempt_it_is_a_dead_letter(
    listen: Any, configure: Any, run: Any, store: IdentityStore
) -> None:
    receiver = listen(500, 500, 500, 410)
    sender = run(configure(receiver, attempts=3, at_once=1))
    sender.tell(_seen(1)).result(WITHIN_S)
    for _ in range(3):
        receiver.next()
    sender.tell(_seen(2)).result(WITHIN_S)
    receiver.next()  # who is gone is not asked again
    sender.tell(_seen(3)).result(WITHIN_S)
    assert _photo(receiver.next().body) == "photo 3"
    sender.close()
    first, second = list_letters(store)
    assert (first.dead, first.attempts, first.error) == (True, 3, "The receiver answered 500.")
    assert (second.dead, second.attempts) == (True, 1) and "410" in second.error


def test_a_caller_who_leaves_takes_nothing_back(listen: Any, configure: Any, run: Any) -> None:
    receiver = listen()
    sender = run(configure(receiver))
    assert not sender.tell(_seen(1)).cancel()
    sender.tell(_seen(2)).result(WITHIN_S)
    assert {_photo(receiver.next().body) for _ in range(2)} == {"photo 1", "photo 2"}


def test_a_hook_that_hangs_hinders_no_other(listen: Any, configure: Any, run: Any) -> None:
    hanging, well = listen("hang"), listen()
    sender = run(configure(hanging, well, at_once=1))
    for number in range(3):
        sender.tell(_seen(number)).result(WITHIN_S)
        assert _photo(well.next().body) == f"photo {number}"
    assert hanging.posted.qsize() == 1
    hanging.released.set()


def test_telling_waits_for_no_store(
    tmp_path: Path, listen: Any, configure: Any, store: IdentityStore
) -> None:
    """The store is locked, as by somebody who enrols many: a search goes on, the event comes."""
    receiver = listen()
    impatient = IdentityStore.open(str(tmp_path / "faces.db"), busy_timeout_s=0.01)
    sender = WebhookSender(impatient, configure(receiver), "faces")
    holder = sqlite3.connect(tmp_path / "faces.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    told = [sender.tell(_seen(number)) for number in range(3)]
    assert not any(future.done() for future in told)
    holder.execute("ROLLBACK")
    assert {_photo(receiver.next().body) for _ in range(3)} == {"photo 0", "photo 1", "photo 2"}
    assert all(future.done() for future in told)
    sender.close()


def test_what_was_told_is_kept_when_it_ends(
    configure: Any, listen: Any, store: IdentityStore, run: Any
) -> None:
    receiver = listen("hang")
    sender = run(configure(receiver, at_once=1, timeout_s=0.05))
    sender.tell(_seen(1)).result(WITHIN_S)
    receiver.next()
    sender.tell(_seen(2, 3))
    sender.close()
    assert [_photo(letter.body.encode()) for letter in list_letters(store)][-2:] == [
        "photo 2", "photo 3",
    ]  # fmt: skip
    late = sender.tell(_seen(4))
    assert late.done() and sender.dropped == 1


def test_a_store_that_stays_locked_does_not_keep_it_from_ending(
    tmp_path: Path, configure: Any, listen: Any, store: IdentityStore
) -> None:
    impatient = IdentityStore.open(str(tmp_path / "faces.db"), busy_timeout_s=0.01)
    sender = WebhookSender(impatient, configure(listen()), "faces")
    with store.write():
        told = sender.tell(_seen(1, 2))
        sender.close()
    assert told.done() and sender.dropped == 2


def test_more_than_memory_is_for_is_dropped_and_counted(
    listen: Any, configure: Any, run: Any, store: IdentityStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_IN_MEMORY", 2)
    receiver = listen()
    sender = run(configure(receiver))
    with store.write():
        told = [sender.tell(_seen(number)) for number in range(4)]
        assert [future.done() for future in told] == [False, False, True, True]
    assert {_photo(receiver.next().body) for _ in range(2)} == {"photo 0", "photo 1"}
    assert sender.dropped == 2


def test_what_no_hook_wants_is_not_kept(secret: str, run: Any, listen: Any) -> None:
    hook = Webhook(name="shop", url=listen().url, secret=secret, events=("known",))
    sender = run(Webhooks(hooks=(hook,)))
    assert sender.tell(_seen(1)).done()


def test_without_a_hook_there_is_no_thread(secret: str, run: Any, listen: Any) -> None:
    hook = Webhook(name="shop", url=listen().url, secret=secret)
    before = set(threading.enumerate())
    assert run(Webhooks()).tell(_seen(1)).done()
    assert _senders(before) == []
    run(Webhooks(hooks=(hook,)))
    assert _senders(before) == ["webhooks"]


def _senders(before: set[threading.Thread]) -> list[str]:
    """Names of senders' threads that were not there before."""
    after = set(threading.enumerate()) - before
    return [thread.name for thread in after if thread.name == "webhooks"]


def test_a_secret_that_is_none_is_refused_at_the_start(listen: Any, store: IdentityStore) -> None:
    hook = Webhook(name="shop", url=listen().url, secret="file:/no/such/file")
    with pytest.raises(SettingsError, match="/no/such/file"):
        WebhookSender(store, Webhooks(hooks=(hook,)), "faces")


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def _passes(
    store: IdentityStore,
    config: Webhooks,
    clock: _Clock,
    steps: Sequence[Callable[[], object]],
    each: Callable[[int], object],
) -> None:
    """Passes of one hook's sender, with something done before each."""

    async def work() -> None:
        (hook,) = config.hooks
        outbox = EventOutbox(store, "faces", config.most)
        async with Receiver(hook, config.timeout_s) as receiver:
            sender = HookSender(hook, config, outbox, receiver, clock)
            for step in steps:
                step()
                each(await sender.deliver_due())

    asyncio.run(work())


def test_pauses_grow_and_what_another_process_left_is_taken_up(
    listen: Any, configure: Any, store: IdentityStore
) -> None:
    receiver = listen(*[500] * 6)
    config = configure(receiver, first_s=10.0, longest_s=40.0)
    clock = _Clock()
    EventOutbox(store, "faces", 10).add([Sighting("ours", "no_face", at_unix_s=0)], config.hooks)
    (taken,) = EventOutbox(store, "faces", 10).exchange("hook-0", [], clock(), 1, lease_s=75)
    tried: list[int] = []

    def later(seconds: float) -> Callable[[], None]:
        return lambda: setattr(clock, "now", clock.now + seconds)

    steps = [later(0), later(74), later(1)]  # whoever took it was killed: it is due after its lease
    _passes(store, config, clock, steps, tried.append)
    assert tried == [0, 0, 1]
    assert receiver.next().headers["webhook-id"] == taken.event
    tried.clear()
    # a pass that was killed before it noted the attempt: due again after the lease
    _passes(store, config, clock, [later(74), later(1)], tried.append)
    assert tried == [0, 1]
    tried.clear()
    steps = [later(75), later(4.9), later(5.1), later(9.9), later(10.1), later(19.9), later(20.1)]
    _passes(store, config, clock, steps, tried.append)
    assert tried == [1, 0, 1, 0, 1, 0, 1]


def test_a_second_process_takes_no_letter_of_the_first(
    listen: Any, configure: Any, store: IdentityStore
) -> None:
    receiver = listen()
    config = configure(receiver)
    one, other = (WebhookSender(store, config, "faces") for _ in range(2))
    futures = [which.tell(_seen(n)) for n in range(20) for which in (one, other)]
    for future in futures:
        future.result(WITHIN_S)
    posted = [receiver.next() for _ in range(40)]
    one.close()
    other.close()
    assert len({one.headers["webhook-id"] for one in posted}) == 40
    assert receiver.posted.empty() and list_letters(store) == []
