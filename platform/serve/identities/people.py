"""What people do to people: rename, merge, split, move and name faces, hide, choose a cover."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, select, update

from striate.core.errors import UnknownName, UsageError
from striate.serve.identities import schema
from striate.serve.identities.errors import NameTaken
from striate.serve.identities.store import (
    IdentityStore,
    check_name,
    find_person,
    make_person,
    need_person,
    need_tenant,
    record_changes,
    write_audit,
)
from striate.serve.sql.store import portions


def rename(
    store: IdentityStore, tenant: str, person_id: int, name: str, *, who: str, merge: bool = False
) -> int:
    """Give a person another name.

    Args:
        store: of record.
        tenant: whose person.
        person_id: who.
        name: the new one.
        who: the caller, for the audit.
        merge: where somebody has the name already, they are the same person.

    Returns:
        The number of who has the name now.

    Raises:
        NameTaken: somebody else has the name, and merging was not asked for.
        UnknownName: there is no such person.
    """
    check_name("person", name)
    with store.write() as connection:
        tenant_id = need_tenant(connection, tenant)
        need_person(connection, tenant_id, person_id)
        other = find_person(connection, tenant_id, name)
        if other is not None and other.id != person_id:
            if not merge:
                raise NameTaken(
                    f"Person {other.id} has the name {name!r}.",
                    "Ask for a merge if both are the same person.",
                )
            _merge(connection, tenant_id, other.id, person_id)
            write_audit(connection, who, "merge", tenant_id, other.id, merged=person_id)
            return int(other.id)
        _set(connection, person_id, name=name)
        write_audit(connection, who, "rename", tenant_id, person_id)
        return person_id


def merge(store: IdentityStore, tenant: str, into: int, other: int, *, who: str) -> int:
    """Two people are one: all faces of `other` become those of `into`, who keeps name and cover.

    Returns:
        How many faces moved.

    Raises:
        UnknownName: there is no such person.
        UsageError: both are the same person.
    """
    with store.write() as connection:
        tenant_id = need_tenant(connection, tenant)
        need_person(connection, tenant_id, into)
        need_person(connection, tenant_id, other)
        if into == other:
            raise UsageError(f"Person {into} cannot be merged with themselves.", "Name two people.")
        moved = _merge(connection, tenant_id, into, other)
        write_audit(connection, who, "merge", tenant_id, into, merged=other, faces=moved)
        return moved


def split(
    store: IdentityStore,
    tenant: str,
    person_id: int,
    face_ids: Sequence[int],
    name: str,
    *,
    who: str,
) -> int:
    """Some faces of a person are somebody else's: a new person of that name.

    Returns:
        The new person's number.

    Raises:
        NameTaken: somebody has the name.
        UnknownName: there is no such person, or a face is not theirs.
    """
    with store.write() as connection:
        tenant_id = need_tenant(connection, tenant)
        person = need_person(connection, tenant_id, person_id)
        faces = _need_faces(connection, tenant_id, face_ids)
        for face in faces:
            if face.person_id != person_id:
                raise UnknownName(f"Person {person_id} has no face {face.id}.", "List their faces.")
        new = _make_unlike(connection, tenant_id, name, hidden=person.hidden)
        _move(connection, tenant_id, faces, new)
        write_audit(connection, who, "split", tenant_id, person_id, new=new, faces=len(faces))
        return new


def move_faces(
    store: IdentityStore,
    tenant: str,
    face_ids: Sequence[int],
    person_id: int | None,
    *,
    who: str,
) -> int:
    """Say whose faces these are; None makes them unnamed.

    Returns:
        How many moved.

    Raises:
        UnknownName: there is no such person or face.
    """
    with store.write() as connection:
        tenant_id = need_tenant(connection, tenant)
        if person_id is not None:
            need_person(connection, tenant_id, person_id)
        faces = _need_faces(connection, tenant_id, face_ids)
        _move(connection, tenant_id, faces, person_id)
        write_audit(connection, who, "move", tenant_id, person_id, faces=len(faces))
        return len(faces)


def name_faces(
    store: IdentityStore, tenant: str, face_ids: Sequence[int], name: str, *, who: str
) -> int:
    """Say that these faces are a new person's, whoever's they were.

    Returns:
        The person's number.

    Raises:
        NameTaken: somebody has the name.
        UnknownName: there is no such face.
    """
    with store.write() as connection:
        tenant_id = need_tenant(connection, tenant)
        faces = _need_faces(connection, tenant_id, face_ids)
        new = _make_unlike(connection, tenant_id, name)
        _move(connection, tenant_id, faces, new)
        write_audit(connection, who, "name", tenant_id, new, faces=len(faces))
        return new


def hide(
    store: IdentityStore, tenant: str, person_id: int, *, who: str, hidden: bool = True
) -> None:
    """Searches no longer find a person, or find them again.

    Raises:
        UnknownName: there is no such person.
    """
    with store.write() as connection:
        tenant_id = need_tenant(connection, tenant)
        need_person(connection, tenant_id, person_id)
        _set(connection, person_id, hidden=hidden)
        record_changes(connection, tenant_id, faces_of(connection, person_id))
        write_audit(connection, who, "hide" if hidden else "show", tenant_id, person_id)


def choose_cover(
    store: IdentityStore, tenant: str, person_id: int, face_id: int, *, who: str
) -> None:
    """Let a face stand for its person.

    Raises:
        UnknownName: there is no such person, or the face is not theirs.
    """
    with store.write() as connection:
        tenant_id = need_tenant(connection, tenant)
        need_person(connection, tenant_id, person_id)
        (face,) = _need_faces(connection, tenant_id, [face_id])
        if face.person_id != person_id:
            raise UnknownName(f"Person {person_id} has no face {face_id}.", "List their faces.")
        _set(connection, person_id, cover_face_id=face_id)
        write_audit(connection, who, "cover", tenant_id, person_id, face=face_id)


def faces_of(connection: Connection, person_id: int) -> list[int]:
    """The numbers of a person's faces."""
    table = schema.faces.c
    found = connection.execute(
        select(table.id).where(table.person_id == person_id).order_by(table.id)
    )
    return [int(number) for number in found.scalars()]


def _make_unlike(connection: Connection, tenant_id: int, name: str, *, hidden: bool = False) -> int:
    """A new person whose name nobody has.

    Raises:
        NameTaken: somebody has it.
    """
    taken = find_person(connection, tenant_id, name)
    if taken is not None:
        raise NameTaken(
            f"Person {taken.id} has the name {name!r}.", "Move the faces to that person."
        )
    return make_person(connection, tenant_id, name, hidden=hidden)


def _set(connection: Connection, person_id: int, **values: Any) -> None:
    table = schema.people
    connection.execute(update(table).where(table.c.id == person_id).values(**values))


def _merge(connection: Connection, tenant_id: int, into: int, other: int) -> int:
    face_ids = faces_of(connection, other)
    faces, people = schema.faces, schema.people
    for table in (faces, schema.webhook_events):
        connection.execute(update(table).where(table.c.person_id == other).values(person_id=into))
    connection.execute(delete(people).where(people.c.id == other))
    record_changes(connection, tenant_id, face_ids)
    return len(face_ids)


def _need_faces(connection: Connection, tenant_id: int, face_ids: Sequence[int]) -> list[Any]:
    """The rows of faces of a tenant.

    Raises:
        UnknownName: the tenant has no such face.
    """
    table = schema.faces
    found: dict[int, Any] = {}
    wanted = sorted(set(face_ids))
    for some in portions(wanted):
        rows = connection.execute(
            select(table).where(table.c.tenant_id == tenant_id, table.c.id.in_(some))
        )
        found |= {row.id: row for row in rows}
    for number in wanted:
        if number not in found:
            raise UnknownName(f"There is no face {number}.", "List the faces of a person first.")
    return [found[number] for number in wanted]


def _move(
    connection: Connection, tenant_id: int, faces: Sequence[Any], person_id: int | None
) -> None:
    table, people = schema.faces, schema.people
    ids = [face.id for face in faces]
    for part in portions(ids):
        connection.execute(
            update(table).where(table.c.id.in_(part)).values(person_id=person_id, by_hand=True)
        )
        connection.execute(  # a face that is somebody else's covers nobody
            update(people).where(people.c.cover_face_id.in_(part)).values(cover_face_id=None)
        )
    record_changes(connection, tenant_id, ids)
