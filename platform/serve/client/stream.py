"""The caller's side of `TagStream`: a window of photos, over as many calls as it takes.

gRPC pulls requests in a thread of its own; answers come in the caller's. A photo is in one of three
places: not taken yet, sent and not answered, or to be sent again because its call broke.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import grpc

from striate.core.errors import StriateError
from striate.serve.client.errors import failure_error
from striate.serve.client.results import TagResult, tag_result
from striate.serve.common.metadata import CallMetadata
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as pb

PACKED = 8
PACKED_BYTES = 2**19
_PACKING_S = 0.005
Photo = tuple[str, bytes]


class PhotoStream:
    """Photos on their way, across calls.

    Args:
        photos: each with its name.
        top_k: at most this many labels.
        min_score: labels scoring less are left out.
        in_flight: most photos that are sent and not answered.
        patience_s: how long to wait for an answer while photos are sent.
    """

    def __init__(
        self,
        photos: Iterable[Photo],
        top_k: int,
        min_score: float,
        in_flight: int,
        patience_s: float,
    ) -> None:
        self._photos = iter(photos)
        self._fields = {"top_k": top_k, "min_score": min_score}
        self._in_flight = in_flight
        self._patience_s = patience_s
        self._waiting_since: float | None = None
        self._sending_since = 0.0
        self._source = threading.Lock()  # one call at a time takes photos
        self._state = threading.Condition()
        self._sent: dict[str, Photo] = {}
        self._again: deque[tuple[str, Photo]] = deque()
        self._taken = 0
        self._exhausted = False
        self._error: BaseException | None = None

    def attempt(
        self, method: Callable[..., Any], metadata: CallMetadata
    ) -> Iterator[tuple[str, TagResult | StriateError]]:
        """One call: send what is left, and yield what is answered.

        Raises:
            grpc.RpcError: the call broke; another attempt sends what was not answered.
            TimeoutError: no answer came in time.
            BaseException: whatever the iterable of photos raised.
        """
        over = threading.Event()
        with self._state:
            self._again.extend(self._sent.items())
            self._sent.clear()
        call = method(self._messages(over), metadata=metadata)
        watch = threading.Thread(target=self._watch, args=(call, over), daemon=True)
        watch.start()
        try:
            while (response := self._received(call, watch)) is not None:
                yield from self._answers(response)
            if self._error is not None:
                raise self._error
            if self._sent:
                raise TimeoutError(f"{len(self._sent)} photos were not answered.")
        finally:
            with self._state:
                over.set()
                self._state.notify_all()
            call.cancel()

    def _answers(
        self, response: pb.TagStreamResponse
    ) -> Iterator[tuple[str, TagResult | StriateError]]:
        for answer in response.answers:
            with self._state:
                photo = self._sent.pop(answer.id, None)
                self._state.notify_all()
            if photo is None:
                continue
            failed = answer.WhichOneof("result") == "failure"
            yield photo[0], failure_error(answer.failure) if failed else tag_result(answer.tags)

    def _received(self, call: Any, watch: threading.Thread) -> pb.TagStreamResponse | None:
        """The next message; None at the end."""
        self._waiting_since = time.monotonic()
        try:
            response: pb.TagStreamResponse | None = next(call, None)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.CANCELLED and not watch.is_alive():
                raise TimeoutError("No photo was answered in time.") from None
            raise
        finally:
            self._waiting_since = None
        return response

    def _watch(self, call: Any, over: threading.Event) -> None:
        """Runs in a thread: end a call that has gone silent, though photos wait for answers."""
        while not over.wait(self._patience_s / 10):
            since = self._waiting_since
            with self._state:
                silent_s = time.monotonic() - max(since or 0.0, self._sending_since)
                stuck = since is not None and bool(self._sent) and silent_s > self._patience_s
            if stuck:
                call.cancel()
                return

    def _messages(self, over: threading.Event) -> Iterator[pb.TagStreamRequest]:
        """Runs in gRPC's thread: messages as the window has room."""
        while not over.is_set():
            with self._source:
                parts = self._packed(over)
            if not parts:
                return
            yield pb.TagStreamRequest(photos=parts)

    def _packed(self, over: threading.Event) -> list[pb.StreamedPhoto]:
        """The next photos, at least one unless there are no more; it waits for none beyond that."""
        parts: list[pb.StreamedPhoto] = []
        size, until = 0, time.monotonic() + _PACKING_S
        while (
            len(parts) < PACKED and size < PACKED_BYTES and (not parts or time.monotonic() < until)
        ):
            if not self._room(over, wait=not parts):
                break
            taken = self._next()
            if taken is None:
                break
            identity, photo = taken
            with self._state:
                if over.is_set():
                    self._again.append(taken)
                    return []
                if not self._sent:
                    self._sending_since = time.monotonic()
                self._sent[identity] = photo
            request = pb.TagRequest(image=photo[1], **self._fields)  # type: ignore[arg-type]
            parts.append(pb.StreamedPhoto(id=identity, photo=request))
            size += len(photo[1])
        return parts

    def _room(self, over: threading.Event, wait: bool) -> bool:
        with self._state:
            while len(self._sent) >= self._in_flight and wait and not over.is_set():
                self._state.wait()
            return len(self._sent) < self._in_flight and not over.is_set()

    def _next(self) -> tuple[str, Photo] | None:
        if self._again:
            return self._again.popleft()
        if self._exhausted:
            return None
        try:
            photo = next(self._photos)
        except BaseException as error:  # the caller's own iterable; it is raised in its thread
            self._exhausted = True
            self._error = None if isinstance(error, StopIteration) else error
            return None
        self._taken += 1
        return str(self._taken), photo


class Sending:
    """Messages on their way, which gRPC takes in a thread of its own.

    Args:
        messages: what is sent.

    Attributes:
        error: what taking the next one has raised; there are no further ones then.
    """

    def __init__(self, messages: Iterable[Any]) -> None:
        self._messages = iter(messages)
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._messages)
        except StopIteration:
            raise
        except BaseException as error:  # the caller's own iterable; it is raised in its thread
            self.error = error
            raise StopIteration from None
