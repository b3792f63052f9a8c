"""Enroll: the faces of a photo, kept under a name or none."""

import hashlib
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from striate.core.arrays import Pixels
from striate.core.errors import RequestError
from striate.data.transforms.image.decode import decode_image
from striate.serve.common.face_types import SeenFace, SeenPhoto
from striate.serve.identities.enroll import Enrolment, enroll
from striate.serve.identities.errors import SeveralFaces
from striate.serve.identities.face_batch import Enrolled
from striate.serve.identities.faces import NewFace, check_photo_id
from striate.serve.predictors.face_crops import CROP_SIDE
from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb
from striate.serve.services.face_context import FaceCall, FaceContext
from striate.serve.services.face_looking import no_face
from striate.serve.services.face_messages import detected, failure, read_box
from striate.serve.services.face_models import FaceModel

MOST_CROP_BYTES = 2 * 3 * CROP_SIDE**2
"""Of an imported crop: twice its pixels, which a PNG of them never reaches."""
OUTCOMES = {
    "enrolled": pb.ENROLL_OUTCOME_ENROLLED,
    "known": pb.ENROLL_OUTCOME_KNOWN,
    "refused": pb.ENROLL_OUTCOME_REFUSED,
}


async def enroll_photo(context: FaceContext, message: Any, face: FaceCall) -> pb.EnrollResponse:
    """Keep the faces of a photo.

    Raises:
        NoFace, SeveralFaces: it holds none, or several where a name is given.
        PoorFace, DuplicateFace: of all of its faces; nothing was kept.
    """
    only = read_box(message)
    photo_id = await context.run(photo_id_of, message.photo_id, message.image)

    async def work(model: FaceModel) -> tuple[SeenPhoto, Enrolment]:
        photo = await context.see(model, message.image, face, only=only)
        if not photo.faces:
            raise no_face(only is not None)
        if message.person and len(photo.faces) > 1:
            raise SeveralFaces(
                f"The photo holds {len(photo.faces)} faces, and the name is of one person.",
                "Say with `only` where they are.",
            )
        people = [message.person or None] * len(photo.faces)
        done = await context.run(keep, context, face, model, photo_id, photo.faces, people)
        return photo, done

    photo, enrolment = await context.with_model(work)
    face.noted = True
    raise_if_nothing(enrolment.faces, again=message.again)
    return pb.EnrollResponse(
        photo_id=photo_id,
        faces=[
            _enrolled(seen, done, context)
            for seen, done in zip(photo.faces, enrolment.faces, strict=True)
        ],
    )


def photo_id_of(given: str, image: bytes) -> str:
    """What a photo is called: as its sender says, or the image's SHA-256; belongs in a thread.

    Raises:
        RequestError: it cannot be called so.
    """
    return check_photo_id(given) or hashlib.sha256(image).hexdigest()


def keep(
    context: FaceContext,
    face: FaceCall,
    model: FaceModel,
    photo_id: str,
    faces: Sequence[SeenFace],
    people: Sequence[str | None],
) -> Enrolment:
    """Enrol the faces of one photo, each under its name or none; runs in a thread.

    Raises:
        StriateError: as `striate.serve.identities.enroll.enroll`.
    """
    kept = context.kept
    new = [
        new_face(seen, photo_id, person, crop=kept.new_crops is not None)
        for seen, person in zip(faces, people, strict=True)
    ]
    rules, fingerprint = context.settings.rules, model.fingerprint
    return enroll(
        kept.store, kept.new_crops, face.tenant, fingerprint, new, who=face.who, rules=rules
    )


def new_face(seen: SeenFace, photo_id: str, person: str | None, *, crop: bool) -> NewFace:
    """A face that was seen and described, as it is enrolled; with its crop where those are kept."""
    assert seen.descriptor is not None and seen.code is not None
    picture = encode_crop(seen.crop) if crop else None
    return NewFace(photo_id, seen.descriptor, seen.code, person, seen.box, seen.quality, picture)


def check_crop(crop: bytes) -> None:
    """Whether a crop that was cut elsewhere is one that faces can be described anew from.

    Raises:
        RequestError: it is no picture of a crop's size.
    """
    if len(crop) > MOST_CROP_BYTES:
        raise RequestError(
            f"A kept crop has {len(crop):,} bytes; {MOST_CROP_BYTES:,} are allowed.",
            "Send the crop as a PNG.",
        )
    pixels = decode_image(crop, max_pixels=CROP_SIDE**2)
    if pixels.shape[:2] != (CROP_SIDE, CROP_SIDE):
        raise RequestError(
            f"A kept crop has {CROP_SIDE}×{CROP_SIDE} pixels, and this one "
            f"{pixels.shape[0]}×{pixels.shape[1]}.",
            "Send the crop as it was exported, or none.",
        )


def encode_crop(crop: Pixels) -> bytes:
    """A crop as it is kept: a PNG, whose pixels are those that were described."""
    out = io.BytesIO()
    Image.fromarray(crop).save(out, "PNG")
    return out.getvalue()


def raise_if_nothing(faces: Sequence[Enrolled], *, again: bool) -> None:
    """Where nothing came of any face, the call ends with the first one's error.

    Args:
        faces: what became of each.
        again: faces that were there already are none.
    """
    errors = [one.error for one in faces if one.error is not None and not (again and one.face_id)]
    if len(errors) == len(faces):
        raise errors[0]


def _enrolled(seen: SeenFace, done: Enrolled, context: FaceContext) -> pb.EnrolledFace:
    return pb.EnrolledFace(
        face=detected(seen, context.settings.quality),
        outcome=OUTCOMES[done.outcome],
        face_id=done.face_id,
        person_id=done.person_id or 0,
        failure=failure(done.error) if done.error is not None else None,
    )
