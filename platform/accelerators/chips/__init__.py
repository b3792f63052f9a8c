"""The chips that Striate emulates, as data."""

from operator import attrgetter

from striate.accelerators.chips.anna import ANNA_1991, ANNA_TALK
from striate.accelerators.chips.null import NULL
from striate.accelerators.chips.spec import ChipSpec
from striate.core.extensions import Extended

CHIPS: dict[str, ChipSpec] = {spec.name: spec for spec in (ANNA_TALK, ANNA_1991, NULL)}
ALL_CHIPS = Extended("chips", CHIPS, of=ChipSpec, named=attrgetter("name"))
"""With those that extensions add."""


def chip(name: str) -> ChipSpec:
    """The spec of that name.

    Raises:
        UnknownName: there is no such chip.
        ExtensionError: the extension that adds it cannot be used.
    """
    return ALL_CHIPS.find(name)
