"""The faces of one enrolment on their way into the tables: new, known already, or refused."""

import hashlib
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from sqlalchemy import Connection, insert, select, update

from striate.core.errors import StriateError
from striate.serve.common.face_types import SAME_BOX, FaceBox
from striate.serve.identities import schema
from striate.serve.identities.errors import DuplicateFace
from striate.serve.identities.faces import NewFace, QualityLimits
from striate.serve.identities.store import record_changes, take_numbers
from striate.serve.sql.store import portions

Outcome = Literal["enrolled", "known", "refused"]


@dataclass(frozen=True)
class Enrolled:
    """What became of one face.

    Attributes:
        outcome: ``enrolled``; ``known``, it was there already; or ``refused``.
        face_id: its number, or that of the face that it was found to be; 0 where it was refused.
        person_id: whose face it is; None for an unnamed one.
        error: why it was refused, or that it is a duplicate; None for a known face that had no name
            and took the given one.
    """

    outcome: Outcome
    face_id: int = 0
    person_id: int | None = None
    error: StriateError | None = None


@dataclass(frozen=True)
class EnrolmentRules:
    """What a deployment asks at enrolment.

    Attributes:
        limits: of quality.
        twice_in_a_photo: whether one person may be in a photo twice, as in a collage or a mirror.
    """

    limits: QualityLimits = field(default_factory=QualityLimits)
    twice_in_a_photo: bool = True


ANY_FACE = EnrolmentRules()
"""Asks nothing."""


@dataclass(frozen=True)
class _Held:
    """A face that the tenant has."""

    face_id: int
    person_id: int | None
    photo_id: str
    box: FaceBox
    digest: bytes


def digest_of(descriptor: np.ndarray) -> bytes:
    """What finds the same descriptor again: 16 bytes of BLAKE2b over its float32 bytes."""
    return hashlib.blake2b(vector_bytes(descriptor), digest_size=16).digest()


def vector_bytes(descriptor: np.ndarray) -> bytes:
    """A descriptor as the store keeps it: little-endian float32."""
    return np.ascontiguousarray(descriptor, dtype="<f4").tobytes()


class FaceBatch:
    """The faces of one call, on their way into the tables."""

    def __init__(
        self, connection: Connection, tenant_id: int, model_id: int, rules: EnrolmentRules
    ) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._model_id = model_id
        self._rules = rules
        self._people: dict[str, int] = {}
        self._new_people: list[dict[str, Any]] = []
        self._numbers: Iterator[int] = iter(())
        self._named: dict[int, int] = {}  # people of faces that had none, by face
        self._faces: list[dict[str, Any]] = []
        self._vectors: list[dict[str, Any]] = []
        self._codes: list[dict[str, Any]] = []
        self._names: list[tuple[int, int]] = []

    def place(
        self,
        new: Sequence[NewFace],
        gate: Sequence[StriateError | None],
        keys: Mapping[int, str],
    ) -> list[Enrolled]:
        """Decide of each face whether it is new, in the given order."""
        held = self._held(new)
        self._find_people({face.person for face in new if face.person is not None})
        by_photo: dict[str, list[_Held]] = defaultdict(list)
        by_digest: dict[bytes, _Held] = {}
        for one in held:
            by_photo[one.photo_id].append(one)
            by_digest.setdefault(one.digest, one)
        next_id = take_numbers(self._connection, "face", len(new))
        done = []
        for place, face in enumerate(new):
            refused = gate[place]
            if refused is not None:
                done.append(Enrolled("refused", error=refused))
                continue
            digest = digest_of(face.descriptor)
            known = by_digest.get(digest) or _same_place(face.box, by_photo[face.photo_id])
            if known is not None:
                done.append(self._name_known(known, face))
                continue
            person = self._person(face.person)
            if not self._rules.twice_in_a_photo and person is not None:
                twice = next((h for h in by_photo[face.photo_id] if h.person_id == person), None)
                if twice is not None:
                    done.append(Enrolled("refused", twice.face_id, person, _twice(face, twice)))
                    continue
            one = _Held(next_id + place, person, face.photo_id, face.box, digest)
            by_photo[face.photo_id].append(one)
            by_digest[digest] = one
            self._add(one, face, keys.get(place))
            done.append(Enrolled("enrolled", one.face_id, person))
        return done

    def insert(self) -> int:
        """Write the rows; the number of the newest change."""
        if self._new_people:
            self._connection.execute(insert(schema.people), self._new_people)
        for face_id, person_id in self._names:
            self._connection.execute(
                update(schema.faces).where(schema.faces.c.id == face_id).values(person_id=person_id)
            )
        if self._faces:
            self._connection.execute(insert(schema.faces), self._faces)
            self._connection.execute(insert(schema.descriptors), self._vectors)
            self._connection.execute(insert(schema.codes), self._codes)
        changed = [row["id"] for row in self._faces] + [face_id for face_id, _ in self._names]
        return record_changes(self._connection, self._tenant_id, changed)

    def _add(self, one: _Held, face: NewFace, crop: str | None) -> None:
        quality = face.quality
        self._faces.append(
            {
                "id": one.face_id,
                "tenant_id": self._tenant_id,
                "person_id": one.person_id,
                "photo_id": face.photo_id,
                "left": face.box.left,
                "top": face.box.top,
                "width": face.box.width,
                "height": face.box.height,
                "size_px": quality.size_px,
                "sharpness": quality.sharpness,
                "yaw_deg": quality.yaw_deg,
                "roll_deg": quality.roll_deg,
                "by_hand": face.by_hand,
                "crop": crop,
                "enrolled_unix_s": time.time(),
            }
        )
        key = {"face_id": one.face_id, "model_id": self._model_id}
        vector = vector_bytes(face.descriptor)
        self._vectors.append({**key, "digest": one.digest, "vector": vector})
        self._codes.append({**key, "code": face.code.tobytes()})

    def _find_people(self, names: set[str]) -> None:
        """Look all of them up at once, and take numbers for those who are not there."""
        people = schema.people.c
        for some in portions(sorted(names)):
            rows = self._connection.execute(
                select(people.name, people.id).where(
                    people.tenant_id == self._tenant_id, people.name.in_(some)
                )
            )
            self._people.update((row.name, row.id) for row in rows)
        missing = len(names - self._people.keys())
        if missing:
            first = take_numbers(self._connection, "person", missing)
            self._numbers = iter(range(first, first + missing))

    def _person(self, name: str | None) -> int | None:
        """The person of that name, made where there is none."""
        if name is None:
            return None
        if name not in self._people:
            self._people[name] = number = next(self._numbers)
            self._new_people.append(
                {
                    "id": number,
                    "tenant_id": self._tenant_id,
                    "name": name,
                    "hidden": False,
                    "made_unix_s": time.time(),
                }
            )
        return self._people[name]

    def _name_known(self, known: _Held, face: NewFace) -> Enrolled:
        """A face that is there: an unnamed one takes the name, and a named one keeps its own."""
        person = self._named.get(known.face_id, known.person_id)
        if person is None and face.person is not None:
            person = self._person(face.person)
            assert person is not None
            self._named[known.face_id] = person
            if any(row["id"] == known.face_id for row in self._faces):
                for row in self._faces:
                    row["person_id"] = person if row["id"] == known.face_id else row["person_id"]
            else:
                self._names.append((known.face_id, person))
            return Enrolled("known", known.face_id, person)
        error = DuplicateFace(
            f"The face of photo {face.photo_id!r} is enrolled already, as face {known.face_id}.",
            "To correct whose face it is, move it.",
        )
        return Enrolled("known", known.face_id, person, error)

    def _held(self, new: Sequence[NewFace]) -> list[_Held]:
        """The tenant's faces in the same photos, or with the same descriptors."""
        photos = sorted({face.photo_id for face in new})
        digests = sorted({digest_of(face.descriptor) for face in new})
        faces, vectors = schema.faces.c, schema.descriptors.c
        found: dict[int, _Held] = {}
        for column, values in ((faces.photo_id, photos), (vectors.digest, digests)):
            for some in portions(values):
                rows = self._connection.execute(
                    select(schema.faces, vectors.digest)
                    .join(schema.descriptors, vectors.face_id == faces.id)
                    .where(
                        faces.tenant_id == self._tenant_id,
                        vectors.model_id == self._model_id,
                        column.in_(some),
                    )
                )
                for row in rows:
                    box = FaceBox(row.left, row.top, row.width, row.height)
                    found[row.id] = _Held(row.id, row.person_id, row.photo_id, box, row.digest)
        return [found[face_id] for face_id in sorted(found)]


def _same_place(box: FaceBox, held: Sequence[_Held]) -> _Held | None:
    best = max(held, key=lambda one: one.box.overlap(box), default=None)
    return best if best is not None and best.box.overlap(box) >= SAME_BOX else None


def _twice(face: NewFace, twice: _Held) -> DuplicateFace:
    return DuplicateFace(
        f"{face.person!r} is in photo {face.photo_id!r} already, as face {twice.face_id}.",
        "Enrol one face of a person a photo, or let the deployment allow two.",
    )
