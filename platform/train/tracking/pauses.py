"""When a run stood still: from the last that it said until it was resumed.

They stand in a tag of the MLflow run, so that whoever reads the run can leave them out of its time.
"""

import json
from collections.abc import Iterable

Pauses = tuple[tuple[int, int], ...]
"""From and until, in milliseconds since the epoch, in their order."""

PAUSES_TAG = "striate.pauses"
_MOST = 200  # MLflow takes 8,000 characters in a tag


def parse_pauses(text: str) -> Pauses:
    """The pauses that a tag tells; none where it is empty.

    >>> parse_pauses("[[1000, 5000]]")
    ((1000, 5000),)
    >>> parse_pauses("")
    ()
    """
    return tuple((int(start), int(end)) for start, end in json.loads(text or "[]"))


def add_pause(text: str, start_ms: int, end_ms: int) -> str:
    """The tag with one more pause; of very many the latest are kept.

    One that is told again, or goes on because the run was resumed without a word, is one.

    >>> add_pause("[[1000, 5000]]", 7000, 9000)
    '[[1000, 5000], [7000, 9000]]'
    """
    others = [pause for pause in parse_pauses(text) if pause[0] != start_ms]
    pauses = [*others, (start_ms, max(start_ms, end_ms))]
    return json.dumps(pauses[-_MOST:])


def running_ms(pauses: Iterable[tuple[int, int]], start_ms: float, end_ms: float) -> float:
    """Milliseconds from one time to another in which the run did not stand still.

    >>> running_ms(((1000, 5000),), start_ms=0, end_ms=6000)
    2000
    """
    still = sum(max(0, min(end, end_ms) - max(start, start_ms)) for start, end in pauses)
    return end_ms - start_ms - still
