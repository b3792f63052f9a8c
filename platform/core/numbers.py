"""Kinds of numbers that a configuration holds, each with both of its ends.

What is given as a number is finite and fits what it is handed on to: a count a signed 32-bit
integer (gRPC, HAProxy, Ray), a seed the integers that every JSON reader keeps exact. A field with
narrower ends of its own says so; none has none.
"""

from typing import Annotated

from pydantic import Field

MOST_COUNT = 2**31 - 1
MOST_BYTES = 2**50
MOST_SEED = 2**53 - 1
MOST_SIDE = 2**14
LARGEST = 1e9
"""Of a number that is no count; of seconds, thirty years."""

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
UnixSeconds = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Deviation = Annotated[float, Field(ge=1e-6, le=LARGEST, allow_inf_nan=False)]
"""What is divided by: far enough from zero for float32."""
