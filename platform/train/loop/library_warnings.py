"""What Pillow warns of while a run decodes images: in the run's log, not across its progress."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import PIL

from striate.train.tracking.metric_log import append_note

MOST = 20
"""Different warnings of one process that are noted; more of them tell nothing new."""
_PILLOW = Path(PIL.__file__).parent


@contextmanager
def note_warnings(metric_log: Path) -> Iterator[None]:
    """While the block runs, each warning of Pillow becomes a note, once; others go their way.

    They are raised in whatever thread decodes, so this holds for the whole process.

    Args:
        metric_log: of the run; every worker may append to it.
    """
    former, noted = warnings.showwarning, set[str]()

    def show(
        message: Warning | str, category: type[Warning], filename: str, *more: Any, **named: Any
    ) -> None:
        if Path(filename).parent != _PILLOW:
            former(message, category, filename, *more, **named)
            return
        text = " ".join(str(message).split())
        if text not in noted and len(noted) < MOST:
            noted.add(text)
            append_note(metric_log, f"Pillow warns of an image: {text}")

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = former
