"""How much memory there is here: the machine's, or what the container may have of it."""

import os
from contextlib import suppress
from pathlib import Path

# Where Linux says what a container may have: control groups of version 2, then of version 1.
_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def memory_bytes() -> int:
    """Bytes of memory that processes here can have, those in use included."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for place in _LIMITS:
        with suppress(OSError, ValueError):  # no such group, or no limit: the word `max`
            found.append(int(place.read_text(encoding="ascii")))
    return min(found)
