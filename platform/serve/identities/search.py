"""Who is it: from nearest codes to people, with strangers told as such."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import select

from striate.serve.identities import schema
from striate.serve.identities.answers import NOBODY, Nearest
from striate.serve.identities.fingerprint import CODE_BITS, ModelFingerprint
from striate.serve.identities.query import Query, Searchable
from striate.serve.identities.store import IdentityStore, find_tenant
from striate.serve.sql.store import portions

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Match:
    """A face that is near enough.

    Attributes:
        face_id: its number.
        person_id: whose it is; None for an unnamed face.
        person: the person's name; empty for an unnamed face.
        photo_id: the photo that it is in.
        distance: bits that differ, from 0 to 256.
        score: ``1 - distance / 256``. Of codes that are signs of projections it estimates one minus
            the angle between descriptors over π (Charikar, STOC 2002).
    """

    face_id: int
    person_id: int | None
    person: str
    photo_id: str
    distance: int
    score: float


@dataclass(frozen=True)
class Found:
    """What is known of one asked face.

    Attributes:
        who: the nearest person's name, empty where the nearest face has none, or `UNKNOWN`.
        score: of the nearest face, near enough or not; None where there is no face at all.
        matches: the faces that are near enough, by distance, then by number; none for a stranger,
            whose nearest face is nobody's business.
        partial: a part of the index did not answer, so a nearer face may be missing.
    """

    who: str
    score: float | None
    matches: tuple[Match, ...]
    partial: bool = False


def identify(
    store: IdentityStore,
    index: Searchable,
    tenant: str,
    fingerprint: ModelFingerprint,
    codes: np.ndarray,
    *,
    k: int = 1,
    most: int,
    near: bool = False,
    with_hidden: bool = False,
    at_least: int = 0,
) -> list[Found]:
    """Who the faces of some codes are.

    Args:
        store: of record, which has the names.
        index: of its codes.
        tenant: whose faces are searched.
        fingerprint: of the model that the codes come from.
        codes: uint8 (n, 32).
        k: matches a code.
        most: the largest distance, in bits, at which a face is near enough.
        near: look up in hash tables first and scan only for codes that have no match there.
        with_hidden: whether hidden people count.
        at_least: the change that the answer must know, as an enrolment gave it.

    Returns:
        One each, in the given order.

    Raises:
        OtherModel: the codes are of another model.
        IndexUnavailable: no part of the index answers.
    """
    with store.read() as connection:
        tenant_id = find_tenant(connection, tenant)
    query = Query(tenant_id or 0, codes, k, fingerprint, None, with_hidden, at_least)
    nearest = _nearest(index, query, most if near else None)
    ids = nearest.face_ids[(nearest.face_ids != NOBODY) & (nearest.distances <= most)]
    rows = _rows(store, np.unique(ids).tolist())
    return [
        _found(face_ids, distances, most, rows, nearest.partial)
        for face_ids, distances in zip(
            nearest.face_ids.tolist(), nearest.distances.tolist(), strict=True
        )
    ]


def score_of(distance: int) -> float:
    """The score of a distance in bits."""
    return 1 - distance / CODE_BITS


def _nearest(index: Searchable, query: Query, within: int | None) -> Nearest:
    if within is None:
        return index.search(query)
    found = index.search(_with(query, query.codes, within))
    if not query.k:
        return found
    without = np.flatnonzero(found.face_ids[:, 0] == NOBODY)
    if len(without):  # the tables may have missed one, and the nearest score is asked for
        scanned = index.search(_with(query, query.codes[without], None))
        found.face_ids[without] = scanned.face_ids
        found.distances[without] = scanned.distances
        missing = tuple(sorted({*found.missing_shards, *scanned.missing_shards}))
        return Nearest(found.face_ids, found.distances, missing)
    return found


def _with(query: Query, codes: np.ndarray, within: int | None) -> Query:
    return Query(
        query.tenant_id,
        codes,
        query.k,
        query.fingerprint,
        within,
        query.with_hidden,
        query.at_least,
    )


def _rows(store: IdentityStore, ids: Sequence[int]) -> dict[int, Any]:
    faces, people = schema.faces.c, schema.people.c
    found: dict[int, Any] = {}
    with store.read() as connection:
        for some in portions(ids):
            rows = connection.execute(
                select(faces.id, faces.person_id, faces.photo_id, people.name)
                .join(schema.people, people.id == faces.person_id, isouter=True)
                .where(faces.id.in_(some))
            )
            found |= {row.id: row for row in rows}
    return found


def _found(
    face_ids: Sequence[int],
    distances: Sequence[int],
    most: int,
    rows: Mapping[int, Any],
    partial: bool,
) -> Found:
    """A face that was forgotten between the index's answer and the store's is left out."""
    pairs = [(f, d) for f, d in zip(face_ids, distances, strict=True) if f != NOBODY]
    matches = tuple(
        Match(
            face_id,
            rows[face_id].person_id,
            rows[face_id].name or "",
            rows[face_id].photo_id,
            distance,
            score_of(distance),
        )
        for face_id, distance in pairs
        if distance <= most and face_id in rows
    )
    score = score_of(pairs[0][1]) if pairs else None
    return Found(matches[0].person if matches else UNKNOWN, score, matches, partial)
