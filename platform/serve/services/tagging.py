"""`striate.v1.PhotoTagging`: one photo a call, or many on a stream."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from striate.serve.common.limits import Limits
from striate.serve.common.types import Tag, TagRequest
from striate.serve.observability.observer import Observer
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as pb
from striate.serve.server.handlers import Call, Method, StreamMethod, Unary
from striate.serve.server.servable import Servable
from striate.serve.services.tag_messages import check_request, response
from striate.serve.services.tag_stream import TagStream

SERVICE = pb.DESCRIPTOR.services_by_name["PhotoTagging"].full_name
Tagger = Servable[TagRequest, list[Tag]]


class PhotoTagging:
    """The service around a servable that answers a `TagRequest`.

    Args:
        tagger: answers, in batches or not.
        limits: what is accepted.
    """

    name = SERVICE
    models: tuple[str, ...] = ()

    def __init__(self, tagger: Tagger, limits: Limits | None = None) -> None:
        self.model = tagger.model
        self._tagger = tagger
        self._limits = limits or Limits()
        self._model = pb.Model(name=self.model.name, version=self.model.version)
        self._streams: set[TagStream] = set()

    def methods(self) -> Mapping[str, Method]:
        """`Tag` and `TagStream`."""
        return {"Tag": Unary(pb.TagRequest, self._tag), "TagStream": StreamMethod(self._tag_stream)}

    def servables(self) -> Sequence[Servable[Any, Any]]:
        """The tagger."""
        return (self._tagger,)

    def open(self, observer: Observer, serving: Callable[[], bool]) -> None:
        """Nothing is held beside the tagger."""

    def drain(self) -> None:
        """Streams answer what they have read, and end."""
        for stream in self._streams:
            stream.drain()

    def close(self) -> None:
        """Nothing is held beside the tagger."""

    async def _tag(self, message: pb.TagRequest, call: Call) -> pb.TagResponse:
        request = check_request(message, self._limits)
        tags = await self._tagger.ask(request, call.deadline, 1, len(request.image))
        return response(tags, self._model)

    async def _tag_stream(self, call: Call) -> None:
        stream = TagStream(self._tagger, self._limits, self._model, call)
        self._streams.add(stream)
        try:
            await stream.run()
        finally:
            self._streams.discard(stream)
