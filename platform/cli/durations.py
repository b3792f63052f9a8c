"""Times on the command line: ``2s``, ``500ms``, ``1.5m``, ``30d``."""

import re

import click

from striate.core.number_ends import LARGEST

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_TIME = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>ms|s|m|h|d)?")


class Seconds(click.ParamType[float]):
    """A length of time as seconds; a bare number is seconds."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds, above 0."""
        if isinstance(value, float) and 0 < value <= LARGEST:
            return value
        found = _TIME.fullmatch(str(value).strip())
        seconds = 0.0 if found is None else float(found["number"]) * _UNITS[found["unit"] or "s"]
        if not 0 < seconds <= LARGEST:
            self.fail(f"{value!r} is no time; give one like 2s, 500ms or 1h.", param, ctx)
        return seconds


SECONDS = Seconds()
