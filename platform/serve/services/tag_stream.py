"""One bulk call: many photos under way at once, answered as they are ready.

A reader takes messages as long as the window has room, and pauses otherwise, so that gRPC's own
flow control slows the caller down. A photo costs one future and no task; whatever answers are ready
when the writer gets its turn leave in one message.
"""

import asyncio

from grpc.aio import EOF

from striate.core.errors import PlatformError, RequestError
from striate.serve.common.limits import STREAM_ID_BYTES, Limits
from striate.serve.common.status import status_of
from striate.serve.common.types import Tag, TagRequest
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as pb
from striate.serve.server.handlers import Call, parser
from striate.serve.server.servable import Servable
from striate.serve.services.tag_messages import check_request, response

_parse = parser(pb.TagStreamRequest)


class TagStream:
    """Answers one call of `TagStream`.

    Args:
        tagger: answers the photos.
        limits: what is accepted, and how many photos may be under way.
        model: what answers carry.
        call: the call.
    """

    def __init__(
        self,
        tagger: Servable[TagRequest, list[Tag]],
        limits: Limits,
        model: pb.Model,
        call: Call,
    ) -> None:
        self._tagger, self._limits, self._model = tagger, limits, model
        self._observer, self._call = call.observer, call
        self._loop = asyncio.get_running_loop()
        self._ready: list[pb.TagStreamAnswer] = []
        self._pending: set[asyncio.Future[list[Tag]]] = set()
        self._under_way = 0
        self._room: asyncio.Future[None] | None = None
        self._wake: asyncio.Future[None] | None = None
        self._reader: asyncio.Task[None] = self._loop.create_task(self._read())
        self._reader.add_done_callback(lambda _: self._wake_writer())

    async def run(self) -> None:
        """Read and answer until the caller has sent all, and every photo is answered.

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
        context, window = self._call.context, self._limits.stream_window
        while True:
            if self._under_way >= window:
                self._room = self._loop.create_future()
                await self._room
            raw = await context.read()
            if raw is EOF:
                return
            for photo in _parse(raw).photos:
                self._under_way += 1
                self._take(photo)

    def _take(self, message: pb.StreamedPhoto) -> None:
        identity = message.id
        try:
            if len(identity.encode()) > STREAM_ID_BYTES:
                identity = ""
                raise RequestError(f"An id is longer than {STREAM_ID_BYTES} bytes.")
            request = check_request(message.photo, self._limits)
            if self._tagger.immediate:
                self._answer(identity, self._tagger.now(request))
                return
            future = self._tagger.submit(request, self._call.deadline, 1, len(request.image))
        except Exception as error:
            self._fail(identity, error)
            return
        self._pending.add(future)
        future.add_done_callback(lambda done: self._done(identity, done))

    def _done(self, identity: str, future: "asyncio.Future[list[Tag]]") -> None:
        self._pending.discard(future)
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            self._answer(identity, future.result())
        else:
            self._fail(identity, error)

    def _answer(self, identity: str, tags: list[Tag]) -> None:
        self._push(pb.TagStreamAnswer(id=identity, tags=response(tags, self._model)), "OK")

    def _fail(self, identity: str, error: BaseException) -> None:
        status, sentence, code = status_of(error)
        failure = pb.Failure(status=status.value[0], message=sentence, code=code)
        self._push(pb.TagStreamAnswer(id=identity, failure=failure), status.name)

    def _push(self, answer: pb.TagStreamAnswer, code: str) -> None:
        self._ready.append(answer)
        self._wake_writer()
        model = self._model
        self._observer.record_message(_SERVICE, "TagStream", code, model.name, model.version)

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
            await context.write(pb.TagStreamResponse(answers=answers).SerializeToString())
            self._under_way -= len(answers)
            if self._room is not None and not self._room.done():
                self._room.set_result(None)

    def _wake_writer(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


_SERVICE = pb.DESCRIPTOR.services_by_name["PhotoTagging"].full_name
