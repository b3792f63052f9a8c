"""Photos of one bulk call, answered as they are ready."""

import asyncio
from collections.abc import Iterable, Sequence

from striate.serve.common.limits import Limits
from striate.serve.common.types import ModelName, Tag, TagRequest
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as pb
from striate.serve.server.handlers import Call, parser
from striate.serve.server.servable import Servable
from striate.serve.services.answer_stream import AnswerStream
from striate.serve.services.tag_messages import check_request, response

_SERVICE = pb.DESCRIPTOR.services_by_name["PhotoTagging"].full_name
_parse = parser(pb.TagStreamRequest)


class TagStream(AnswerStream[list[Tag]]):
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
        self._tagger, self._limits, self._named = tagger, limits, model
        name = ModelName(model.name, model.version)
        super().__init__(_SERVICE, "TagStream", name, limits.stream_window, call)

    def items(self, raw: bytes) -> Iterable[pb.StreamedPhoto]:
        """Its photos."""
        photos: Iterable[pb.StreamedPhoto] = _parse(raw).photos
        return photos

    def submit(self, item: pb.StreamedPhoto) -> "list[Tag] | asyncio.Future[list[Tag]]":
        """The photo's tags, now or later."""
        request = check_request(item.photo, self._limits)
        if self._tagger.immediate:
            return self._tagger.now(request)
        return self._tagger.submit(request, self._call.deadline, 1, len(request.image))

    def answered(self, identity: str, answer: list[Tag]) -> pb.TagStreamAnswer:
        """A photo's tags."""
        return pb.TagStreamAnswer(id=identity, tags=response(answer, self._named))

    def failed(self, identity: str, failure: pb.Failure) -> pb.TagStreamAnswer:
        """A photo that cannot be used."""
        return pb.TagStreamAnswer(id=identity, failure=failure)

    def message(self, answers: Sequence[pb.TagStreamAnswer]) -> pb.TagStreamResponse:
        """Photos' answers."""
        return pb.TagStreamResponse(answers=answers)
