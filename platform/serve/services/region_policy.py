"""Where faces may be looked at: a policy by region, as a pure function."""

import re
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, field_validator

from striate.core.errors import AccessRefused, RequestError

EU = "EU"
EU_MEMBERS = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
    "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
})  # fmt: skip
_REGION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")


class FacesOff(AccessRefused):
    """Faces are not looked at where the photo's owner is."""

    code = "FACES_OFF"
    grpc_status = "PERMISSION_DENIED"


class RegionPolicy(BaseModel):
    """Switches the description of faces off by region.

    Attributes:
        faces_off: ISO 3166 codes of countries (``DE``) or parts of one (``US-IL``), or ``EU`` for
            all of its members; empty leaves faces on everywhere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    faces_off: tuple[str, ...] = (EU,)

    @field_validator("faces_off")
    @classmethod
    def _codes(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        for code in codes:
            if not _REGION.fullmatch(code):
                raise ValueError(f"{code!r} is no region; give DE, US-IL or EU")
        return codes

    def why_off(self, region: str) -> str:
        """Why faces are off in a region; empty where they are on.

        A region that may lie in one of the policy's (``EU`` where ``DE`` is off) counts as off, and
        so does none, where the policy names any.

        Raises:
            RequestError: the region is no code.
        """
        region = check_region(region)
        if not self.faces_off:
            return ""
        if not region:
            return "The request names no region, and faces are off in some."
        if any(_meet(region, off) for off in self.faces_off):
            return f"Faces are off in the region {region}."
        return ""


def check_region(region: str) -> str:
    """A region's code in capitals, or nothing.

    Raises:
        RequestError: it is no code.
    """
    code = region.upper()
    if code and not _REGION.fullmatch(code):
        raise RequestError(
            f"{region[:32]!r} is no region.", "Send an ISO 3166 code such as DE or US-CA, or EU."
        )
    return code


def _meet(one: str, other: str) -> bool:
    """Whether two regions share a place."""
    return any(_holds(a, b) or _holds(b, a) for a in _parts(one) for b in _parts(other))


def _holds(country: str, place: str) -> bool:
    return place == country or place.startswith(f"{country}-")


def _parts(region: str) -> Iterable[str]:
    return EU_MEMBERS if region == EU else (region,)
