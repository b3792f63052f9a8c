"""A client of the platform's gRPC endpoints, with deadlines, retries and clear errors."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import grpc

from striate.core.errors import (
    BundleError,
    PayloadTooLarge,
    PlatformError,
    RequestError,
    StriateError,
    UnknownName,
)
from striate.serve.edge_config import APP_KEY
from striate.serve.limits import Limits
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as pb
from striate.serve.protos.striate.v1 import photo_tagging_pb2_grpc as pb_grpc
from striate.serve.tags import Tag

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 2.0
NO_RETRY = ("grpc-retry-pushback-ms", "-1")

ERRORS: dict[grpc.StatusCode, type[StriateError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: RequestError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: PayloadTooLarge,
    grpc.StatusCode.NOT_FOUND: UnknownName,
    grpc.StatusCode.FAILED_PRECONDITION: BundleError,
    grpc.StatusCode.UNAVAILABLE: PlatformError,
    grpc.StatusCode.CANCELLED: PlatformError,
    grpc.StatusCode.DEADLINE_EXCEEDED: PlatformError,
}
# A server that begins to drain answers a call that reaches it in that moment with CANCELLED; this
# client never cancels a call itself.
UNANSWERED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


@dataclass(frozen=True)
class TagResult:
    """The labels of a photo, the best first, and the model that says so."""

    labels: tuple[Tag, ...]
    model: str
    version: str


class Client:
    """Calls one application.

    A call that nobody answered (UNAVAILABLE, or CANCELLED by a server that ends) is tried again,
    after 0.1 s, then twice as long each time up to 2 s (each shortened at random), until the
    deadline, unless the edge says that it is no use. Tagging changes nothing on the server, so a
    repeated call does no harm.

    Args:
        address: `host:port` of the edge or of a replica.
        app: the application's name; None for the edge's default.
        deadline_s: for one call with all of its retries.
    """

    def __init__(self, address: str, app: str | None = None, deadline_s: float = 10.0) -> None:
        self.address = address
        self.deadline_s = deadline_s
        self._metadata = ((APP_KEY, app),) if app else ()
        size = Limits().message_bytes
        options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", size)]
        self._channel = grpc.insecure_channel(address, options=options)
        self._stub = pb_grpc.PhotoTaggingStub(self._channel)  # type: ignore[no-untyped-call]

    def tag(self, image: bytes, top_k: int = 5, min_score: float = 0.0) -> TagResult:
        """Tag one photo.

        Args:
            image: an encoded PNG or JPEG.
            top_k: at most this many labels.
            min_score: labels scoring less are left out.

        Raises:
            RequestError: the server refuses the image or a field.
            PayloadTooLarge: the image is over a limit, or too many calls wait.
            UnknownName: the edge has no application of that name.
            PlatformError: nobody answered within the deadline.
        """
        if not 0 <= top_k < 2**32:
            raise RequestError(f"top_k is {top_k}; it must be a small whole number.")
        request = pb.TagRequest(image=image, top_k=top_k, min_score=min_score)
        response = self._call(self._stub.Tag, request)
        labels = tuple(Tag(label.name, label.index, label.score) for label in response.labels)
        return TagResult(labels, response.model.name, response.model.version)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(
        self, method: Callable[..., pb.TagResponse], request: pb.TagRequest
    ) -> pb.TagResponse:
        deadline = time.monotonic() + self.deadline_s
        wait_s = FIRST_WAIT_S
        while True:
            left_s = deadline - time.monotonic()
            try:
                return method(request, metadata=self._metadata, timeout=max(left_s, 0.001))
            except grpc.RpcError as error:
                pause_s = wait_s * random.uniform(0.5, 1.0)
                if not _worth_retrying(error) or time.monotonic() + pause_s >= deadline:
                    raise rebuilt(error, self.address) from None
            time.sleep(pause_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def rebuilt(error: grpc.RpcError, address: str) -> StriateError:
    """The project's error for a call's status; the server's sentence is kept."""
    status, details = error.code(), error.details() or "no details"
    kind = ERRORS.get(status, StriateError)
    if kind is PlatformError:
        return kind(f"{address} does not answer: {details}")
    return kind(details)


def _worth_retrying(error: grpc.RpcError) -> bool:
    if error.code() not in UNANSWERED:
        return False
    trailing = error.trailing_metadata() or ()
    return NO_RETRY not in [(entry.key, str(entry.value)) for entry in trailing]
