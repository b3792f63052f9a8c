"""Forgetting a person, a photo or a tenant: everywhere, and with counts that prove it.

One transaction takes the rows away and lists the crops that must go; then the files go, the
database's own traces, and the indexes and their snapshots. A process that is killed between leaves
nothing half done: the next `finish_forgetting`, and every index when it next follows the store, do
the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from striate.serve.identities import schema
from striate.serve.identities.crops import CropFolder
from striate.serve.identities.query import Searchable
from striate.serve.identities.store import IdentityStore, need_person, need_tenant, write_audit
from striate.serve.identities.taken_rows import (
    TakenRows,
    count_left,
    forgettable_tenant,
    take_events,
    take_faces,
)
from striate.serve.sql.database import forget_traces
from striate.serve.sql.store import portions

PERSONAL = ("faces", "descriptors", "codes", "people", "tenants", "webhook_events")
"""Tables that rows of a person are in."""


@dataclass(frozen=True)
class Forgotten:
    """What is gone, and what is left.

    Attributes:
        faces: rows of faces that went.
        descriptors: rows of descriptors.
        codes: rows of codes.
        people: rows of people.
        crops: files of crops.
        events: rows of events that webhooks had not taken yet.
        left: what was counted of it afterwards, in the store, among the kept crops and in the
            indexes: all zero, but where a part of an index did not answer, which forgets before it
            answers again, or a reader kept the database from emptying its log, which the next
            forgetting does.
        change: the number of the change; every index that knows it has forgotten too.
    """

    faces: int
    descriptors: int
    codes: int
    people: int
    crops: int
    events: int
    left: dict[str, int]
    change: int


def forget_person(
    store: IdentityStore,
    crops: CropFolder | None,
    indexes: Sequence[Searchable],
    tenant: str,
    person_id: int,
    *,
    who: str,
) -> Forgotten:
    """Forget a person and all their faces.

    Args:
        store: of record.
        crops: where crops are kept.
        indexes: that are brought up to date before this returns.
        tenant: whose person.
        person_id: who.
        who: the caller, for the audit.

    Raises:
        UnknownName: there is no such person.
        StoreFull, StoreBusy: nothing was forgotten.
    """
    with store.write() as connection:
        tenant_id = need_tenant(connection, tenant)
        need_person(connection, tenant_id, person_id)
        condition = schema.faces.c.person_id == person_id
        gone = take_faces(connection, tenant_id, condition)
        take_events(connection, gone, schema.webhook_events.c.person_id == person_id)
        connection.execute(delete(schema.people).where(schema.people.c.id == person_id))
        gone.people = 1
        _note(connection, who, "forget person", tenant_id, person_id, gone)
    return _finish(store, crops, indexes, gone)


def forget_photo(
    store: IdentityStore,
    crops: CropFolder | None,
    indexes: Sequence[Searchable],
    tenant: str,
    photo_id: str,
    *,
    who: str,
) -> Forgotten:
    """Forget all faces of a photo; people stay, without them. Arguments as `forget_person`."""
    faces, events = schema.faces.c, schema.webhook_events.c
    with store.write() as connection:
        tenant_id = forgettable_tenant(connection, tenant)
        condition = (faces.tenant_id == tenant_id) & (faces.photo_id == photo_id)
        gone = take_faces(connection, tenant_id, condition)
        take_events(connection, gone, (events.tenant == tenant) & (events.photo_id == photo_id))
        _note(connection, who, "forget photo", tenant_id, None, gone)
    return _finish(store, crops, indexes, gone)


def forget_tenant(
    store: IdentityStore,
    crops: CropFolder | None,
    indexes: Sequence[Searchable],
    tenant: str,
    *,
    who: str,
) -> Forgotten:
    """Forget everybody whom a tenant enrolled, and the tenant. Arguments as `forget_person`."""
    with store.write() as connection:
        tenant_id = forgettable_tenant(connection, tenant)
        people = schema.people
        gone = take_faces(connection, tenant_id, schema.faces.c.tenant_id == tenant_id, every=True)
        take_events(connection, gone, schema.webhook_events.c.tenant == tenant)
        gone.people = connection.execute(
            delete(people).where(people.c.tenant_id == tenant_id)
        ).rowcount
        connection.execute(delete(schema.tenants).where(schema.tenants.c.id == tenant_id))
        _note(connection, who, "forget tenant", tenant_id, None, gone)
    return _finish(store, crops, indexes, gone)


def finish_forgetting(store: IdentityStore, crops: CropFolder) -> int:
    """Remove the crops of forgotten faces whose files are still there, and those nobody names.

    To be called when a service starts: a process may have been killed before it came to them.

    Returns:
        How many files went.
    """
    with store.read() as connection:
        waiting = set(connection.execute(select(schema.erasures.c.crop)).scalars())
        named = set(
            connection.execute(
                select(schema.faces.c.crop).where(schema.faces.c.crop.is_not(None))
            ).scalars()
        )
    removed = crops.remove(waiting) + crops.remove(crops.strays(named))
    _crossed_off(store, waiting)
    return removed


def _note(
    connection: Connection,
    who: str,
    verb: str,
    tenant_id: int,
    person_id: int | None,
    gone: TakenRows,
) -> None:
    write_audit(
        connection,
        who,
        verb,
        tenant_id,
        person_id,
        faces=len(gone.face_ids),
        descriptors=gone.descriptors,
        codes=gone.codes,
        people=gone.people,
        crops=len(gone.crop_keys),
        events=len(gone.event_ids),
    )


def _finish(
    store: IdentityStore,
    crops: CropFolder | None,
    indexes: Sequence[Searchable],
    gone: TakenRows,
) -> Forgotten:
    removed = 0
    if crops is not None:
        removed = crops.remove(gone.crop_keys)
        _crossed_off(store, gone.crop_keys)
    emptied = forget_traces(store.engine, store.kind, PERSONAL)
    absent = sum(index.follow(gone.change) for index in indexes)
    left = count_left(store, crops, indexes, gone)
    if not emptied:
        left["database logs"] = 1
    if absent:
        left["index parts that did not answer"] = absent
    return Forgotten(
        faces=len(gone.face_ids),
        descriptors=gone.descriptors,
        codes=gone.codes,
        people=gone.people,
        crops=removed,
        events=len(gone.event_ids),
        left=left,
        change=gone.change,
    )


def _crossed_off(store: IdentityStore, keys: Sequence[str] | set[str]) -> None:
    """The files are gone: nothing more to do for them."""
    listed = sorted(keys)
    if not listed:
        return
    table = schema.erasures
    with store.write() as connection:
        for part in portions(listed):
            connection.execute(delete(table).where(table.c.crop.in_(part)))
