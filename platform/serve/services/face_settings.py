"""What a deployment decides about faces: who may be looked at, how alike, how good, for whom."""

import math

from pydantic import BaseModel, ConfigDict, Field, field_validator

from striate.core.errors import RequestError
from striate.core.numbers import Share
from striate.serve.common.metadata import NO_CALLER
from striate.serve.identities.face_batch import EnrolmentRules
from striate.serve.identities.faces import QualityLimits
from striate.serve.identities.fingerprint import CODE_BITS
from striate.serve.identities.store import LONGEST_NAME
from striate.serve.services.region_policy import RegionPolicy, check_region

NO_TOKEN = "(no token)"
"""The tenant of callers without a token; no token can have that name."""

DEFAULT_QUALITY = QualityLimits(size_px=40, sharpness=20, yaw_deg=60, roll_deg=45)
"""What enrolment asks for unless a deployment says otherwise."""


class FaceSettings(BaseModel):
    """The part of an application's arguments that is about faces.

    Attributes:
        threshold: the least score at which two faces are of one person, where a call says none.
        quality: what a face must keep to be enrolled.
        twice_in_a_photo: whether one person may be in a photo twice, as in a collage or a mirror.
        keep_crops: whether the pictures of enrolled faces are kept; without them faces cannot be
            described anew by another model.
        policy: where faces are looked at; off in the EU unless another is given.
        region: where photos come from whose call names no region; empty for nowhere known.
        tenants: by the name of a token, whose people it works with, where these are not those of
            its own name: tokens that share people, or a new one in the place of an old one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: Share = 0.75
    quality: QualityLimits = DEFAULT_QUALITY
    twice_in_a_photo: bool = True
    keep_crops: bool = True
    policy: RegionPolicy = RegionPolicy()
    region: str = ""
    tenants: dict[str, str] = Field(default_factory=dict)

    @field_validator("region")
    @classmethod
    def _region(cls, region: str) -> str:
        try:
            return check_region(region)
        except RequestError as error:
            raise ValueError(error.message) from None

    @field_validator("tenants")
    @classmethod
    def _named(cls, tenants: dict[str, str]) -> dict[str, str]:
        for name in tenants.values():
            if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or not name.strip():
                raise ValueError(f"{name[:40]!r} cannot be the name of a tenant")
        return tenants

    @property
    def rules(self) -> EnrolmentRules:
        """What enrolment goes by."""
        return EnrolmentRules(self.quality, self.twice_in_a_photo)

    def tenant_of(self, caller: str) -> str:
        """Whose people a caller works with.

        Args:
            caller: the name of its token; `NO_CALLER` for none.
        """
        return self.tenants.get(caller, NO_TOKEN if caller == NO_CALLER else caller)


def most_apart(threshold: float) -> int:
    """The largest distance, in bits, whose score reaches a threshold from 0 to 1.

    >>> most_apart(1.0), most_apart(0.75), most_apart(0.0)
    (0, 64, 256)
    """
    return math.floor((1 - threshold) * CODE_BITS + 1e-4)  # a float32 of a message is a little off
