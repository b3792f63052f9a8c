"""One bulk call: many items under way at once, answered as they are ready.

A reader takes messages as long as the window has room, and pauses otherwise, so that gRPC's own
flow control slows the caller down. An item costs one future and no task; whatever answers are ready
when the writer gets its turn leave in one message.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message
from grpc.aio import EOF

from striate.core.errors import PlatformError, RequestError
from striate.serve.common.limits import STREAM_ID_BYTES
from striate.serve.common.status import status_of
from striate.serve.common.types import ModelName
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as tagging
from striate.serve.server.handlers import Call

Answer = TypeVar("Answer")


class AnswerStream(ABC, Generic[Answer]):
    """Answers one call; a service's own stream says what its messages hold.

    Args:
        service: its full name, for the observer.
        method: the call's method.
        model: what is counted as having answered.
        window: items that may be under way.
        call: the call.
    """

    def __init__(
        self, service: str, method: str, model: ModelName, window: int, call: Call
    ) -> None:
        self._counted = service, method
        self._model, self._window = model, window
        self._observer, self._call = call.observer, call
        self._loop = asyncio.get_running_loop()
        self._ready: list[Message] = []
        self._pending: set[asyncio.Future[Answer]] = set()
        self._under_way = 0
        self._room: asyncio.Future[None] | None = None
        self._wake: asyncio.Future[None] | None = None
        self._reader: asyncio.Task[None] = self._loop.create_task(self._read())
        self._reader.add_done_callback(lambda _: self._wake_writer())

    @abstractmethod
    def items(self, raw: bytes) -> Iterable[Any]:
        """The items of a message, each with an `id`; raises `RequestError` for none."""

    @abstractmethod
    def submit(self, item: Any) -> "Answer | asyncio.Future[Answer]":
        """The answer of an item, or what will have it; raises what it fails with."""

    @abstractmethod
    def answered(self, identity: str, answer: Answer) -> Message:
        """The message of an item's answer."""

    @abstractmethod
    def failed(self, identity: str, failure: tagging.Failure) -> Message:
        """The message of an item that has none."""

    @abstractmethod
    def message(self, answers: Sequence[Any]) -> Message:
        """The message that carries what is ready."""

    async def run(self) -> None:
        """Read and answer until the caller has sent all, and every item is answered.

        Raises:
            RequestError: a message is none, so that its id is not known.
            PlatformError: the server ends; what was read is answered.
        """
        reader = self._reader
        try:
            await self._write()
            if reader.cancelled():
                raise PlatformError("The server is ending.", "Send again what was not answered.")
            reader.result()
        finally:
            reader.cancel()
            for future in self._pending:
                future.cancel()

    def drain(self) -> None:
        """Read no further; what was read is answered."""
        self._reader.cancel()

    async def _read(self) -> None:
        context, window = self._call.context, self._window
        while True:
            if self._under_way >= window:
                self._room = self._loop.create_future()
                await self._room
            raw = await context.read()
            if raw is EOF:
                return
            for item in self.items(raw):
                self._under_way += 1
                self._take(item)

    def _take(self, item: Any) -> None:
        identity = item.id
        try:
            if len(identity.encode()) > STREAM_ID_BYTES:
                identity = ""
                raise RequestError(f"An id is longer than {STREAM_ID_BYTES} bytes.")
            answer = self.submit(item)
        except Exception as error:
            self._fail(identity, error)
            return
        if not isinstance(answer, asyncio.Future):
            self._push(self.answered(identity, answer), "OK")
            return
        self._pending.add(answer)
        answer.add_done_callback(lambda done: self._done(identity, done))

    def _done(self, identity: str, future: "asyncio.Future[Answer]") -> None:
        self._pending.discard(future)
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            self._push(self.answered(identity, future.result()), "OK")
        else:
            self._fail(identity, error)

    def _fail(self, identity: str, error: BaseException) -> None:
        status, sentence, code = status_of(error)
        failure = tagging.Failure(status=status.value[0], message=sentence, code=code)
        self._push(self.failed(identity, failure), status.name)

    def _push(self, answer: Message, code: str) -> None:
        self._ready.append(answer)
        self._wake_writer()
        self._observer.record_message(*self._counted, code, self._model.name, self._model.version)

    async def _write(self) -> None:
        context = self._call.context
        while True:
            if not self._ready:
                if self._reader.done() and not self._under_way:
                    return
                self._wake = self._loop.create_future()
                await self._wake
                continue
            answers, self._ready = self._ready, []
            await context.write(self.message(answers).SerializeToString())
            self._under_way -= len(answers)
            if self._room is not None and not self._room.done():
                self._room.set_result(None)

    def _wake_writer(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
