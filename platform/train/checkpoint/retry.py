"""Storage that refuses for a while is tried again, with growing pauses."""

from collections.abc import Callable
from typing import TypeVar

from striate.core.errors import PlatformError
from striate.core.retry import Backoff, retry

_BACKOFF = Backoff(first_s=0.2, longest_s=5.0)
_Result = TypeVar("_Result")


def reason_of(error: Exception) -> str:
    """Why a storage refuses, as a sentence."""
    return error.message if isinstance(error, PlatformError) else f"{error}."


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
    reasons: list[str] = []

    def refused(error: Exception) -> None:
        reasons.append(reason_of(error))
        if len(reasons) == 1:
            said(reasons[0])

    return retry(action, within_s, (OSError, PlatformError), _BACKOFF, refused=refused)
