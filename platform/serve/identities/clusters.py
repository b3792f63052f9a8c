"""Suggestions: which unnamed faces are of one person, and which people may be the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import select

from striate.core.errors import PayloadTooLarge
from striate.serve.identities import schema
from striate.serve.identities.answers import NOBODY
from striate.serve.identities.code_index import CodeIndex
from striate.serve.identities.code_rows import CodeRows
from striate.serve.identities.fingerprint import CODE_BITS, CODE_BYTES
from striate.serve.identities.store import IdentityStore, find_tenant, serving_model

NEIGHBOURS = 32
"""Nearest faces that are looked at for each: enough to join what belongs together."""
BATCH = 1024
MOST_FACES = 100_000
"""Of a tenant, to be grouped: each is compared with every other."""


@dataclass(frozen=True)
class FaceGroup:
    """Unnamed faces that are probably of one person.

    Attributes:
        face_ids: ascending.
        cover_face_id: the face with the least distance to the group's majority code.
        nearest_person_id: who of the named people is near enough to one of them; None for nobody.
        distance: of that person's nearest face, in bits; -1 for nobody.
    """

    face_ids: tuple[int, ...]
    cover_face_id: int
    nearest_person_id: int | None = None
    distance: int = -1


@dataclass(frozen=True)
class SamePerson:
    """Two people who may be one.

    Attributes:
        person_id: the one with the lower number.
        other_id: the other.
        distance: of their nearest faces, in bits.
        pairs: pairs of their faces that are near enough, as far as they were looked at.
    """

    person_id: int
    other_id: int
    distance: int
    pairs: int


@dataclass(frozen=True)
class Suggestions:
    """What a person may say yes to: the largest groups and the nearest people first."""

    groups: tuple[FaceGroup, ...]
    same_people: tuple[SamePerson, ...]


def suggest(
    store: IdentityStore, tenant: str, *, most: int, least_faces: int = 2, limit: int = 1000
) -> Suggestions:
    """Group a tenant's unnamed faces, and find people who may be the same; changes nothing.

    Hidden people are left out. The codes are read from the store, so that it holds for one moment.

    Args:
        store: of record.
        tenant: whose faces.
        most: the largest distance, in bits, at which two faces may be of one person.
        least_faces: of a group.
        limit: of groups and of pairs of people.

    Raises:
        PayloadTooLarge: the tenant has more than `MOST_FACES` faces to be looked at.
    """
    rows, people = _faces(store, tenant)
    near = list(near_pairs(rows, most))
    firsts = np.concatenate([first for first, _, _ in near] or [np.zeros(0, np.int64)])
    seconds = np.concatenate([second for _, second, _ in near] or [np.zeros(0, np.int64)])
    distances = np.concatenate([distance for _, _, distance in near] or [np.zeros(0, np.int64)])
    groups = _groups(rows, people, firsts, seconds, distances, least_faces)
    return Suggestions(
        tuple(groups[:limit]), tuple(_same_people(people, firsts, seconds, distances)[:limit])
    )


def near_pairs(
    rows: CodeRows, most: int, neighbours: int = NEIGHBOURS
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pairs of faces within a distance, each face with its nearest ones.

    Args:
        rows: of one tenant.
        most: the largest distance, in bits.
        neighbours: looked at for each face.

    Yields:
        Places of the first faces, places of the second ones, and distances; int64 (pairs,).
    """
    tenant = int(rows.tenant_ids[0]) if len(rows) else 0
    index = CodeIndex()
    index.update(rows)
    try:
        for start in range(0, len(rows), BATCH):
            found = index.search(tenant, rows.codes[start : start + BATCH], neighbours + 1)
            first = start + np.arange(len(found.face_ids))[:, None]
            second = np.searchsorted(rows.face_ids, found.face_ids)
            kept = (found.face_ids != NOBODY) & (found.distances <= most) & (second != first)
            yield (
                np.broadcast_to(first, kept.shape)[kept],
                second[kept],
                found.distances[kept].astype(np.int64),
            )
    finally:
        index.close()


def join(count: int, firsts: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """The smallest place of each place's component, int64 (count,): a union of pairs."""
    parent = list(range(count))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]  # the path is halved
            place = parent[place]
        return place

    for one, other in zip(firsts.tolist(), seconds.tolist(), strict=True):
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    return np.array([root(place) for place in range(count)], np.int64)


def binary_kmeans(
    codes: np.ndarray, centres: int, *, seed: int = 0, rounds: int = 20
) -> tuple[np.ndarray, np.ndarray]:
    """Binary k-means (Gong, Pawlowski, Yang, Brandy, Bourdev, Fergus, CVPR 2015, section 3).

    Codes go to the nearest centre in Hamming distance, the first of equally near ones; a centre is
    the majority of each bit, and keeps its bit on a tie. It ends when nothing moves.

    Args:
        codes: uint8 (n, 32).
        centres: how many, at most n; they begin at as many different codes where there are.
        seed: of the beginning.
        rounds: at most.

    Returns:
        The centre of each code, int64 (n,), and the centres, uint8 (centres, 32).
    """
    unique = np.unique(codes, axis=0)
    rng = np.random.Generator(np.random.Philox(seed))
    middle = unique[np.sort(rng.permutation(len(unique))[:centres])].copy()
    of_each = np.full(len(codes), -1, np.int64)
    for _ in range(rounds):
        index = CodeIndex()
        index.update(_as_rows(middle))
        nearest = np.concatenate(
            [
                index.search(0, codes[start : start + BATCH], 1).face_ids[:, 0]
                for start in range(0, len(codes), BATCH)
            ]
        )
        index.close()
        if (nearest == of_each).all():
            break
        of_each = nearest
        middle = _majorities(codes, of_each, middle)
    return of_each, middle


def _as_rows(codes: np.ndarray) -> CodeRows:
    count = len(codes)
    zeros = np.zeros(count, np.int64)
    return CodeRows(np.arange(count), zeros, np.zeros(count, bool), codes)


def _majorities(codes: np.ndarray, of_each: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The majority of each bit of each centre's codes."""
    ones = np.zeros((len(before), CODE_BITS), np.int64)
    np.add.at(ones, of_each, np.unpackbits(codes, axis=1))
    twice = 2 * ones - np.bincount(of_each, minlength=len(before))[:, None]
    bits = np.where(twice == 0, np.unpackbits(before, axis=1), twice > 0)
    return np.packbits(bits.astype(np.uint8), axis=1)


def _faces(store: IdentityStore, tenant: str) -> tuple[CodeRows, np.ndarray]:
    """A tenant's rows in the order of their numbers, and whose each is; 0 for nobody's."""
    faces, codes, people = schema.faces.c, schema.codes.c, schema.people.c
    with store.read() as connection:
        tenant_id, model = find_tenant(connection, tenant), serving_model(connection)
        if tenant_id is None or model is None:
            return CodeRows.empty(), np.zeros(0, np.int64)
        found = connection.execute(
            select(faces.id, faces.person_id, codes.code)
            .join(schema.codes, (codes.face_id == faces.id) & (codes.model_id == model.id))
            .join(schema.people, people.id == faces.person_id, isouter=True)
            .where(faces.tenant_id == tenant_id, people.hidden.is_not(True))
            .order_by(faces.id)
            .limit(MOST_FACES + 1)
        ).all()
    if len(found) > MOST_FACES:
        raise PayloadTooLarge(
            f"There are more than {MOST_FACES:,} faces to be grouped.",
            "Hide people for whom nothing needs to be suggested, or forget photos.",
        )
    rows = CodeRows.of(
        [row.id for row in found],
        [tenant_id] * len(found),
        [False] * len(found),
        b"".join(row.code for row in found),
    )
    return rows, np.array([row.person_id or 0 for row in found], np.int64)


def _groups(
    rows: CodeRows,
    people: np.ndarray,
    firsts: np.ndarray,
    seconds: np.ndarray,
    distances: np.ndarray,
    least_faces: int,
) -> list[FaceGroup]:
    unnamed = people == 0
    inside = unnamed[firsts] & unnamed[seconds]
    roots = join(len(rows), firsts[inside], seconds[inside])
    beside = unnamed[firsts] & ~unnamed[seconds]
    nearest = _nearest(roots[firsts[beside]], people[seconds[beside]], distances[beside])
    places = np.flatnonzero(unnamed)
    places = places[np.argsort(roots[places], kind="stable")]
    ends = np.flatnonzero(np.diff(roots[places])) + 1
    groups = []
    for mine in np.split(places, ends):  # sorted once: however many groups there are
        if len(mine) < max(1, least_faces):
            continue
        person, distance = nearest.get(int(roots[mine[0]]), (None, -1))
        ids = rows.face_ids[mine]
        cover = int(ids[_most_central(rows.codes[mine])])
        groups.append(FaceGroup(tuple(ids.tolist()), cover, person, distance))
    return sorted(groups, key=lambda group: (-len(group.face_ids), group.face_ids))


def _nearest(
    roots: np.ndarray, people: np.ndarray, distances: np.ndarray
) -> dict[int, tuple[int | None, int]]:
    """By root the nearest person, the first of equally near ones, and the distance."""
    order = np.lexsort((people, distances, roots))
    found, first = np.unique(roots[order], return_index=True)
    chosen = order[first]
    pairs = zip(people[chosen].tolist(), distances[chosen].tolist(), strict=True)
    return dict(zip(found.tolist(), pairs, strict=True))


def _most_central(codes: np.ndarray) -> int:
    """The place of the code that is nearest to the majority of all, the first of equals."""
    start = np.zeros((1, CODE_BYTES), np.uint8)
    majority = _majorities(codes, np.zeros(len(codes), np.int64), start)
    return int(np.bitwise_count(codes ^ majority).sum(axis=1).argmin())


def _same_people(
    people: np.ndarray, firsts: np.ndarray, seconds: np.ndarray, distances: np.ndarray
) -> Sequence[SamePerson]:
    low = np.minimum(people[firsts], people[seconds])
    high = np.maximum(people[firsts], people[seconds])
    kept = (low > 0) & (low != high)
    found: dict[tuple[int, int], tuple[int, set[tuple[int, int]]]] = {}
    for one, other, distance, first, second in zip(
        low[kept].tolist(),
        high[kept].tolist(),
        distances[kept].tolist(),
        firsts[kept].tolist(),
        seconds[kept].tolist(),
        strict=True,
    ):
        least, pairs = found.get((one, other), (distance, set()))
        pairs.add((min(first, second), max(first, second)))  # each is found from both its ends
        found[one, other] = (min(least, distance), pairs)
    suggested = [SamePerson(*key, least, len(pairs)) for key, (least, pairs) in found.items()]
    return sorted(suggested, key=lambda pair: (pair.distance, pair.person_id, pair.other_id))
