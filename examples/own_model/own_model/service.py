"""`own_model.v1.Sorting`: a photo in, the folder that it belongs to out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from own_model import sorting_pb2 as pb
from own_model.declaration import SORTING
from striate.serve.common.limits import Limits
from striate.serve.common.types import TagRequest
from striate.serve.observability.observer import Observer
from striate.serve.server.handlers import Call, Method, Unary
from striate.serve.server.servable import Servable
from striate.serve.services.tag_messages import check_image
from striate.serve.services.tagging import Tagger


class Sorting:
    """The service around a model that tags photos.

    Args:
        tagger: answers, in batches or not.
        sure: the probability from which an answer is sure.
        limits: what is accepted.
    """

    name = SORTING.name
    models: tuple[str, ...] = ()

    def __init__(self, tagger: Tagger, sure: float, limits: Limits) -> None:
        self.model = tagger.model
        self._tagger = tagger
        self._sure = sure
        self._limits = limits

    def methods(self) -> Mapping[str, Method]:
        """`Sort`."""
        return {"Sort": Unary(pb.SortRequest, self._sort)}

    def servables(self) -> Sequence[Servable[Any, Any]]:
        """The tagger."""
        return (self._tagger,)

    def open(self, observer: Observer, serving: Callable[[], bool]) -> None:
        """Nothing is held beside the tagger."""

    def drain(self) -> None:
        """There are no streams."""

    def close(self) -> None:
        """Nothing is held beside the tagger."""

    async def _sort(self, message: pb.SortRequest, call: Call) -> pb.SortResponse:
        check_image(message.image, self._limits)
        request = TagRequest(message.image, top_k=1)
        (best,) = await self._tagger.ask(request, call.deadline, 1, len(request.image))
        return pb.SortResponse(folder=best.name, score=best.score, sure=best.score >= self._sure)
