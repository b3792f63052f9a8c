"""What a call's gRPC status means to its caller: which error, and whether to try again."""

from typing import Any

import grpc

from striate.core.errors import (
    AccessRefused,
    BundleError,
    DataError,
    PayloadTooLarge,
    PlatformError,
    RequestError,
    StriateError,
    UnknownName,
    UsageError,
)
from striate.serve.common.metadata import NO_RETRY, PUSHBACK
from striate.serve.protos.striate.v1.photo_tagging_pb2 import Failure

ERRORS: dict[grpc.StatusCode, type[StriateError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: RequestError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: PayloadTooLarge,
    grpc.StatusCode.NOT_FOUND: UnknownName,
    grpc.StatusCode.ALREADY_EXISTS: UsageError,
    grpc.StatusCode.DATA_LOSS: DataError,
    grpc.StatusCode.FAILED_PRECONDITION: BundleError,
    grpc.StatusCode.UNAVAILABLE: PlatformError,
    grpc.StatusCode.CANCELLED: PlatformError,
    grpc.StatusCode.DEADLINE_EXCEEDED: PlatformError,
    grpc.StatusCode.UNAUTHENTICATED: AccessRefused,
    grpc.StatusCode.PERMISSION_DENIED: AccessRefused,
}
_TOKEN_REMEDY = "Give one by --token or STRIATE_TOKEN; `striate token create` makes it."
# A server that begins to drain answers a call that reaches it in that moment with CANCELLED; this
# client never cancels a call itself.
UNANSWERED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


def rebuild_error(error: Any, address: str) -> StriateError:
    """The project's error for a call's status; the server's sentence is kept."""
    status, details = error.code(), error.details() or "no details"
    if status is grpc.StatusCode.UNIMPLEMENTED:
        return UnknownName(
            f"{address} does not serve this method.", "See the application's kind: striate apps ls."
        )
    kind = ERRORS.get(status, StriateError)
    if kind is PlatformError:
        return kind(f"{address} does not answer: {details}")
    return kind(details, _TOKEN_REMEDY if status is grpc.StatusCode.UNAUTHENTICATED else "")


def failure_error(failure: Failure) -> StriateError:
    """The project's error for one item of a stream; the server's sentence is kept."""
    status = next(code for code in grpc.StatusCode if code.value[0] == failure.status)
    return ERRORS.get(status, StriateError)(failure.message)


def plain_text_error(address: str) -> PlatformError:
    """What a call in plain text to a port that speaks TLS ends with."""
    return PlatformError(
        f"{address} speaks TLS, and the call was in plain text.",
        "Name the PEM file of its authority by --ca or STRIATE_GRPC_CA.",
    )


def worth_retrying(error: Any) -> bool:
    """Whether nobody answered the call, and the edge does not say that trying again is no use."""
    if error.code() not in UNANSWERED and not _cut_off(error):
        return False
    trailing = error.trailing_metadata() or ()
    return (PUSHBACK, NO_RETRY) not in [(entry.key, str(entry.value)) for entry in trailing]


def _cut_off(error: Any) -> bool:
    """Whether the call's connection was ended under it, for what another call on it did.

    HAProxy then resets the calls with NO_ERROR, for which gRPC's own mapping gives INTERNAL.
    """
    internal = error.code() is grpc.StatusCode.INTERNAL
    return internal and "RST_STREAM with error code 0" in (error.details() or "")
