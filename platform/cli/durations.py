"""Times on the command line: ``2s``, ``500ms``, ``1.5m``, ``30d``."""

import re

import click

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_TIME = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>ms|s|m|h|d)?")


class Seconds(click.ParamType[float]):
    """A length of time as seconds; a bare number is seconds."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds, above 0."""
        if isinstance(value, float):
            return value
        found = _TIME.fullmatch(str(value).strip())
        if found is None or not float(found["number"]) > 0:
            self.fail(f"{value!r} is no time; give one like 2s, 500ms or 1h.", param, ctx)
        return float(found["number"]) * _UNITS[found["unit"] or "s"]


SECONDS = Seconds()
