"""The id of a request: taken from the caller or made, and in every log line of its handling."""

import logging
import random
import re
from contextvars import ContextVar

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is handled now; empty outside a request."""

_RANDOM = random.Random()  # seeded by the system; an id tells calls apart and keeps no secret
_SANE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


def request_id(given: object) -> str:
    """A caller's id where it is sane, else a new one."""
    if isinstance(given, str) and _SANE.fullmatch(given):
        return given
    return f"{_RANDOM.getrandbits(64):016x}"


class RequestIdFilter(logging.Filter):
    """Puts `request_id` on every record, for a formatter to show."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the id; let the record pass."""
        record.request_id = REQUEST_ID.get()
        return True
