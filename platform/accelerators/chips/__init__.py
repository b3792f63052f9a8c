"""The chips that Striate emulates, as data."""

from striate.accelerators.chips.anna import ANNA_1991, ANNA_TALK
from striate.accelerators.chips.null import NULL
from striate.accelerators.chips.spec import ChipSpec
from striate.core.errors import UnknownName

CHIPS: dict[str, ChipSpec] = {spec.name: spec for spec in (ANNA_TALK, ANNA_1991, NULL)}


def chip(name: str) -> ChipSpec:
    """The spec of that name.

    Raises:
        UnknownName: there is no such chip.
    """
    if name not in CHIPS:
        raise UnknownName.of("chip", name, CHIPS)
    return CHIPS[name]
