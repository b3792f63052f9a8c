"""How long an application's replica works on a batch: measured, written down, read again.

What a replica measures by itself (seconds of computing by batch size) is all that the simulation
needs, beside the time a call spends outside of queue and batch.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from striate.core.errors import UsageError
from striate.core.numbers import Count, NonNegative, Positive
from striate.core.text import decode_text
from striate.core.validation import describe_invalid
from striate.serve.common.limits import MOST_IN_BATCH

_LINE_COUNTS = 4


class BatchTimes(BaseModel):
    """Batches of one size that were computed.

    Attributes:
        count: how many.
        mean_s: seconds that one took.
        deviation_s: standard deviation of these.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: Count
    mean_s: Positive
    deviation_s: NonNegative = 0.0


class ServiceTimes(BaseModel):
    """One application's replica, as measured.

    Attributes:
        app: the application's name.
        batches: by batch size.
        max_batch: most requests in a batch.
        threads: batches that a replica computes at a time.
        overhead_s: what a call takes beside queue and batch: edge, network, (de)serialising.
        gpus: GPUs that a replica holds; may be a fraction.
        cpus: CPUs that a replica holds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    app: str
    batches: dict[Annotated[int, Field(ge=1, le=MOST_IN_BATCH)], BatchTimes] = Field(min_length=1)
    max_batch: int = Field(default=32, ge=1, le=MOST_IN_BATCH)
    threads: int = Field(default=1, ge=1, le=1024)
    overhead_s: NonNegative = 0.0
    gpus: NonNegative = 0.0
    cpus: NonNegative = 1.0

    def seconds(self) -> list[float]:
        """Mean seconds of a batch of 1, 2, …, `max_batch` requests, never less for more of them.

        A line a + c·size is fitted to what was measured, each size weighed by the requests that it
        carried, since batches share a fixed cost and each request adds its own. A size that was
        met often then stands for itself, and one that was met once leans on the line, as if the
        line had been met `_LINE_COUNTS` times; between sizes, the line is corrected by what its
        neighbours are off. With one size measured, nothing tells the two costs apart: then all of
        it counts for each request, which promises no gain from batches.
        """
        measured = sorted(self.batches.items())
        sizes = np.array([size for size, _ in measured], dtype=float)
        counts = np.array([times.count for _, times in measured], dtype=float)
        means = np.array([times.mean_s for _, times in measured])
        fixed, each = _line(sizes, means, counts * sizes)
        off = (counts * means / (fixed + each * sizes) + _LINE_COUNTS) / (counts + _LINE_COUNTS)
        every = np.arange(1, self.max_batch + 1)
        seconds = (fixed + each * every) * np.interp(every, sizes, off)
        return [float(taken) for taken in np.maximum.accumulate(seconds)]

    def variation(self) -> float:
        """Standard deviation of a batch's time over its mean, pooled over the sizes."""
        counts = np.array([times.count for times in self.batches.values()], dtype=float)
        shares = [(times.deviation_s / times.mean_s) ** 2 for times in self.batches.values()]
        return float(np.sqrt(np.average(shares, weights=counts)))

    def most_per_second(self) -> float:
        """Requests a second that one replica can answer at most: its batches are full then."""
        return self.threads * self.max_batch / self.seconds()[-1]


def _line(sizes: np.ndarray, means: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Fixed cost and cost of each, by least squares: neither is below zero."""
    if len(sizes) == 1:
        return 0.0, float(means[0] / sizes[0])
    each, fixed = (float(value) for value in np.polyfit(sizes, means, 1, w=np.sqrt(weights)))
    if fixed < 0:  # noise, or one size far from the others: the line through the origin
        return 0.0, float((weights * sizes * means).sum() / (weights * sizes**2).sum())
    if each < 0:  # the flat one
        return float(np.average(means, weights=weights)), 0.0
    return fixed, each


_FILE: TypeAdapter[list[ServiceTimes]] = TypeAdapter(list[ServiceTimes])


def read_times(path: Path) -> list[ServiceTimes]:
    """Service times from a file: a JSON list of `ServiceTimes`.

    Raises:
        UsageError: there is no such file, or it holds something else; the field is named.
        DataError: it is not UTF-8.
    """
    try:
        found = _FILE.validate_json(decode_text(path.read_bytes(), str(path)))
    except OSError:
        raise UsageError(f"There is no file of service times {path}.") from None
    except ValidationError as error:
        raise UsageError(
            f"{path} holds no service times: {describe_invalid(error)}.",
            "`striate plan --save FILE` writes such a file.",
        ) from None
    if not found:
        raise UsageError(f"{path} names no application.")
    return found


def times_text(times: list[ServiceTimes]) -> str:
    """The content of a file of service times."""
    return _FILE.dump_json(times, indent=2).decode() + "\n"


def from_sums(sums: Mapping[int, tuple[int, float, float]]) -> dict[int, BatchTimes]:
    """Batch times from what counters hold: size → (count, Σ seconds, Σ seconds²)."""
    found = {}
    for size, (count, total, squares) in sorted(sums.items()):
        if count > 0 and total > 0:
            mean = total / count
            spread = max(0.0, squares / count - mean**2)
            found[size] = BatchTimes(count=count, mean_s=mean, deviation_s=spread**0.5)
    return found
