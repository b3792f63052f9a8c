"""Kinds of numbers that a configuration holds, each with both of its ends.

What is given as a number is finite and fits what it is handed on to: a count a signed 32-bit
integer (gRPC, HAProxy, Ray), a seed the integers that every JSON reader keeps exact. A field with
narrower ends of its own says so; none has none.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from striate.core.number_ends import (
    LARGEST,
    MOST_BYTES,
    MOST_COUNT,
    MOST_RATE,
    MOST_SEED,
    MOST_SIDE,
)
from striate.core.validation import show_value

Count = Annotated[int, Field(ge=1, le=MOST_COUNT)]
"""At least one."""
Amount = Annotated[int, Field(ge=0, le=MOST_COUNT)]
"""None, or so many."""
Total = Annotated[int, Field(ge=0, le=MOST_BYTES)]
"""Bytes, or rows of a whole corpus."""
Side = Annotated[int, Field(ge=1, le=MOST_SIDE)]
"""Pixels of a side of a picture."""
Port = Annotated[int, Field(ge=0, le=65_535)]
"""Of TCP; 0 where the system may choose one."""
Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]
Real = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=LARGEST, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, le=LARGEST, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, le=MOST_RATE, allow_inf_nan=False)]
"""A learning rate."""
UnixSeconds = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
BelowOne = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
"""A share that leaves something: a momentum, a dropout."""
Deviation = Annotated[float, Field(ge=1e-6, le=LARGEST, allow_inf_nan=False)]
"""What is divided by: far enough from zero for float32."""

# Arguments of networks; `striate.models` holds each network's against them.
Classes = Annotated[int, Field(ge=1, le=1_000_000)]
"""Outputs of a network."""
Maps = Annotated[int, Field(ge=1, le=4096)]
"""Feature maps of a layer."""
FieldSide = Annotated[int, Field(ge=1, le=4096)]
"""Pixels of a side of what a network takes."""
Frames = Annotated[int, Field(ge=1, le=4096)]
"""Of a clip that a network takes."""
Width = Annotated[float, Field(ge=1e-3, le=64, allow_inf_nan=False)]
"""What a network's published maps and hidden units are multiplied by."""


def _hold_numbers(value: Any, name: str = "") -> Any:
    """The value itself, each number in it within `MOST_SEED`."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inner:
        place = f"{name}.{key}".lstrip(".")
        if isinstance(one, dict | list | tuple):
            _hold_numbers(one, place)
        elif isinstance(one, int | float) and not abs(one) <= MOST_SEED:
            raise ValueError(
                f"{place} = {show_value(one)} is no number that can be held; give one up to 2^53"
            )
    return value


FreeArguments = Annotated[dict[str, Any], AfterValidator(_hold_numbers)]
"""Of whatever a name stands for, which has bounds of its own; what it is given is finite."""
