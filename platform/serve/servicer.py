"""`striate.v1.PhotoTagging`: from a message to a request, and from the answer to a message."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import grpc

from striate.core.errors import PayloadTooLarge, RequestError
from striate.serve.limits import Limits
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as pb
from striate.serve.protos.striate.v1 import photo_tagging_pb2_grpc as pb_grpc
from striate.serve.status import abort
from striate.serve.tags import Tag, TagRequest

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[pb.TagRequest, pb.TagResponse]

DEFAULT_TOP_K = 5
Answering = Callable[[TagRequest], Awaitable[list[Tag]]]


class PhotoTagging(pb_grpc.PhotoTaggingServicer):
    """The service around whatever answers a `TagRequest`.

    Args:
        answering: answers one request, in a batch or not.
        limits: what is accepted.
        model: name and version that every answer carries.
    """

    def __init__(self, answering: Answering, limits: Limits, model: tuple[str, str]) -> None:
        self._answering = answering
        self._limits = limits
        self._model = pb.Model(name=model[0], version=model[1])

    async def Tag(self, request: pb.TagRequest, context: "Context") -> pb.TagResponse:  # noqa: N802
        """Tag one photo; every error leaves with its status."""
        try:
            tags = await self._answering(checked(request, self._limits))
        except Exception as error:
            await abort(context, error)
            raise  # not reached: abort raises
        labels = [pb.Label(name=tag.name, index=tag.index, score=tag.score) for tag in tags]
        return pb.TagResponse(labels=labels, model=self._model)


def checked(request: pb.TagRequest, limits: Limits) -> TagRequest:
    """The request, once every field is in its range.

    Raises:
        RequestError: a field is out of its range, or there is no image.
        PayloadTooLarge: the encoded image is over the limit.
    """
    if not request.image:
        raise RequestError("The request holds no image.", "Send the bytes of a PNG or JPEG.")
    if len(request.image) > limits.image_bytes:
        raise PayloadTooLarge(
            f"The image has {len(request.image):,} bytes; {limits.image_bytes:,} are allowed."
        )
    if request.top_k > limits.top_k:
        raise RequestError(f"top_k is {request.top_k}; at most {limits.top_k} is allowed.")
    if not 0.0 <= request.min_score <= 1.0:  # false for NaN too
        raise RequestError(f"min_score is {request.min_score:g}; it goes from 0 to 1.")
    return TagRequest(request.image, request.top_k or DEFAULT_TOP_K, request.min_score)
