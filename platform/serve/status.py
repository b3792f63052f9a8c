"""From an exception to the gRPC status that a caller sees.

An error that a user can cause keeps its sentence and its own status; anything else becomes
INTERNAL with a neutral sentence and an id, and its details go to the server's log alone.
"""

import logging
import uuid

import grpc

from striate.core.errors import StriateError

logger = logging.getLogger(__name__)

ERROR_KEY = "striate-error"
"""Trailing metadata that carries `StriateError.code`, so that a client can rebuild the error."""


def status_of(error: BaseException) -> tuple[grpc.StatusCode, str, str]:
    """What to answer a caller whose request raised `error`.

    Returns:
        The status, the sentence, and the error's stable code.
    """
    if isinstance(error, StriateError):
        return grpc.StatusCode[error.grpc_status], str(error), error.code
    identity = uuid.uuid4().hex[:12]
    logger.error("Request %s failed.", identity, exc_info=error)
    return grpc.StatusCode.INTERNAL, f"The server failed on this request (id {identity}).", ""


async def abort(context: "grpc.aio.ServicerContext", error: BaseException) -> None:  # type: ignore[type-arg]
    """End a call with the status of `error`; always raises, as gRPC's own abort does."""
    status, sentence, code = status_of(error)
    await context.abort(status, sentence, ((ERROR_KEY, code),) if code else ())
