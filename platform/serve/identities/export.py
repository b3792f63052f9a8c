"""All that is held of one person, to be handed to them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import select

from striate.serve.common.face_types import FaceBox, FaceQuality
from striate.serve.identities import schema
from striate.serve.identities.crops import CropFolder
from striate.serve.identities.listing import Person
from striate.serve.identities.people import faces_of
from striate.serve.identities.store import IdentityStore, need_person, need_tenant, write_audit


@dataclass(frozen=True)
class HeldDescription:
    """What a model said of a face.

    Attributes:
        model: the model's name.
        fingerprint: of the model, as JSON.
        descriptor: float32 (dimension,).
        code: 32 bytes; empty where there is none.
    """

    model: str
    fingerprint: str
    descriptor: np.ndarray = field(repr=False)
    code: bytes = field(repr=False)


@dataclass(frozen=True)
class HeldFace:
    """All that is held of one face.

    Attributes:
        id: its number.
        photo_id: the photo that it is in.
        box: where in it.
        quality: as measured at enrolment.
        by_hand: a person said whose face it is.
        enrolled_unix_s: when.
        descriptions: one a model.
        crop: the kept picture; None where none is kept.
    """

    id: int
    photo_id: str
    box: FaceBox
    quality: FaceQuality
    by_hand: bool
    enrolled_unix_s: float
    descriptions: tuple[HeldDescription, ...] = field(repr=False)
    crop: bytes | None = field(repr=False)


@dataclass(frozen=True)
class HeldRecord:
    """A line of the audit about a person."""

    at_unix_s: float
    who: str
    verb: str
    details: dict[str, Any]


@dataclass(frozen=True)
class HeldPerson:
    """All that is held of one person.

    Attributes:
        person: name and numbers.
        records: the audit's lines about them, of their own tenant.
        events: bodies of events that webhooks have not taken yet, JSON.
        faces: read one after the other, as they are asked for.
    """

    person: Person
    records: tuple[HeldRecord, ...]
    events: tuple[str, ...]
    faces: Iterator[HeldFace] = field(repr=False)


def export_person(
    store: IdentityStore, crops: CropFolder | None, tenant: str, person_id: int, *, who: str
) -> HeldPerson:
    """Everything that is held of a person; the audit notes that it was asked for.

    Args:
        store: of record.
        crops: where crops are kept.
        tenant: whose person.
        person_id: who.
        who: the caller, for the audit.

    Raises:
        UnknownName: there is no such person.
    """
    with store.write() as connection:
        tenant_id = need_tenant(connection, tenant)
        row = need_person(connection, tenant_id, person_id)
        face_ids = faces_of(connection, person_id)
        write_audit(connection, who, "export", tenant_id, person_id, faces=len(face_ids))
        table = schema.audit.c
        records = connection.execute(
            select(schema.audit)
            .where(table.tenant_id == tenant_id, table.person_id == person_id)
            .order_by(table.id)
        ).all()
        events = schema.webhook_events.c
        bodies = connection.execute(
            select(events.body)
            .where(events.tenant == tenant, events.person_id == person_id)
            .order_by(events.id)
        ).scalars()
        waiting = tuple(bodies)
    return HeldPerson(
        Person(row.id, row.name, len(face_ids), row.hidden, row.cover_face_id),
        tuple(
            HeldRecord(line.at_unix_s, line.who, line.verb, json.loads(line.details))
            for line in records
        ),
        waiting,
        (held for face_id in face_ids if (held := _held(store, crops, face_id)) is not None),
    )


def _held(store: IdentityStore, crops: CropFolder | None, face_id: int) -> HeldFace | None:
    """One face; None where it was forgotten meanwhile."""
    faces, vectors, codes, models = schema.faces, schema.descriptors, schema.codes, schema.models
    with store.read() as connection:
        row = connection.execute(select(faces).where(faces.c.id == face_id)).one_or_none()
        if row is None:
            return None
        described = connection.execute(
            select(vectors.c.vector, codes.c.code, models)
            .join(models, models.c.id == vectors.c.model_id)
            .join(
                codes,
                (codes.c.face_id == vectors.c.face_id) & (codes.c.model_id == vectors.c.model_id),
                isouter=True,
            )
            .where(vectors.c.face_id == face_id)
            .order_by(models.c.id)
        ).all()
    names = ("network", "detector", "dimension", "code_version")
    return HeldFace(
        row.id,
        row.photo_id,
        FaceBox(row.left, row.top, row.width, row.height),
        FaceQuality(row.size_px, row.sharpness, row.yaw_deg, row.roll_deg),
        row.by_hand,
        row.enrolled_unix_s,
        tuple(
            HeldDescription(
                one.name,
                json.dumps({name: getattr(one, name) for name in names}),
                np.frombuffer(one.vector, "<f4"),
                one.code or b"",
            )
            for one in described
        ),
        crops.read(row.crop) if crops is not None and row.crop is not None else None,
    )
