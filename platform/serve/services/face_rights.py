"""What a person may ask for, Forget and Export, and what is suggested about people, Cluster."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from striate.core.errors import RequestError
from striate.serve.identities.clusters import Suggestions, suggest
from striate.serve.identities.export import HeldFace, HeldPerson, export_person
from striate.serve.identities.faces import check_photo_id
from striate.serve.identities.fingerprint import ModelFingerprint
from striate.serve.identities.forget import (
    Forgotten,
    forget_person,
    forget_photo,
    forget_tenant,
)
from striate.serve.identities.listing import ListedFace
from striate.serve.identities.search import score_of
from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb
from striate.serve.services.face_context import FaceCall, FaceContext, read_request
from striate.serve.services.face_messages import (
    MOST_NUMBERS,
    fingerprint_message,
    kept_message,
    person_message,
    read_limit,
    read_threshold,
)

MOST_IN_GROUP = 1_000_000
"""Of `least_faces`."""
MOST_LINES = 1000
"""Of the audit, and events, in one message of an export: far below what a message may hold."""


async def cluster(context: FaceContext, message: Any, face: FaceCall) -> pb.ClusterResponse:
    """Which unnamed faces are of one person, and which people may be the same."""
    _, most = read_threshold(message, context.settings.threshold)
    limit = read_limit(message.limit)
    if message.least_faces > MOST_IN_GROUP:
        raise RequestError(f"least_faces is {message.least_faces}; at most a million is allowed.")
    found: Suggestions = await context.clusters.run(
        suggest,
        context.kept.store,
        face.tenant,
        most=most,
        least_faces=message.least_faces or 2,
        limit=limit,
    )
    face.details |= {"groups": len(found.groups), "same_people": len(found.same_people)}
    return pb.ClusterResponse(
        groups=[
            pb.FaceGroup(
                face_ids=group.face_ids[:MOST_NUMBERS],
                cover_face_id=group.cover_face_id,
                nearest_person_id=group.nearest_person_id or 0,
                score=0.0 if group.nearest_person_id is None else score_of(group.distance),
            )
            for group in found.groups
        ],
        same_people=[
            pb.SamePerson(
                person_id=pair.person_id,
                other_id=pair.other_id,
                score=score_of(pair.distance),
                pairs=pair.pairs,
            )
            for pair in found.same_people
        ],
    )


async def forget(context: FaceContext, message: Any, face: FaceCall) -> pb.ForgetResponse:
    """Forget a person, a photo or everybody; the counts prove it."""
    what = message.WhichOneof("what")
    if what is None or not getattr(message, what):
        raise RequestError(
            "The request does not say whom to forget.", "Name a person or a photo, or `everything`."
        )
    kept = context.kept
    who: list[Any] = [message.person_id]
    if what == "photo_id":
        who = [check_photo_id(message.photo_id)]
    elif what == "everything":
        who = []
    verbs: dict[str, Callable[..., Forgotten]] = {
        "person_id": forget_person,
        "photo_id": forget_photo,
        "everything": forget_tenant,
    }
    gone = await context.run(
        verbs[what], kept.store, kept.crops, [kept.index], face.tenant, *who, who=face.who
    )
    face.noted = True
    return pb.ForgetResponse(
        faces=gone.faces,
        descriptors=gone.descriptors,
        codes=gone.codes,
        people=gone.people,
        crops=gone.crops,
        events=gone.events,
        left=gone.left,
        gone=not any(gone.left.values()),
    )


async def export(context: FaceContext, face: FaceCall) -> None:
    """All that is held of a person, on a stream."""
    message = await read_request(face, pb.ExportRequest)
    context.check_region(message.region, always=True)
    kept = context.kept
    held = await context.run(
        export_person, kept.store, kept.crops, face.tenant, message.person_id, who=face.who
    )
    face.noted = True
    for person in _person(held):
        await _write(face, pb.ExportResponse(person=person))
    while (one := await context.run(next, held.faces, None)) is not None:
        await _write(face, pb.ExportResponse(face=_face(one, message.person_id)))


async def _write(face: FaceCall, message: pb.ExportResponse) -> None:
    await face.call.context.write(message.SerializeToString())


def _person(held: HeldPerson) -> Iterator[pb.ExportedPerson]:
    """The person with the first lines, and then more lines where there are."""
    lines = [
        pb.AuditLine(
            at_unix_s=line.at_unix_s, who=line.who, verb=line.verb, details=json.dumps(line.details)
        )
        for line in held.records
    ]
    for start in range(0, max(1, len(lines), len(held.events)), MOST_LINES):
        some = slice(start, start + MOST_LINES)
        person = None if start else person_message(held.person)
        yield pb.ExportedPerson(person=person, audit=lines[some], events=held.events[some])


def _face(held: HeldFace, person_id: int) -> pb.ExportedFace:
    kept = ListedFace(
        held.id,
        person_id,
        held.photo_id,
        held.box,
        held.quality,
        held.by_hand,
        held.enrolled_unix_s,
        None,
    )
    return pb.ExportedFace(
        face=kept_message(kept, held.crop or b""),
        descriptors=[
            pb.Descriptor(
                vector=one.descriptor,
                code=one.code,
                model=fingerprint_message(ModelFingerprint.model_validate_json(one.fingerprint)),
            )
            for one in held.descriptions
        ],
    )
