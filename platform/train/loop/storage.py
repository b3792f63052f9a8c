"""Writing to a storage that may refuse: what can wait is noted, what must be there is tried again.

A storage that is full or away for a while ends no run; only the finished model must be written.
"""

from collections.abc import Callable

from striate.core.errors import PlatformError
from striate.train.checkpoint.retry import reason_of, retry_until
from striate.train.tracking.reporter import Reporter


def write_or_note(reporter: Reporter, step: int, what: str, write: Callable[[], None]) -> None:
    """Write what a run can do without for now; a refusal is a note.

    Args:
        reporter: takes the note.
        step: optimiser steps done.
        what: is written; the subject of the note.
        write: writes it.
    """
    try:
        write()
    except (OSError, PlatformError) as error:
        text = f"{what} could not be written: {reason_of(error)} Training goes on and tries again."
        reporter.note(step, text)


def write_patiently(
    reporter: Reporter, step: int, patience_s: float, write: Callable[[], object]
) -> None:
    """Write what must be written, again and again for `patience_s` seconds.

    Raises:
        OSError, PlatformError: the storage still refuses.
    """

    def note(reason: str) -> None:
        reporter.note(step, f"The storage refuses: {reason} It is tried again.")

    retry_until(write, patience_s, note)
