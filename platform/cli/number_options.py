"""Numbers that options take, each with both of its ends."""

import math
from typing import Any

import click

from striate.core.number_ends import LARGEST, MOST_COUNT, MOST_SEED

DAY_S = 86_400.0


class FiniteRange(click.FloatRange):
    """A range that is no place for what is not a number, which is neither below nor above it."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number, within its ends."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no number in the range {self._describe_range()}.", param, ctx)
        return number


COUNT = click.IntRange(1, MOST_COUNT)
AMOUNT = click.IntRange(0, MOST_COUNT)
ID = click.IntRange(1, MOST_SEED)
"""Of a person, a face or an event in the store of faces."""
SEED = click.IntRange(0, MOST_SEED)
SHARE = FiniteRange(0, 1)
POSITIVE = FiniteRange(0, LARGEST, min_open=True)
WITHIN_A_DAY = FiniteRange(0, DAY_S)
"""Seconds that somebody waits for."""
