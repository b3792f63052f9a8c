"""The rows that one forgetting takes from the store, and what is still found of them afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from striate.serve.identities import schema
from striate.serve.identities.crops import CropFolder
from striate.serve.identities.query import Searchable
from striate.serve.identities.store import (
    EVERY_FACE,
    IdentityStore,
    count_rows,
    make_tenant,
    need_tenant,
    record_changes,
    set_counter,
)
from striate.serve.sql.store import portions


@dataclass
class TakenRows:
    """What one transaction took away."""

    face_ids: list[int]
    crop_keys: list[str]
    descriptors: int
    codes: int
    change: int
    people: int = 0
    event_ids: list[int] = field(default_factory=list)


def take_faces(
    connection: Connection, tenant_id: int, condition: Any, *, every: bool = False
) -> TakenRows:
    """Delete the rows of some faces, list their crops to be removed, and note the change."""
    faces, erasures = schema.faces, schema.erasures
    rows = connection.execute(select(faces.c.id, faces.c.crop).where(condition)).all()
    ids = [int(row.id) for row in rows]
    keys = [row.crop for row in rows if row.crop is not None]
    if keys:
        connection.execute(insert(erasures), [{"crop": key} for key in keys])
    chosen = select(faces.c.id).where(condition)
    counts = [
        connection.execute(delete(table).where(table.c.face_id.in_(chosen))).rowcount
        for table in (schema.descriptors, schema.codes)
    ]
    people = schema.people
    connection.execute(
        people.update()
        .where(people.c.tenant_id == tenant_id, people.c.cover_face_id.in_(chosen))
        .values(cover_face_id=None)
    )
    connection.execute(delete(faces).where(condition))
    change = record_changes(connection, tenant_id, [EVERY_FACE] if every else ids)
    set_counter(connection, "erased", change)
    return TakenRows(ids, keys, counts[0], counts[1], change)


def forgettable_tenant(connection: Connection, name: str) -> int:
    """The number of a tenant; one who has searched and enrolled nobody is known by events alone.

    Raises:
        UnknownName: there is nothing of theirs.
    """
    if count_rows(connection, schema.webhook_events, schema.webhook_events.c.tenant == name):
        return make_tenant(connection, name)
    return need_tenant(connection, name)


def take_events(connection: Connection, gone: TakenRows, condition: Any) -> None:
    """Delete what webhooks have not taken yet; an attempt that is under way is not held back."""
    events = schema.webhook_events
    gone.event_ids = list(connection.execute(select(events.c.id).where(condition)).scalars())
    connection.execute(delete(events).where(condition))


def count_left(
    store: IdentityStore,
    crops: CropFolder | None,
    indexes: Sequence[Searchable],
    gone: TakenRows,
) -> dict[str, int]:
    """What is still found of the forgotten faces, looked for anew."""
    columns = {
        "faces": (schema.faces, schema.faces.c.id, gone.face_ids),
        "descriptors": (schema.descriptors, schema.descriptors.c.face_id, gone.face_ids),
        "codes": (schema.codes, schema.codes.c.face_id, gone.face_ids),
        "events": (schema.webhook_events, schema.webhook_events.c.id, gone.event_ids),
    }
    left = dict.fromkeys(columns, 0)
    with store.read() as connection:
        for name, (table, column, ids) in columns.items():
            for part in portions(ids):
                left[name] += count_rows(connection, table, column.in_(part))
    left["crops"] = len(set(gone.crop_keys) & crops.keys()) if crops is not None else 0
    left["index rows"] = sum(index.count_faces(gone.face_ids) for index in indexes)
    return left
