"""What a deployment decides about faces: who may be looked at, how alike, how good, for whom."""

import math

from pydantic import field_validator

from striate.core.errors import RequestError
from striate.core.numbers import Share
from striate.serve.common.tenants import TenantSettings
from striate.serve.identities.face_batch import EnrolmentRules
from striate.serve.identities.faces import QualityLimits
from striate.serve.identities.fingerprint import CODE_BITS
from striate.serve.identities.segment import Hashing
from striate.serve.services.region_policy import RegionPolicy, check_region

DEFAULT_QUALITY = QualityLimits(size_px=40, sharpness=20, yaw_deg=60, roll_deg=45)
"""What enrolment asks for unless a deployment says otherwise."""


class FaceSettings(TenantSettings):
    """The part of an application's arguments that is about faces.

    Attributes:
        threshold: the least score at which two faces are of one person, where a call says none.
        quality: what a face must keep to be enrolled.
        twice_in_a_photo: whether one person may be in a photo twice, as in a collage or a mirror.
        keep_crops: whether the pictures of enrolled faces are kept; without them faces cannot be
            described anew by another model.
        hash_tables: faces near enough are looked up in such tables, which find nearly all of them
            (`Hashing`), and all faces are scanned only where they have none; None scans always.
        policy: where faces are looked at; off in the EU unless another is given.
        region: where photos come from whose call names no region; empty for nowhere known.
    """

    threshold: Share = 0.75
    quality: QualityLimits = DEFAULT_QUALITY
    twice_in_a_photo: bool = True
    keep_crops: bool = True
    hash_tables: Hashing | None = None
    policy: RegionPolicy = RegionPolicy()
    region: str = ""

    @field_validator("region")
    @classmethod
    def _region(cls, region: str) -> str:
        try:
            return check_region(region)
        except RequestError as error:
            raise ValueError(error.message) from None

    @property
    def rules(self) -> EnrolmentRules:
        """What enrolment goes by."""
        return EnrolmentRules(self.quality, self.twice_in_a_photo)


def most_apart(threshold: float) -> int:
    """The largest distance, in bits, whose score reaches a threshold from 0 to 1.

    >>> most_apart(1.0), most_apart(0.75), most_apart(0.0)
    (0, 64, 256)
    """
    return math.floor((1 - threshold) * CODE_BITS + 1e-4)  # a float32 of a message is a little off
