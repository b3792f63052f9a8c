"""What a tenant has: its people, and its faces, a page at a time."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select

from striate.core.errors import UnknownName
from striate.serve.common.face_types import FaceBox, FaceQuality
from striate.serve.identities import schema
from striate.serve.identities.store import IdentityStore, find_tenant, need_person, need_tenant


@dataclass(frozen=True)
class Person:
    """A person as a tenant knows them.

    Attributes:
        id: their number.
        name: unique in the tenant.
        faces: how many are enrolled.
        hidden: searches do not find them.
        cover_face_id: the face that stands for them; None where none was chosen.
        first_face_id: of their faces the one with the lowest number; None where they have none.
    """

    id: int
    name: str
    faces: int
    hidden: bool
    cover_face_id: int | None
    first_face_id: int | None = None


@dataclass(frozen=True)
class ListedFace:
    """A face that is kept.

    Attributes:
        id: its number.
        person_id: whose it is; None for nobody's.
        photo_id: the photo that it is in.
        box: where in it.
        quality: as measured at enrolment.
        by_hand: a person said whose it is.
        enrolled_unix_s: when.
        crop: key of the kept crop; None where none is kept.
    """

    id: int
    person_id: int | None
    photo_id: str
    box: FaceBox
    quality: FaceQuality
    by_hand: bool
    enrolled_unix_s: float
    crop: str | None


def list_people(
    store: IdentityStore,
    tenant: str,
    *,
    with_hidden: bool = False,
    after: int = 0,
    limit: int = 1000,
    name: str | None = None,
) -> list[Person]:
    """People in the order of their numbers, a page at a time.

    Args:
        store: of record.
        tenant: whose people.
        with_hidden: whether hidden people are listed.
        after: the last number of the page before.
        limit: people of a page.
        name: only who has it, hidden or not; None for all.
    """
    people = schema.people.c
    conditions = [people.id > after]
    if name is not None:
        conditions.append(people.name == name)
    elif not with_hidden:
        conditions.append(people.hidden.is_(False))
    return _people(store, tenant, conditions, limit)


def get_person(store: IdentityStore, tenant: str, person_id: int) -> Person:
    """One person, hidden or not.

    Raises:
        UnknownName: the tenant has no such person.
    """
    found = _people(store, tenant, [schema.people.c.id == person_id], 1)
    if not found:
        raise UnknownName(
            f"There is no person {person_id}.", "`striate faces people ls` lists them."
        )
    return found[0]


def list_faces(
    store: IdentityStore,
    tenant: str,
    *,
    person_id: int | None = None,
    photo_id: str | None = None,
    unnamed: bool = False,
    after: int = 0,
    limit: int = 1000,
) -> list[ListedFace]:
    """Faces in the order of their numbers, a page at a time; all of a tenant, or those asked for.

    Args:
        store: of record.
        tenant: whose faces.
        person_id: only this person's.
        photo_id: only those of this photo.
        unnamed: only those that are nobody's.
        after: the last number of the page before.
        limit: faces of a page.

    Raises:
        UnknownName: there is no such person.
    """
    faces = schema.faces.c
    with store.read() as connection:
        if person_id is not None:
            need_person(connection, need_tenant(connection, tenant), person_id)
        tenant_id = find_tenant(connection, tenant)
        query = select(schema.faces).where(faces.tenant_id == tenant_id, faces.id > after)
        if person_id is not None:
            query = query.where(faces.person_id == person_id)
        if photo_id is not None:
            query = query.where(faces.photo_id == photo_id)
        if unnamed:
            query = query.where(faces.person_id.is_(None))
        return [listed(row) for row in connection.execute(query.order_by(faces.id).limit(limit))]


def crop_key(store: IdentityStore, tenant: str, face_id: int) -> str | None:
    """The key of a face's kept crop; None where none is kept, or the tenant has no such face."""
    faces = schema.faces.c
    with store.read() as connection:
        tenant_id = find_tenant(connection, tenant)
        query = select(faces.crop).where(faces.tenant_id == tenant_id, faces.id == face_id)
        key: str | None = connection.execute(query).scalar_one_or_none()
        return key


def listed(row: Row[Any]) -> ListedFace:
    """Of a row of `faces`."""
    return ListedFace(
        row.id,
        row.person_id,
        row.photo_id,
        FaceBox(row.left, row.top, row.width, row.height),
        FaceQuality(row.size_px, row.sharpness, row.yaw_deg, row.roll_deg),
        row.by_hand,
        row.enrolled_unix_s,
        row.crop,
    )


def _people(
    store: IdentityStore, tenant: str, conditions: list[ColumnElement[bool]], limit: int
) -> list[Person]:
    people, faces = schema.people.c, schema.faces.c
    with store.read() as connection:
        tenant_id = find_tenant(connection, tenant)
        query = (
            select(
                schema.people,
                func.count(faces.id).label("faces"),
                func.min(faces.id).label("first"),
            )
            .join(schema.faces, faces.person_id == people.id, isouter=True)
            .where(people.tenant_id == tenant_id, *conditions)
            .group_by(*schema.people.c)
            .order_by(people.id)
            .limit(limit)
        )
        return [
            Person(row.id, row.name, row.faces, row.hidden, row.cover_face_id, row.first)
            for row in connection.execute(query)
        ]
