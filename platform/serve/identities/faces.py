"""A face as it comes to be enrolled, and what a deployment asks of it."""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from striate.core.errors import RequestError
from striate.core.numbers import NonNegative
from striate.serve.common.face_types import UNMEASURED, WHOLE, FaceBox, FaceQuality
from striate.serve.identities.errors import PoorFace

LONGEST_PHOTO_ID = 200
HalfTurn = Annotated[float, Field(ge=0, le=180, allow_inf_nan=False)]
"""Degrees, either way."""


class QualityLimits(BaseModel):
    """What a deployment asks of a face at enrolment; the defaults ask nothing.

    Attributes:
        size_px: at least.
        sharpness: at least.
        yaw_deg: at most, either way.
        roll_deg: at most, either way.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size_px: NonNegative = 0.0
    sharpness: NonNegative = 0.0
    yaw_deg: HalfTurn = 180.0
    roll_deg: HalfTurn = 180.0

    def check(self, quality: FaceQuality) -> None:
        """Let a face through, or say why not.

        Raises:
            PoorFace: names the first limit that it does not keep.
        """
        if quality.size_px < self.size_px:
            raise PoorFace(
                f"The face is {quality.size_px:.0f} pixels across, and enrolment asks for "
                f"{self.size_px:.0f}.",
                "Send a larger photo of the person.",
            )
        if quality.sharpness < self.sharpness:
            raise PoorFace(
                f"The face is blurred: its sharpness is {quality.sharpness:.1f}, and enrolment "
                f"asks for {self.sharpness:.1f}.",
                "Send a sharper photo of the person.",
            )
        for name, value, most in (
            ("turned aside", quality.yaw_deg, self.yaw_deg),
            ("leaning", quality.roll_deg, self.roll_deg),
        ):
            if abs(value) > most:
                raise PoorFace(
                    f"The face is {name} by {abs(value):.0f} degrees, and enrolment takes "
                    f"{most:.0f}.",
                    "Send a photo in which the person looks into the camera.",
                )


@dataclass(frozen=True)
class NewFace:
    """A face to be enrolled.

    Attributes:
        photo_id: what the caller calls the photo.
        descriptor: float32 (dimension,).
        code: uint8 (32,).
        person: whose face it is; None leaves it unnamed. A person who is not there is made.
        box: where it is in the photo.
        quality: what the gate looks at.
        crop: the encoded picture to keep; None keeps none, and the face cannot be described anew.
        by_hand: a person said whose face it is.
    """

    photo_id: str
    descriptor: np.ndarray = field(repr=False)
    code: np.ndarray = field(repr=False)
    person: str | None = None
    box: FaceBox = WHOLE
    quality: FaceQuality = UNMEASURED
    crop: bytes | None = field(default=None, repr=False)
    by_hand: bool = False


def check_photo_id(photo_id: str) -> str:
    """What can name a photo; empty names none.

    Raises:
        RequestError: it cannot.
    """
    if len(photo_id) > LONGEST_PHOTO_ID or "\0" in photo_id:  # which PostgreSQL keeps in no text
        raise RequestError(
            "The photo's id is none.", f"Give up to {LONGEST_PHOTO_ID} characters without a zero."
        )
    return photo_id
