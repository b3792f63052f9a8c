"""From the messages of `striate.v1.FaceRecognition` to what is asked, and back."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from pydantic import ValidationError

from striate.core.errors import RequestError, StriateError
from striate.serve.common.face_types import FaceBox, FaceQuality, SeenFace
from striate.serve.common.status import status_of
from striate.serve.common.types import ModelName
from striate.serve.identities.errors import OtherModel
from striate.serve.identities.faces import QualityLimits
from striate.serve.identities.fingerprint import CODE_BYTES, ModelFingerprint, check_descriptions
from striate.serve.identities.listing import ListedFace, Person
from striate.serve.identities.search import Found
from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as common
from striate.serve.services.face_models import FaceModel
from striate.serve.services.face_settings import most_apart

MOST_IN_PAGE = 1000
MOST_NUMBERS = 10_000
"""Numbers of faces in one message."""


def read_box(message: Any) -> FaceBox | None:
    """The box of a request's field `only`; None where it is unset.

    Raises:
        RequestError: it is none.
    """
    if not message.HasField("only"):
        return None
    box = FaceBox(message.only.left, message.only.top, message.only.width, message.only.height)
    sizes = (box.left, box.top, box.width, box.height)
    if not all(map(math.isfinite, sizes)) or box.width <= 0 or box.height <= 0:
        raise RequestError(
            "The box of `only` is none.", "Give shares of the photo's width and height."
        )
    return box


def read_threshold(message: Any, otherwise: float) -> tuple[float, int]:
    """The threshold to go by, and the largest distance that reaches it, in bits.

    Raises:
        RequestError: it is out of range.
    """
    threshold = float(message.threshold) if message.HasField("threshold") else otherwise
    if not 0.0 <= threshold <= 1.0:  # false for NaN too
        raise RequestError(f"threshold is {threshold:g}; it goes from 0 to 1.")
    return threshold, most_apart(threshold)


def read_limit(asked: int, otherwise: int = 100, most: int = MOST_IN_PAGE) -> int:
    """The rows of a page.

    Raises:
        RequestError: more than there may be.
    """
    if asked > most:
        raise RequestError(f"limit is {asked}; at most {most:,} is allowed.")
    return asked or otherwise


def read_numbers(numbers: Iterable[int]) -> list[int]:
    """Numbers of faces.

    Raises:
        RequestError: there is none, or more than one message may hold.
    """
    found = list(numbers)
    if not 0 < len(found) <= MOST_NUMBERS:
        raise RequestError(
            f"The request names {len(found)} faces.", f"Name 1 to {MOST_NUMBERS:,} of them."
        )
    return found


def read_model(message: pb.FaceModel) -> ModelFingerprint:
    """What a descriptor is said to come from.

    Raises:
        OtherModel: it says no model.
    """
    try:
        return ModelFingerprint(
            network=message.network_sha256,
            detector=message.detector_sha256,
            dimension=message.dimension,
            code_version=message.code_version,
        )
    except ValidationError:
        raise OtherModel(
            "A descriptor does not say which model it comes from.",
            "Send `model` as the answer that held the descriptor said it.",
        ) from None


def read_codes(messages: Sequence[pb.Descriptor], model: FaceModel) -> np.ndarray:
    """The codes of some descriptors, uint8 (n, 32); it computes, and belongs in a thread.

    Raises:
        OtherModel: one is of another model than the one that serves, or has no such shape.
    """
    codes = np.zeros((len(messages), CODE_BYTES), np.uint8)
    vectors: dict[int, np.ndarray] = {}
    for place, message in enumerate(messages):
        model.fingerprint.check_same(read_model(message.model))
        if not message.code:
            vectors[place] = np.array(message.vector, np.float32)
            check_descriptions(model.fingerprint, vectors[place][None], codes[:1])
        elif len(message.code) == CODE_BYTES:
            codes[place] = np.frombuffer(message.code, np.uint8)
        else:
            raise OtherModel(
                f"A code is {CODE_BYTES} bytes, and this one {len(message.code)}.",
                "Describe the face with the model that serves.",
            )
    if vectors:
        codes[list(vectors)] = model.predictor.encode(np.stack(list(vectors.values())))
    return codes


def failure(error: StriateError) -> common.Failure:
    """Why something came to nothing."""
    status, sentence, code = status_of(error)
    return common.Failure(status=status.value[0], message=sentence, code=code)


def model_name(model: ModelName) -> common.Model:
    """A model's name and version."""
    return common.Model(name=model.name, version=model.version)


def model_message(model: FaceModel) -> pb.FaceModel:
    """Who finds and describes."""
    return fingerprint_message(
        model.fingerprint, network=model_name(model.network), detector=model_name(model.detector)
    )


def fingerprint_message(fingerprint: ModelFingerprint, **names: common.Model) -> pb.FaceModel:
    """What a description depends on, with names where they are known."""
    return pb.FaceModel(
        network_sha256=fingerprint.network,
        detector_sha256=fingerprint.detector,
        dimension=fingerprint.dimension,
        code_version=fingerprint.code_version,
        **names,
    )


def box_message(box: FaceBox) -> pb.FaceBox:
    """Where a face is."""
    return pb.FaceBox(left=box.left, top=box.top, width=box.width, height=box.height)


def quality_message(quality: FaceQuality) -> pb.FaceQuality:
    """How good a face is."""
    return pb.FaceQuality(
        size_px=quality.size_px,
        sharpness=quality.sharpness,
        yaw_deg=quality.yaw_deg,
        roll_deg=quality.roll_deg,
    )


def detected(face: SeenFace, limits: QualityLimits) -> pb.DetectedFace:
    """A face that was found, and whether enrolment would take it."""
    message = pb.DetectedFace(
        box=box_message(face.box),
        confidence=face.confidence,
        quality=quality_message(face.quality),
    )
    try:
        limits.check(face.quality)
    except StriateError as error:
        message.poor.CopyFrom(failure(error))
    return message


def described(face: SeenFace, model: pb.FaceModel) -> pb.Descriptor:
    """The description of a face that has one."""
    assert face.descriptor is not None and face.code is not None
    return pb.Descriptor(vector=face.descriptor, code=face.code.tobytes(), model=model)


def found_message(found: Found, face: pb.DetectedFace | None) -> pb.FoundFace:
    """Who a face is."""
    best = found.matches[0] if found.matches else None
    return pb.FoundFace(
        face=face,
        who=found.who,
        person_id=(best.person_id or 0) if best else 0,
        known=best is not None,
        score=found.score,
        matches=[
            pb.Match(
                face_id=match.face_id,
                person_id=match.person_id or 0,
                person=match.person,
                photo_id=match.photo_id,
                score=match.score,
            )
            for match in found.matches
        ],
    )


def person_message(person: Person, cover: bytes = b"") -> pb.Person:
    """A person."""
    return pb.Person(
        id=person.id,
        name=person.name,
        faces=person.faces,
        hidden=person.hidden,
        cover_face_id=cover_of(person),
        cover=cover,
    )


def cover_of(person: Person) -> int:
    """The face that stands for a person: the chosen one, else the first; 0 where they have none."""
    return person.cover_face_id or person.first_face_id or 0


def kept_message(face: ListedFace, crop: bytes = b"") -> pb.KeptFace:
    """A face that is kept."""
    return pb.KeptFace(
        id=face.id,
        person_id=face.person_id or 0,
        photo_id=face.photo_id,
        box=box_message(face.box),
        quality=quality_message(face.quality),
        by_hand=face.by_hand,
        enrolled_unix_s=face.enrolled_unix_s,
        crop=crop,
    )
