"""What an index reads of the store: all codes, or those of the faces that changed since."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, delete, select

from striate.serve.identities import schema
from striate.serve.identities.code_rows import CodeRows
from striate.serve.identities.sharding import FaceShare
from striate.serve.identities.store import (
    EVERY_FACE,
    IdentityStore,
    count_rows,
    counter,
    set_counter,
)
from striate.serve.sql.store import portions

PAGE = 100_000
WHOLE = FaceShare()


@dataclass(frozen=True)
class Delta:
    """How faces changed since a change number.

    Attributes:
        seq: the newest change in it.
        rows: what changed faces are now.
        gone: numbers of faces that are no more, int64 (n,).
        gone_tenants: tenants that are no more.
    """

    seq: int
    rows: CodeRows
    gone: np.ndarray
    gone_tenants: tuple[int, ...] = ()


def count_codes(store: IdentityStore, model_id: int, share: FaceShare = WHOLE) -> int:
    """How many codes of a model the store has, in one share of the faces."""
    codes = schema.codes.c
    with store.read() as connection:
        return count_rows(
            connection, schema.codes, codes.model_id == model_id, share.holds(codes.face_id)
        )


def all_rows(store: IdentityStore, model_id: int, share: FaceShare = WHOLE) -> Iterator[CodeRows]:
    """Every code of a model in one share of the faces, in pages, ordered by face.

    Changes that are committed meanwhile may be in it or not: read the newest change number before,
    and follow from there.
    """
    last = 0
    while True:
        with store.read() as connection:
            faces = schema.faces.c
            page = _rows(connection, model_id, (faces.id > last) & share.holds(faces.id), PAGE)
        if not len(page):
            return
        yield page
        last = int(page.face_ids[-1])


def changes_since(
    store: IdentityStore, model_id: int, seq: int, limit: int, share: FaceShare = WHOLE
) -> Delta | None:
    """What changed after a change number.

    Args:
        store: of record.
        model_id: whose codes.
        seq: the newest change that the index has.
        limit: changes at a time.
        share: which faces the index holds.

    Returns:
        None where they are no longer listed: the index must be made anew. The same where the model
        serves no longer: its codes may be deleted already, and faces would seem to be gone.
    """
    with store.read() as connection:
        if seq < counter(connection, "pruned") or seq > counter(connection, "change"):
            return None  # pruned away, or a snapshot of another store
        table = schema.changes.c
        found = connection.execute(
            select(table.seq, table.tenant_id, table.face_id)
            .where(table.seq > seq)
            .order_by(table.seq)
            .limit(limit)
        ).all()
        if not found:
            return Delta(seq, CodeRows.empty(), np.zeros(0, np.int64))
        tenants = {row.tenant_id for row in found if row.face_id == EVERY_FACE}
        ids = np.array(sorted({row.face_id for row in found} - {EVERY_FACE}), np.int64)
        ids = ids[share.holds(ids)]
        rows = _rows_of(connection, model_id, ids.tolist())
        if _is_retired(connection, model_id):  # asked after the rows were read
            return None
    gone = np.setdiff1d(ids, rows.face_ids, assume_unique=True)
    return Delta(found[-1].seq, rows, gone, tuple(sorted(tenants)))


def _is_retired(connection: Connection, model_id: int) -> bool:
    models = schema.models.c
    state = connection.execute(select(models.state).where(models.id == model_id)).scalar_one()
    return bool(state == "retired")


def _rows_of(connection: Connection, model_id: int, ids: Sequence[int]) -> CodeRows:
    parts = [_rows(connection, model_id, schema.faces.c.id.in_(some)) for some in portions(ids)]
    return CodeRows.concatenate(parts)


def _rows(
    connection: Connection, model_id: int, condition: Any, limit: int | None = None
) -> CodeRows:
    faces, codes, people = schema.faces.c, schema.codes.c, schema.people.c
    found = connection.execute(
        select(faces.id, faces.tenant_id, people.hidden, codes.code)
        .join(schema.codes, (codes.face_id == faces.id) & (codes.model_id == model_id))
        .join(schema.people, people.id == faces.person_id, isouter=True)
        .where(condition)
        .order_by(faces.id)
        .limit(limit)
    ).all()
    return CodeRows.of(
        [row.id for row in found],
        [row.tenant_id for row in found],
        [bool(row.hidden) for row in found],
        b"".join(row.code for row in found),
    )


def prune_changes(store: IdentityStore, up_to: int) -> int:
    """List changes up to that one no longer; an index that has not seen them is made anew.

    Returns:
        How many went.
    """
    table = schema.changes
    with store.write() as connection:
        up_to = min(up_to, counter(connection, "change"))
        if up_to <= counter(connection, "pruned"):
            return 0
        set_counter(connection, "pruned", up_to)
        return connection.execute(delete(table).where(table.c.seq <= up_to)).rowcount
