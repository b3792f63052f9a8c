"""Calls that look at faces and keep nothing: Detect, Describe, Verify, Search."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from striate.core.errors import RequestError
from striate.serve.identities.errors import NoFace, SeveralFaces
from striate.serve.identities.faces import check_photo_id
from striate.serve.identities.search import Found, identify, score_of
from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb
from striate.serve.services.face_context import FaceCall, FaceContext
from striate.serve.services.face_messages import (
    described,
    detected,
    found_message,
    model_message,
    model_name,
    read_box,
    read_codes,
    read_threshold,
)
from striate.serve.services.face_models import FaceModel
from striate.serve.webhooks.sightings import Sighting

MOST_DESCRIPTORS = 1000
MOST_MATCHES = 1000


async def detect(context: FaceContext, message: Any, face: FaceCall) -> pb.DetectResponse:
    """Where the faces of a photo are."""
    model = await _serving(context)
    photo = await context.see(model, message.image, face, describe=False)
    face.details["faces"] = len(photo.faces)
    return pb.DetectResponse(
        faces=[detected(one, context.settings.quality) for one in photo.faces],
        width_px=photo.width,
        height_px=photo.height,
        detector=model_name(model.detector),
    )


async def describe(context: FaceContext, message: Any, face: FaceCall) -> pb.DescribeResponse:
    """The faces of a photo, each with its description."""
    model = await _serving(context)
    photo = await context.see(model, message.image, face, only=read_box(message))
    face.details["faces"] = len(photo.faces)
    origin = model_message(model)
    return pb.DescribeResponse(
        faces=[
            pb.DescribedFace(
                face=detected(one, context.settings.quality), descriptor=described(one, origin)
            )
            for one in photo.faces
        ]
    )


async def _serving(context: FaceContext) -> FaceModel:
    """The model that the store serves now, whichever replica let it."""
    return await context.run(context.models.choose, context.kept.store)


async def verify(context: FaceContext, message: Any, face: FaceCall) -> pb.VerifyResponse:
    """Whether two faces are of one person."""
    threshold, most = read_threshold(message, context.settings.threshold)

    async def work(model: FaceModel) -> int:
        first = await _one_code(context, model, message.first, face)
        second = await _one_code(context, model, message.second, face)
        return int(np.bitwise_count(first ^ second).sum())

    distance = await context.with_model(work)
    face.details["same"] = int(distance <= most)
    return pb.VerifyResponse(same=distance <= most, score=score_of(distance), threshold=threshold)


async def search(context: FaceContext, message: Any, face: FaceCall) -> pb.SearchResponse:
    """Who the faces of a photo, or of descriptors, are."""
    threshold, most = read_threshold(message, context.settings.threshold)
    k = _top_k(message.top_k)
    check_photo_id(message.photo_id)
    _check_asked(message)

    async def work(model: FaceModel) -> tuple[list[Found], list[pb.DetectedFace | None]]:
        codes, faces = await _asked(context, model, message, face)
        found = await context.run(look_up, context, face.tenant, model, codes, k, most)
        return found, faces

    found, faces = await context.with_model(work)
    await context.tell(sightings(face.tenant, message.photo_id, found))
    note_found(face, found)
    return pb.SearchResponse(
        faces=[found_message(*pair) for pair in zip(found, faces, strict=True)],
        threshold=threshold,
        partial=any(one.partial for one in found),
    )


def note_found(face: FaceCall, found: Sequence[Found]) -> None:
    """What the audit notes of a search."""
    people = {one.matches[0].person_id for one in found if one.matches}
    face.details |= {
        "faces": len(found),
        "known": sum(bool(one.matches) for one in found),
        "people": sorted(person for person in people if person is not None),
    }


def sightings(tenant: str, photo_id: str, found: Sequence[Found]) -> list[Sighting]:
    """What webhooks are told: each face that was asked after, or that there was none."""
    if not found:
        return [Sighting(tenant, "no_face", photo_id)]
    return [
        Sighting(
            tenant,
            "known" if one.matches else "unknown",
            photo_id,
            one.matches[0].person_id if one.matches else None,
            one.matches[0].person if one.matches else "",
            one.score,
        )
        for one in found
    ]


def _top_k(asked: int) -> int:
    if asked > MOST_MATCHES:
        raise RequestError(f"top_k is {asked}; at most {MOST_MATCHES:,} is allowed.")
    return asked or 1


def _check_asked(message: Any) -> None:
    """Whether it asks for the faces of a photo, or of descriptors, and not of both."""
    if bool(message.image) == bool(message.descriptors):
        raise RequestError("A search takes an image or descriptors.", "Send one of the two.")
    if len(message.descriptors) > MOST_DESCRIPTORS:
        raise RequestError(
            f"The search has {len(message.descriptors):,} descriptors.",
            f"Send up to {MOST_DESCRIPTORS:,} at a time.",
        )


async def _asked(
    context: FaceContext, model: FaceModel, message: Any, face: FaceCall
) -> tuple[np.ndarray, list[pb.DetectedFace | None]]:
    """The codes that are searched, uint8 (n, 32), and the face of each where there is a photo."""
    if message.descriptors:
        codes = await context.run(read_codes, message.descriptors, model)
        return codes, [None] * len(codes)
    photo = await context.see(model, message.image, face, only=read_box(message))
    faces: list[pb.DetectedFace | None] = [
        detected(one, context.settings.quality) for one in photo.faces
    ]
    return _codes([one.code for one in photo.faces]), faces


def _codes(codes: Sequence[np.ndarray | None]) -> np.ndarray:
    described = [code for code in codes if code is not None]
    return np.stack(described) if described else np.zeros((0, 32), np.uint8)


def look_up(
    context: FaceContext, tenant: str, model: FaceModel, codes: np.ndarray, k: int, most: int
) -> list[Found]:
    """Who the faces of codes are, uint8 (n, 32); knows every enrolment that was answered before.

    Runs in a thread.

    Raises:
        OtherModel: another model serves.
        IndexUnavailable: no part of the index answers.
    """
    kept = context.kept
    if not len(codes):
        return []
    return identify(
        kept.store,
        kept.index,
        tenant,
        model.fingerprint,
        codes,
        k=k,
        most=most,
        near=context.settings.hash_tables is not None,
        at_least=kept.store.newest_change(),
    )


async def _one_code(context: FaceContext, model: FaceModel, one: Any, face: FaceCall) -> np.ndarray:
    """The code of the one face that is meant.

    Raises:
        NoFace, SeveralFaces: the photo holds none, or several.
    """
    kind = one.WhichOneof("source")
    if kind is None:
        raise RequestError("A face is missing.", "Send an image or a descriptor for each of two.")
    if kind == "descriptor":
        described: np.ndarray = (await context.run(read_codes, [one.descriptor], model))[0]
        return described
    only = read_box(one)
    photo = await context.see(model, one.image, face, only=only)
    if not photo.faces:
        raise no_face(only is not None)
    if len(photo.faces) > 1:
        raise SeveralFaces(
            f"The photo holds {len(photo.faces)} faces.", "Say with `only` where the one is."
        )
    code: np.ndarray = _codes([photo.faces[0].code])[0]
    return code


def no_face(at_a_place: bool) -> NoFace:
    """That a photo holds no face, or none where one was said to be."""
    if at_a_place:
        return NoFace(
            "The photo holds no face at the place of `only`.", "Detect says where faces are."
        )
    return NoFace("The photo holds no face.", "Send one that shows a face upright and not tiny.")
