"""From an exception to the gRPC status that a caller sees.

An error that a user can cause keeps its sentence and its own status; anything else becomes
INTERNAL with a neutral sentence and the request's id, and its details go to the server's log alone.

::

    exception                          status
    StriateError and below             its `grpc_status` (the tree in `striate.core.errors`)
    ├── QueueFull                      RESOURCE_EXHAUSTED
    ├── TooLate                        DEADLINE_EXCEEDED
    └── NotThroughTheEdge              UNAUTHENTICATED
    a message that does not parse      INVALID_ARGUMENT
    TimeoutError                       DEADLINE_EXCEEDED
    anything else                      INTERNAL
"""

import logging

import grpc

from striate.core.errors import AccessRefused, StriateError
from striate.serve.common.request_id import REQUEST_ID, request_id

logger = logging.getLogger(__name__)

SERVER_FAULTS = frozenset(
    {
        "UNKNOWN",
        "INTERNAL",
        "DATA_LOSS",
        "UNAVAILABLE",
        "FAILED_PRECONDITION",
    }
)
"""Statuses that are the fault of what was called: for these a version on trial is taken back, and
`striate apps top` counts them as faults. FAILED_PRECONDITION is among them, since a model whose
numbers are not finite answers it. RESOURCE_EXHAUSTED is not: any caller brings it about by a photo
over the limit or by more calls than there is room for, and could so end a sound version's trial;
how full a server is shows in its queue. DEADLINE_EXCEEDED is not, for the same reason: a caller
brings it about by a deadline that no version could keep. A version that is slow shows in its
latencies, one that hangs does not answer the probe. Nor is what a caller asked for wrongly, or
left."""
LONGEST_SENTENCE = 1000
"""Characters: a sentence travels in a header, and may quote what a caller sent."""


class NotThroughTheEdge(AccessRefused):
    """A call that reached a replica without the edge's key."""

    code = "NOT_THROUGH_THE_EDGE"


def status_of(error: BaseException) -> tuple[grpc.StatusCode, str, str]:
    """What to answer a caller whose request raised `error`.

    Returns:
        The status, the sentence, and the error's stable code.
    """
    if isinstance(error, StriateError):
        return grpc.StatusCode[error.grpc_status], _header(str(error)), error.code
    if isinstance(error, TimeoutError):
        return grpc.StatusCode.DEADLINE_EXCEEDED, "The deadline passed before an answer.", ""
    identity = REQUEST_ID.get() or request_id(None)
    logger.error("Request %s failed.", identity, exc_info=error)
    return grpc.StatusCode.INTERNAL, f"The server failed on this request (id {identity}).", ""


def _header(sentence: str) -> str:
    """One line of at most `LONGEST_SENTENCE` characters that UTF-8 can carry."""
    line = " ".join(sentence.split())
    if len(line) > LONGEST_SENTENCE:
        line = line[: LONGEST_SENTENCE - 1] + "…"
    return line.encode("utf-8", "replace").decode("utf-8")
