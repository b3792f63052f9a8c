"""Storage that refuses for a while is tried again, with growing pauses."""

import time
from collections.abc import Callable
from typing import TypeVar

from striate.core.errors import PlatformError

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0

_Result = TypeVar("_Result")


def retry_until(
    action: Callable[[], _Result], within_s: float, said: Callable[[str], None]
) -> _Result:
    """Do something that needs the storage, again and again until it is done.

    Args:
        action: raises `OSError` or `PlatformError` while the storage refuses.
        within_s: seconds after which the last of those errors is raised.
        said: takes the reason of the first refusal.

    Raises:
        OSError, PlatformError: it still refuses.
    """
    deadline, pause_s, refused = time.monotonic() + within_s, FIRST_PAUSE_S, False
    while True:
        try:
            return action()
        except (OSError, PlatformError) as error:
            if time.monotonic() + pause_s > deadline:
                raise
            if not refused:
                said(error.message if isinstance(error, PlatformError) else f"{error}.")
            refused = True
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
