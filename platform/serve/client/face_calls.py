"""What the calls of `striate.v1.FaceRecognition` share: their messages, a region, pages."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from google.protobuf.message import Message

from striate.serve.client.caller import Caller

FACES = "striate.v1.FaceRecognition"
PAGE = 1000
Answer = TypeVar("Answer", bound=Message)


class FaceCalls:
    """Calls in a client's region.

    The methods answer the messages of ``striate/v1/face_recognition.proto``, which says what each
    field is; a page and a stream are iterators over what they hold. Every method may raise what
    `Client.tag` does, and names its own errors.

    Args:
        client: of the application.
    """

    def __init__(self, client: Caller) -> None:
        self._client = client

    def _call(
        self,
        kind: type[Answer],
        method: str,
        message: Any,
        repeated: Any = None,
        *,
        once: bool = False,
    ) -> Answer:
        """Call a method that answers a message of that kind; arguments as `Client.call`."""
        for one in (message, *((repeated,) if repeated is not None else ())):
            one.region = self._client.region
        answer: Answer = self._client.call(FACES, method, message, repeated=repeated, once=once)
        return answer

    def _stream(self, method: str, message: Any) -> Iterator[Any]:
        message.region = self._client.region
        return self._client.stream(FACES, method, message)

    def _pages(self, method: str, rows: str, ask: Callable[[int], Any]) -> Iterator[Any]:
        """All rows, of page after page.

        Args:
            method: lists them.
            rows: the answer's field that holds them.
            ask: makes the message for those after a number.
        """
        after, more = 0, True
        while more:
            page: Any = self._call(Message, method, ask(after))
            found = getattr(page, rows)
            yield from found
            more = page.more and bool(found)
            after = found[-1].id if found else after
