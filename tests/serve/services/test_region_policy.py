"""Where faces may be looked at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from striate.core.errors import RequestError
from striate.serve.services.region_policy import EU_MEMBERS, RegionPolicy

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("off", "region", "is_off"),
    [
        (("EU",), "DE", True),
        (("EU",), "FR-75", True),
        (("EU",), "EU", True),
        (("EU",), "", True),
        (("EU",), "US", False),
        (("EU",), "CH", False),
        (("DE",), "EU", True),  # it may be in Germany
        (("DE",), "FR", False),
        (("US-IL",), "US-IL", True),
        (("US-IL",), "US", True),  # it may be in Illinois
        (("US-IL",), "US-CA", False),
        (("US",), "US-CA", True),
        ((), "DE", False),
        ((), "", False),
    ],
)
def test_the_policy_by_region(off: tuple[str, ...], region: str, is_off: bool) -> None:
    assert bool(RegionPolicy(faces_off=off).why_off(region)) is is_off


@pytest.mark.parametrize("region", ["Germany", "D", "DE-", "DE-ABCD", "D\u00c9", "DE\n", "🇩🇪"])
def test_what_is_no_region_is_refused(region: str) -> None:
    with pytest.raises(RequestError, match="no region"):
        RegionPolicy().why_off(region)
    with pytest.raises(ValidationError):
        RegionPolicy(faces_off=(region,))


@given(st.sampled_from(sorted(EU_MEMBERS)), st.sampled_from(["", "-1", "-AB"]))
def test_the_eu_is_all_of_its_members(country: str, part: str) -> None:
    assert RegionPolicy(faces_off=("EU",)).why_off(country + part)
