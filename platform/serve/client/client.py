"""A client of the platform's gRPC endpoints, with deadlines, retries and clear errors."""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import chain, repeat
from typing import Any, Self, TypeVar

import grpc

from striate.core.errors import PlatformError, RequestError, StriateError, UnknownName, UsageError
from striate.core.retry import Backoff, retry
from striate.serve.client.answers import AnswerCalls
from striate.serve.client.channel import ChannelSecurity, open_channel, speaks_tls
from striate.serve.client.errors import plain_text_error, rebuild_error, worth_retrying
from striate.serve.client.faces import Faces
from striate.serve.client.language import LanguageCalls, SpeechCalls
from striate.serve.client.people import People
from striate.serve.client.results import AnalyzeResult, TagResult, analyze_result, tag_result
from striate.serve.client.stream import PhotoStream, Sending
from striate.serve.common.metadata import APP_KEY
from striate.serve.common.service_table import find_service
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as pb
from striate.serve.protos.striate.v1 import photos_pb2

__all__ = ["AnalyzeResult", "ChannelSecurity", "Client", "TagResult", "rebuild_error"]

TAGGING, PHOTOS = "striate.v1.PhotoTagging", "striate.v1.Photos"
IN_FLIGHT = 32
_BACKOFF = Backoff(first_s=0.1, longest_s=2.0, jitter=0.5)
_Answer = TypeVar("_Answer")


class Client:
    """Calls one application.

    A call that nobody answered (UNAVAILABLE, or CANCELLED by a server that ends) is tried again,
    after 0.1 s, then twice as long each time up to 2 s (each shortened at random), until the
    deadline, unless the edge says that it is no use. What would do harm when it is done twice is
    called once.

    Args:
        address: `host:port` of the edge or of a replica.
        app: the application's name; None for the edge's default.
        deadline_s: for one call with all of its retries; on a stream, for the next answer.
        security: TLS, certificates and the token.
        region: where the owners of photos with faces are, an ISO 3166 code or ``EU``; empty takes
            the deployment's.

    Raises:
        UsageError: the security's files cannot be used, or the token would go in plain text.
    """

    def __init__(
        self,
        address: str,
        app: str | None = None,
        deadline_s: float = 10.0,
        security: ChannelSecurity | None = None,
        region: str = "",
    ) -> None:
        security = security or ChannelSecurity()
        self.address = address
        self.deadline_s = deadline_s
        self.region = region
        self._metadata = (*(((APP_KEY, app),) if app else ()), *security.metadata())
        self._encrypted = security.encrypted
        self._channel = open_channel(address, security)
        self._stubs: dict[str, Any] = {}

    def tag(self, image: bytes, top_k: int = 5, min_score: float = 0.0) -> TagResult:
        """Tag one photo.

        Args:
            image: an encoded photo, PNG, JPEG, WebP, AVIF, GIF or HEIC.
            top_k: at most this many labels.
            min_score: labels scoring less are left out.

        Raises:
            RequestError: the server refuses the image or a field.
            PayloadTooLarge: the image is over a limit, or too many calls wait.
            AccessRefused: the token or certificate is missing, wrong, or not for this.
            UnknownName: the edge has no application of that name.
            PlatformError: nobody answered within the deadline, or the port speaks TLS and the
                call was in plain text.
        """
        request = pb.TagRequest(image=image, top_k=check_top_k(top_k), min_score=min_score)
        return tag_result(self._call(self._stub(TAGGING).Tag, request))

    def tag_stream(
        self,
        photos: Iterable[tuple[str, bytes]],
        top_k: int = 5,
        min_score: float = 0.0,
        in_flight: int = IN_FLIGHT,
    ) -> Iterator[tuple[str, TagResult | StriateError]]:
        """Tag many photos on one call, the fastest way for bulk work.

        Photos are taken from `photos` as earlier ones are answered, by another thread. When the
        call breaks, another is made, and what was not answered is sent again.

        Args:
            photos: each with a name of your choice, which comes back with its answer.
            top_k: as in `tag`.
            min_score: as in `tag`.
            in_flight: most photos that are sent and not answered.

        Yields:
            Names and answers, or the error of a photo that cannot be used, as they are ready.

        Raises:
            AccessRefused, UnknownName: as in `tag`.
            PlatformError: nobody answered within the deadline.
        """
        stream = PhotoStream(photos, check_top_k(top_k), min_score, in_flight, self.deadline_s)
        call = stream.attempt(self._stub(TAGGING).TagStream, self._metadata)

        def next_answer() -> tuple[str, TagResult | StriateError] | None:
            nonlocal call
            try:
                return next(call, None)
            except grpc.RpcError:
                call = stream.attempt(self._stub(TAGGING).TagStream, self._metadata)
                raise

        try:
            while (answered := self._retry(next_answer)) is not None:
                yield answered
        except TimeoutError as error:
            raise PlatformError(f"{self.address} does not answer: {error}") from None

    def analyze(
        self, image: bytes, region: str = "", top_k: int = 5, min_score: float = 0.0
    ) -> AnalyzeResult:
        """Analyse one photo: tags, faces, and content to be filtered.

        Args:
            image: an encoded photo, PNG, JPEG, WebP, AVIF, GIF or HEIC.
            region: ISO 3166 code of where the photo's owner is, or ``EU``.
            top_k: at most this many tags.
            min_score: tags scoring less are left out.

        Raises:
            StriateError: as in `tag`.
        """
        request = photos_pb2.AnalyzeRequest(
            image=image, region=region, top_k=check_top_k(top_k), min_score=min_score
        )
        return analyze_result(self._call(self._stub(PHOTOS).Analyze, request))

    @cached_property
    def faces(self) -> Faces:
        """Faces in photos: `striate.v1.FaceRecognition`."""
        return Faces(self)

    @cached_property
    def people(self) -> People:
        """Those whose faces are enrolled: `striate.v1.FaceRecognition`."""
        return People(self)

    @cached_property
    def answers(self) -> AnswerCalls:
        """Questions, and stories that are told: `striate.v1.QuestionAnswering`."""
        return AnswerCalls(self)

    @cached_property
    def language(self) -> LanguageCalls:
        """Words as vectors, and translations: `striate.v1.Language`."""
        return LanguageCalls(self)

    @cached_property
    def speech(self) -> SpeechCalls:
        """Recordings as text: `striate.v1.Speech`."""
        return SpeechCalls(self)

    def call(
        self, service: str, method: str, request: Any, *, repeated: Any = None, once: bool = False
    ) -> Any:
        """Call a unary method of any declared service, with the same deadline and retries.

        Args:
            service: its full name, for example ``inference.GRPCInferenceService``.
            method: for example ``ServerLive``.
            request: the method's message.
            repeated: the message of all attempts after the first; None sends the same.
            once: there is one attempt, for a second one would do harm.

        Returns:
            The answer's message.

        Raises:
            UnknownName: nobody declares such a service, or it has no such method.
            UsageError: the method streams.
            StriateError: as in `tag`.
        """
        methods = find_service(service).descriptor().methods_by_name
        if method not in methods:
            raise UnknownName.of("method", method, methods)
        if methods[method].client_streaming or methods[method].server_streaming:
            raise UsageError(
                f"{service}/{method} streams, and a call takes one message each way.",
                "Call it by `stream`, or over a channel and the generated stub.",
            )
        return self._call(getattr(self._stub(service), method), request, repeated, once)

    def stream(self, service: str, method: str, request: Any) -> Iterator[Any]:
        """Call a streaming method once, for as long as it takes.

        Args:
            service: its full name.
            method: for example ``Export``.
            request: the method's message, or an iterable of them where it takes a stream; what the
                iterable raises ends it, and is raised here when what was sent is answered.

        Yields:
            The answers, also where it is one.

        Raises:
            UnknownName: nobody declares such a service, or it has no such method.
            StriateError: as in `tag`.
        """
        declared = find_service(service).descriptor().methods_by_name
        if method not in declared:
            raise UnknownName.of("method", method, declared)
        sending = Sending(request if declared[method].client_streaming else (request,))
        stub = getattr(self._stub(service), method)
        message = sending if declared[method].client_streaming else request
        try:
            answer = stub(message, metadata=self._metadata)
            yield from answer if declared[method].server_streaming else (answer,)
            if sending.error is not None:
                raise sending.error
        except grpc.RpcError as error:
            if worth_retrying(error) and self._wants_tls:
                raise plain_text_error(self.address) from None
            raise rebuild_error(error, self.address) from None

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _stub(self, service: str) -> Any:
        """The generated stub of a declared service, made once."""
        if service not in self._stubs:
            self._stubs[service] = find_service(service).stub(self._channel)
        return self._stubs[service]

    def _call(
        self, method: Callable[..., Any], request: Any, repeated: Any = None, once: bool = False
    ) -> Any:
        deadline = time.monotonic() + self.deadline_s
        messages = chain((request,), repeat(request if repeated is None else repeated))

        def attempt() -> Any:
            left_s = max(deadline - time.monotonic(), 0.001)
            return method(next(messages), metadata=self._metadata, timeout=left_s)

        return self._retry(attempt, once)

    def _retry(self, attempt: Callable[[], _Answer], once: bool = False) -> _Answer:
        """The answer of the first attempt that is answered, within the deadline."""
        within_s, errors = self.deadline_s, (grpc.RpcError,)
        try:
            if once:
                return attempt()
            return retry(attempt, within_s, errors, _BACKOFF, worth=self._worth_retrying)
        except grpc.RpcError as error:
            if worth_retrying(error) and self._wants_tls:
                raise plain_text_error(self.address) from None
            raise rebuild_error(error, self.address) from None

    def _worth_retrying(self, error: Any) -> bool:
        return worth_retrying(error) and not self._wants_tls

    @cached_property
    def _wants_tls(self) -> bool:
        """Whether this plain-text client calls a port that speaks TLS; looked at once."""
        return not self._encrypted and speaks_tls(self.address)


def check_top_k(top_k: int) -> int:
    """A number of labels that a message can hold.

    Raises:
        RequestError: it is none.
    """
    if not 0 <= top_k < 2**32:
        raise RequestError(f"top_k is {top_k}; it must be a small whole number.")
    return top_k
