"""Enrolling faces: checked, known again where they are there already, kept in one transaction."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import select

from striate.core.errors import StriateError, UsageError
from striate.serve.common.face_types import UNMEASURED
from striate.serve.identities import schema
from striate.serve.identities.crops import CropFolder
from striate.serve.identities.errors import OtherModel
from striate.serve.identities.face_batch import (
    ANY_FACE,
    Enrolled,
    EnrolmentRules,
    FaceBatch,
    Outcome,
)
from striate.serve.identities.faces import NewFace
from striate.serve.identities.fingerprint import ModelFingerprint, check_descriptions
from striate.serve.identities.store import (
    LONGEST_NAME,
    IdentityStore,
    KnownModel,
    add_model,
    check_name,
    make_tenant,
    serving_model,
    write_audit,
)
from striate.serve.sql.store import portions


@dataclass(frozen=True)
class Enrolment:
    """What became of a call's faces: in the given order, all on the disk.

    Attributes:
        faces: one each.
        change: number of the newest change; an index that has it knows them all.
    """

    faces: tuple[Enrolled, ...]
    change: int


def use_model(store: IdentityStore, fingerprint: ModelFingerprint, name: str) -> KnownModel:
    """The serving model of a store, which a new store takes from its first caller.

    Raises:
        OtherModel: another one serves.
    """
    with store.read() as connection:
        serving = serving_model(connection)
    if serving is None:
        with store.write() as connection:
            serving = serving_model(connection)
            if serving is None:
                return add_model(connection, fingerprint, name, "serving")
    serving.fingerprint.check_same(fingerprint)
    return serving


def enroll(
    store: IdentityStore,
    crops: CropFolder | None,
    tenant: str,
    fingerprint: ModelFingerprint,
    new: Sequence[NewFace],
    *,
    who: str,
    rules: EnrolmentRules = ANY_FACE,
) -> Enrolment:
    """Enrol faces; what is returned is on the disk.

    A face is known already where the tenant has one with the same descriptor, or in the same photo
    at the same place: then its name, and what people corrected by hand, stay.

    Args:
        store: of record.
        crops: where crops are kept; None keeps none.
        tenant: in whose name.
        fingerprint: of the model that described the faces.
        new: the faces.
        who: the caller, for the audit.
        rules: of the deployment.

    Raises:
        OtherModel: a description is not of the serving model.
        UsageError: a name that cannot be kept.
        StoreFull, StoreBusy, PlatformError: nothing of the call was kept.
    """
    model = use_model(store, fingerprint, "")
    if not new:
        return Enrolment((), store.newest_change())
    _check(fingerprint, new)
    gate = [_gate(face, rules) for face in new]
    keys = _keep_crops(crops, new, gate)
    try:
        with store.write() as connection:
            serving = serving_model(connection)
            if serving is None or serving.id != model.id:
                raise OtherModel("The serving model has just changed.", "Describe the face again.")
            tenant_id = make_tenant(connection, tenant)
            batch = FaceBatch(connection, tenant_id, model.id, rules)
            done = batch.place(new, gate, keys)
            change = batch.insert()
            counts = {name: sum(f.outcome == name for f in done) for name in _OUTCOMES}
            write_audit(connection, who, "enroll", tenant_id, **counts)
    except StriateError:
        _remove_unnamed(store, crops, keys.values())
        raise
    if crops is not None:
        crops.remove(key for place, key in keys.items() if done[place].outcome != "enrolled")
    return Enrolment(tuple(done), change)


_OUTCOMES: tuple[Outcome, ...] = ("enrolled", "known", "refused")


def _check(fingerprint: ModelFingerprint, new: Sequence[NewFace]) -> None:
    for face in new:
        check_descriptions(fingerprint, face.descriptor[None], face.code[None])
        if not 0 < len(face.photo_id) <= LONGEST_NAME:
            raise UsageError(f"A photo's id has 1 to {LONGEST_NAME} characters.")
        if face.person is not None:
            check_name("person", face.person)


def _gate(face: NewFace, rules: EnrolmentRules) -> StriateError | None:
    if face.quality == UNMEASURED:  # described elsewhere, by whoever answers for it
        return None
    try:
        rules.limits.check(face.quality)
    except StriateError as error:
        return error
    return None


def _keep_crops(
    crops: CropFolder | None, new: Sequence[NewFace], gate: Sequence[StriateError | None]
) -> dict[int, str]:
    """The key of each crop by the face's place; files come before the rows that name them."""
    keys: dict[int, str] = {}
    if crops is not None:
        try:
            for place, face in enumerate(new):
                if face.crop is not None and gate[place] is None:
                    keys[place] = crops.keep(face.crop)
        except BaseException:
            crops.remove(keys.values())
            raise
    return keys


def _remove_unnamed(store: IdentityStore, crops: CropFolder | None, keys: Collection[str]) -> None:
    """Remove the crops of a call that failed; a commit may have come through for all that."""
    if crops is None or not keys:
        return
    with suppress(StriateError), store.read() as connection:
        for some in portions(keys):
            named = select(schema.faces.c.crop).where(schema.faces.c.crop.in_(some))
            crops.remove(set(some) - set(connection.execute(named).scalars()))
