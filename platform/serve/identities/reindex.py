"""A change of model: faces described anew from crops while the old one serves, then a switch.

Codes of two models are never compared, even of equal dimension. The same weights under a new name
are the same model, and need none of this.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, and_, delete, func, insert, select, update

from striate.core.errors import RequestError
from striate.serve.identities import schema
from striate.serve.identities.crops import CropFolder
from striate.serve.identities.errors import OtherModel
from striate.serve.identities.face_batch import digest_of, vector_bytes
from striate.serve.identities.fingerprint import ModelFingerprint, check_descriptions
from striate.serve.identities.store import (
    IdentityStore,
    KnownModel,
    add_model,
    count_rows,
    known_models,
    record_changes,
    serving_model,
    write_audit,
)

Describe = Callable[[Sequence[bytes]], tuple[np.ndarray, np.ndarray]]
"""From n crops to descriptors, float32 (n, dimension), and codes, uint8 (n, 32)."""
BATCH = 64
DROPPED_AT_A_TIME = 10_000


@dataclass(frozen=True)
class ReindexPlan:
    """What a change of model asks for.

    Attributes:
        needed: whether faces must be described anew.
        why: in one sentence.
        faces: in the store.
        waiting: those still to be described from their crops.
        without_crop: those that cannot be: no crop of them is kept.
    """

    needed: bool
    why: str
    faces: int = 0
    waiting: int = 0
    without_crop: int = 0


def plan_reindex(store: IdentityStore, fingerprint: ModelFingerprint) -> ReindexPlan:
    """What it takes to serve with that model; changes nothing."""
    with store.read() as connection:
        serving = serving_model(connection)
        faces = count_rows(connection, schema.faces)
        if serving is None:
            return ReindexPlan(False, "No face was enrolled yet.")
        if serving.fingerprint == fingerprint:
            return ReindexPlan(False, "It is the model that serves: the weights are equal.", faces)
        known = {model.fingerprint: model.id for model in known_models(connection)}
        model_id = known.get(fingerprint, 0)
        crop = schema.faces.c.crop
        return ReindexPlan(
            True,
            _difference(serving.fingerprint, fingerprint),
            faces,
            _count_missing(connection, model_id, crop.is_not(None)),
            _count_missing(connection, model_id, crop.is_(None)),
        )


def reindex(
    store: IdentityStore,
    crops: CropFolder,
    fingerprint: ModelFingerprint,
    name: str,
    describe: Describe,
    *,
    who: str,
    leave_out: bool = False,
    progress: Callable[[int], None] = lambda done: None,
    prepare: Callable[[], object] = lambda: None,
) -> KnownModel:
    """Describe every face anew, and then let the new model serve.

    It can be killed at any moment and called again: each batch is one transaction, and the switch
    is one. Until then the old model serves, and faces that are enrolled meanwhile are described by
    it and then anew. Afterwards the old descriptions are deleted.

    Args:
        store: of record.
        crops: where crops are kept.
        fingerprint: of the new model.
        name: of the new model.
        describe: the new model.
        who: the caller, for the audit.
        leave_out: faces without a crop, or whose crop cannot be described, are found no more.
        progress: told how many faces were described, after each batch.
        prepare: makes the index ready for the new model, before it serves.

    Returns:
        The model that serves now.

    Raises:
        OtherModel: a face cannot be described anew, and leaving it out was not asked for; the old
            model goes on serving.
    """
    with store.write() as connection:
        serving = serving_model(connection)
        if serving is None or serving.fingerprint == fingerprint:
            return add_model(connection, fingerprint, name, "serving")
        models = schema.models
        connection.execute(  # one that was begun and given up
            update(models).where(models.c.state == "building").values(state="retired")
        )
        model = add_model(connection, fingerprint, name, "building")
    last = 0
    while True:
        batch = _waiting(store, model.id, last)
        if batch:
            progress(_describe(store, crops, model, describe, batch))
            last = batch[-1].id
            continue
        prepare()
        if _switched(store, model.id, last, who, leave_out):
            break  # else somebody was enrolled meanwhile
    drop_retired(store)
    return KnownModel(model.id, model.name, model.fingerprint, "serving")


def drop_retired(store: IdentityStore) -> int:
    """Delete what models that no longer serve said of faces; in parts, so that nobody waits long.

    Returns:
        How many descriptions went.
    """
    dropped = 0
    models, codes, vectors = schema.models.c, schema.codes, schema.descriptors
    retired = select(models.id).where(models.state == "retired")
    while True:
        with store.write() as connection:
            mine = codes.c.model_id.in_(retired)
            part = select(codes.c.face_id).where(mine).order_by(codes.c.face_id)
            limited = part.limit(DROPPED_AT_A_TIME).subquery()
            last = connection.execute(select(func.max(limited.c.face_id))).scalar_one()
            if last is None:
                return dropped
            for table in (vectors, codes):  # together: a face has both or neither
                mine = table.c.model_id.in_(retired) & (table.c.face_id <= last)
                gone = connection.execute(delete(table).where(mine)).rowcount
            dropped += gone


def _difference(old: ModelFingerprint, new: ModelFingerprint) -> str:
    old_values, new_values = old.model_dump(), new.model_dump()
    names = [name.replace("_", " ") for name in old_values if old_values[name] != new_values[name]]
    return f"Another {' and '.join(names)}: codes of the two cannot be compared."


def _undescribed(model_id: int) -> Any:
    """The condition that a face has no description by that model."""
    codes = schema.codes.c
    described = select(codes.face_id).where(
        and_(codes.face_id == schema.faces.c.id, codes.model_id == model_id)
    )
    return ~described.exists()


def _count_missing(connection: Connection, model_id: int, *where: Any) -> int:
    return count_rows(connection, schema.faces, _undescribed(model_id), *where)


def _waiting(store: IdentityStore, model_id: int, last: int) -> list[Any]:
    """The next faces that the model has not described and that have a crop."""
    faces = schema.faces.c
    with store.read() as connection:
        return list(
            connection.execute(
                select(faces.id, faces.crop)
                .where(faces.id > last, faces.crop.is_not(None), _undescribed(model_id))
                .order_by(faces.id)
                .limit(BATCH)
            )
        )


def _describe(
    store: IdentityStore,
    crops: CropFolder,
    model: KnownModel,
    describe: Describe,
    batch: Sequence[Any],
) -> int:
    """Describe some faces and keep it, but for those that were forgotten meanwhile."""
    kept = [(row.id, crop) for row in batch if (crop := crops.read(row.crop)) is not None]
    told = _descriptions(model, describe, kept)
    if not told:
        return 0
    with store.write() as connection:
        waiting = _still_waiting(connection, model.id, list(told))
        rows: list[dict[str, Any]] = [
            {
                "face_id": face_id,
                "model_id": model.id,
                "digest": digest_of(vector),
                "vector": vector_bytes(vector),
                "code": code.tobytes(),
            }
            for face_id, (vector, code) in told.items()
            if face_id in waiting
        ]
        for table in (schema.descriptors, schema.codes):
            names = [column.name for column in table.columns]
            if rows:
                connection.execute(insert(table), [{n: row[n] for n in names} for row in rows])
        for tenant_id in set(waiting.values()):  # so that indexes of the new model follow
            theirs = [row["face_id"] for row in rows if waiting[row["face_id"]] == tenant_id]
            record_changes(connection, tenant_id, theirs)
    return len(rows)


def _descriptions(
    model: KnownModel, describe: Describe, kept: Sequence[tuple[int, bytes]]
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Descriptor and code by face; one whose crop is no picture is missing, and stops no other."""
    if not kept:
        return {}
    try:
        vectors, codes = describe([crop for _, crop in kept])
    except RequestError:
        if len(kept) == 1:
            return {}
        alone = [_descriptions(model, describe, [one]) for one in kept]
        return {face_id: told for one in alone for face_id, told in one.items()}
    check_descriptions(model.fingerprint, vectors, codes)
    ids = [face_id for face_id, _ in kept]
    return dict(zip(ids, zip(vectors, codes, strict=True), strict=True))


def _still_waiting(connection: Connection, model_id: int, ids: Sequence[int]) -> dict[int, int]:
    """Tenants by face: of those that are there and no other reindex described meanwhile."""
    faces = schema.faces.c
    wanted = faces.id.in_(ids) & _undescribed(model_id)
    found = connection.execute(select(faces.id, faces.tenant_id).where(wanted))
    return {row.id: row.tenant_id for row in found}


def _switched(store: IdentityStore, model_id: int, last: int, who: str, leave_out: bool) -> bool:
    """Let the new model serve, unless faces came after `last` that it can still describe."""
    faces, models = schema.faces.c, schema.models
    with store.write() as connection:
        if _count_missing(connection, model_id, faces.id > last, faces.crop.is_not(None)):
            return False
        missing = _count_missing(connection, model_id)
        if missing and not leave_out:
            raise OtherModel(
                f"{missing} faces cannot be described anew, for no crop of them is kept that is a "
                f"picture of its size; the old model goes on serving.",
                "Enrol them again with crops, forget them, or ask for them to be left out.",
            )
        connection.execute(
            update(models).where(models.c.state == "serving").values(state="retired")
        )
        connection.execute(update(models).where(models.c.id == model_id).values(state="serving"))
        described = count_rows(connection, schema.codes, schema.codes.c.model_id == model_id)
        write_audit(connection, who, "reindex", faces=described, left_out=missing)
    return True
