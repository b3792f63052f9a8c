"""Figures that no chip can have are refused when the spec is made, by name."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from striate.accelerators.chips import CHIPS
from striate.accelerators.chips.spec import ChipSpec
from striate.core.validation import describe_invalid

pytestmark = pytest.mark.unit

ANNA = CHIPS["anna-talk"]
ARRAY = {"count": 8, "vector": 256}
NUMBERS = (
    "clock_hz", "accumulator_bits", "weight_capacity", "weight_load_s", "states_per_cycle",
    "cycles_per_evaluation", "weight.bits", "state.bits", "units.0.count", "units.0.vector",
    "host.macs_per_s", "cycles_per_evaluation_range.0", "cycles_per_evaluation_range.1",
)  # fmt: skip


def with_figure(path: str, value: object) -> dict[str, Any]:
    """ANNA's figures, one of them replaced."""
    figures: Any = ANNA.model_dump(mode="json")
    *folders, last = path.split(".")
    place = figures
    for folder in folders:
        place = place[int(folder) if folder.isdigit() else folder]
    place[int(last) if last.isdigit() else last] = value
    return dict(figures)


def refusal(path: str, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        ChipSpec.model_validate(with_figure(path, value))
    return describe_invalid(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("clock_hz", -20e6, "clock_hz: Input should be greater than 0"),
        ("clock_hz", 0, "clock_hz"),
        ("states_per_cycle", 0, "states_per_cycle: Input should be greater than or equal to 1"),
        ("weight_capacity", 0, "weight_capacity"),
        ("weight_capacity", None, "weight_load_s but no weight_capacity"),
        ("weight_load_s", -1e-6, "weight_load_s"),
        ("cycles_per_evaluation", -1, "cycles_per_evaluation"),
        ("cycles_per_evaluation_range", [20, 4], "20 to 4, must rise and hold its cycles"),
        ("cycles_per_evaluation_range", [4, 19], "4 to 19, must .* cycles_per_evaluation, 20"),
        ("cycles_per_evaluation_range", [21, 30], "must rise and hold"),
        ("cycles_per_evaluation_range", [-4, 20], "must rise and hold"),
        ("units", [ARRAY, ARRAY], "anna-talk has 2 units, of which one would count"),
        ("units.0.count", 0, "units.0.count"),
        ("state.bits", 17, "17 bits, over 16"),
        ("weight.bits", 25, "weight.bits"),
        ("host.macs_per_s", 0, "host.macs_per_s"),
        ("energy_pj", {"mac": -1}, "energy_pj.mac"),
        ("analog", {"sigma": -0.1}, "analog.sigma"),
    ],
)
def test_a_figure_that_no_chip_has_is_refused_by_name(path: str, value: object, said: str) -> None:
    assert re.search(said, refusal(path, value))


@pytest.mark.parametrize("path", NUMBERS)
@pytest.mark.parametrize(
    "value", [float("inf"), float("-inf"), float("nan"), -1, -(10**20), 10**20, 1e300]
)
def test_every_number_has_bounds(path: str, value: float) -> None:
    assert path.split(".")[0] in refusal(path, value)


def test_the_presets_are_within_them() -> None:
    for spec in CHIPS.values():
        assert ChipSpec.model_validate(spec.model_dump(mode="json")) == spec


@given(low=st.integers(-3, 40), high=st.integers(-3, 40))
def test_a_range_is_one_that_holds_the_cycles(low: int, high: int) -> None:
    good = 0 <= low <= 20 <= high
    try:
        ChipSpec.model_validate(with_figure("cycles_per_evaluation_range", [low, high]))
    except ValidationError:
        assert not good
    else:
        assert good


def test_a_copy_with_another_figure_is_checked_too() -> None:
    assert ANNA.model_copy(update={"clock_hz": 1e6}).clock_hz == 1e6
    with pytest.raises(ValidationError, match="clock_hz"):
        ANNA.model_copy(update={"clock_hz": -1.0})
