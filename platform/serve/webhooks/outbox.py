"""Events in the store of record until their receivers have taken them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from striate.serve.identities import schema
from striate.serve.identities.store import IdentityStore, count_rows, take_numbers
from striate.serve.sql.store import portions
from striate.serve.webhooks.config import Webhook
from striate.serve.webhooks.sightings import Sighting

_TABLE = schema.webhook_events
_C = _TABLE.c


@dataclass(frozen=True)
class Letter:
    """An event on its way to one hook.

    Attributes:
        id: its number in the table.
        event: the event's id.
        deployment: the application that saw it.
        hook: the hook's name.
        body: the JSON document.
        at_unix_s: when it was.
        attempts: made so far.
        due_unix_s: when it may be tried again.
        dead: no more attempts are made, unless somebody asks for them.
        error: what the latest attempt met; empty where there was none.
    """

    id: int
    event: str
    deployment: str
    hook: str
    body: str
    at_unix_s: float
    attempts: int
    due_unix_s: float
    dead: bool
    error: str


@dataclass(frozen=True)
class Attempted:
    """What became of one attempt.

    Attributes:
        id: the letter's number.
        error: what it met; empty where the receiver took the event, which then goes.
        due_unix_s: when to try again; None makes it a dead letter.
    """

    id: int
    error: str = ""
    due_unix_s: float | None = None


class EventOutbox:
    """The events of one deployment.

    Args:
        store: of record.
        deployment: the application's name.
        most: events of one hook, dead letters among them.
    """

    def __init__(self, store: IdentityStore, deployment: str, most: int) -> None:
        self._store, self._deployment, self._most = store, deployment, most

    def add(self, sightings: Sequence[Sighting], hooks: Sequence[Webhook]) -> int:
        """Keep what hooks are to be told; it is on the disk when this returns.

        What names a person who is no more, forgotten since the search, is left out: nobody is told
        of them. One who was merged into another in that moment goes with it.

        Returns:
            How many events were dropped for want of room.

        Raises:
            StoreFull, StoreBusy: none was kept.
        """
        dropped = 0
        with self._store.write() as connection:
            there = _people(connection, {one.person_id for one in sightings} - {None})
            told = [one for one in sightings if one.person_id is None or one.person_id in there]
            for hook in hooks:
                wanted = [one for one in told if one.kind in hook.events]
                kept = wanted[: self._room(connection, hook.name, len(wanted))]
                dropped += len(wanted) - len(kept)
                self._insert(connection, hook.name, kept)
        return dropped

    def exchange(
        self,
        hook: str,
        done: Sequence[Attempted],
        now_unix_s: float,
        limit: int,
        lease_s: float,
    ) -> list[Letter]:
        """Note what became of attempts, and take the next letters, in one transaction.

        Args:
            hook: whose letters.
            done: attempts since the last time.
            now_unix_s: seconds since 1970.
            limit: letters at most.
            lease_s: nobody else takes them for so long, unless they are noted before.

        Returns:
            Those that are due, the longest due first.
        """
        due = and_(self._of(hook), _C.dead.is_(False), _C.due_unix_s <= now_unix_s)
        if not done:
            with self._store.read() as connection:
                if connection.execute(select(_C.id).where(due).limit(1)).first() is None:
                    return []
        with self._store.write() as connection:
            _note(connection, done)
            rows = connection.execute(
                select(_TABLE).where(due).order_by(_C.due_unix_s, _C.id).limit(limit)
            ).all()
            ids = [row.id for row in rows]
            connection.execute(
                update(_TABLE).where(_C.id.in_(ids)).values(due_unix_s=now_unix_s + lease_s)
            )
        return [_letter(row) for row in rows]

    def next_due(self, hook: str) -> float | None:
        """When the next letter of a hook is due, in seconds since 1970; None where none waits."""
        with self._store.read() as connection:
            found = connection.execute(
                select(func.min(_C.due_unix_s)).where(self._of(hook), _C.dead.is_(False))
            ).scalar_one()
        return None if found is None else float(found)

    def expire(self, before_unix_s: float) -> int:
        """Drop events that are older than that, delivered or not, those of former hooks too.

        Returns:
            How many went.
        """
        old = and_(_C.deployment == self._deployment, _C.at_unix_s < before_unix_s)
        with self._store.read() as connection:
            if connection.execute(select(_C.id).where(old).limit(1)).first() is None:
                return 0
        with self._store.write() as connection:
            return connection.execute(delete(_TABLE).where(old)).rowcount

    def _of(self, hook: str) -> Any:
        return and_(_C.deployment == self._deployment, _C.hook == hook)

    def _room(self, connection: Connection, hook: str, wanted: int) -> int:
        """How many more events of a hook may be kept, the oldest dead letters gone for them."""
        here = count_rows(connection, _TABLE, self._of(hook))
        over = here + wanted - self._most
        if over > 0:
            oldest = (
                select(_C.id).where(self._of(hook), _C.dead.is_(True)).order_by(_C.id).limit(over)
            )
            ids = list(connection.execute(oldest).scalars())
            for some in portions(ids):
                connection.execute(delete(_TABLE).where(_C.id.in_(some)))
            here -= len(ids)
        return max(0, self._most - here)

    def _insert(self, connection: Connection, hook: str, kept: Sequence[Sighting]) -> None:
        if not kept:
            return
        first = take_numbers(connection, "webhook event", len(kept))
        rows = [
            {
                "id": first + place,
                "event": one.event,
                "deployment": self._deployment,
                "hook": hook,
                "tenant": one.tenant,
                "person_id": one.person_id,
                "photo_id": one.photo_id,
                "body": one.body(self._deployment),
                "at_unix_s": one.at_unix_s,
                "attempts": 0,
                "due_unix_s": one.at_unix_s,
                "dead": False,
                "error": "",
            }
            for place, one in enumerate(kept)
        ]
        connection.execute(insert(_TABLE), rows)


def list_letters(
    store: IdentityStore, *, dead: bool | None = None, after: int = 0, limit: int = 1000
) -> list[Letter]:
    """Events that wait, of every deployment, in the order of their numbers.

    Args:
        store: of record.
        dead: only dead letters, or only others; None lists both.
        after: the last number of the page before.
        limit: letters of a page.
    """
    query = select(_TABLE).where(_C.id > after).order_by(_C.id).limit(limit)
    if dead is not None:
        query = query.where(_C.dead.is_(dead))
    with store.read() as connection:
        return [_letter(row) for row in connection.execute(query)]


def retry_letters(store: IdentityStore, now_unix_s: float, ids: Sequence[int] | None = None) -> int:
    """Make dead letters due, with all of their attempts before them.

    Args:
        store: of record.
        now_unix_s: seconds since 1970.
        ids: which; None takes all.

    Returns:
        How many there were.
    """
    alive = update(_TABLE).where(_C.dead.is_(True))
    alive = alive.values(dead=False, attempts=0, due_unix_s=now_unix_s)
    with store.write() as connection:
        if ids is None:
            return connection.execute(alive).rowcount
        return sum(
            connection.execute(alive.where(_C.id.in_(some))).rowcount for some in portions(ids)
        )


def _people(connection: Connection, ids: set[Any]) -> set[int]:
    """Those of some people who are there."""
    people = schema.people.c.id
    return {
        number
        for some in portions(sorted(ids))
        for number in connection.execute(select(people).where(people.in_(some))).scalars()
    }


def _note(connection: Connection, done: Sequence[Attempted]) -> None:
    for one in done:
        mine = _C.id == one.id
        if not one.error:
            connection.execute(delete(_TABLE).where(mine))
            continue
        connection.execute(
            update(_TABLE)
            .where(mine)
            .values(
                attempts=_C.attempts + 1,
                error=one.error,
                dead=one.due_unix_s is None,
                **({} if one.due_unix_s is None else {"due_unix_s": one.due_unix_s}),
            )
        )


def _letter(row: Any) -> Letter:
    return Letter(**{name: getattr(row, name) for name in Letter.__dataclass_fields__})
