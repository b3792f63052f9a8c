"""From the messages of `striate.v1.PhotoTagging` to requests, and from answers to messages."""

from collections.abc import Sequence

from striate.core.errors import PayloadTooLarge, RequestError
from striate.serve.common.limits import Limits
from striate.serve.common.types import Tag, TagRequest
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as pb
from striate.serve.protos.striate.v1.photos_pb2 import AnalyzeRequest

DEFAULT_TOP_K = 5


def check_request(message: pb.TagRequest | AnalyzeRequest, limits: Limits) -> TagRequest:
    """The request, once every field is in its range.

    Raises:
        RequestError: a field is out of its range, or there is no image.
        PayloadTooLarge: the encoded image is over the limit.
    """
    image, top_k, min_score = message.image, message.top_k, message.min_score
    check_image(image, limits)
    if top_k > limits.top_k:
        raise RequestError(f"top_k is {top_k}; at most {limits.top_k} is allowed.")
    if not 0.0 <= min_score <= 1.0:  # false for NaN too
        raise RequestError(f"min_score is {min_score:g}; it goes from 0 to 1.")
    return TagRequest(image, top_k or DEFAULT_TOP_K, min_score)


def check_image(image: bytes, limits: Limits) -> None:
    """Accept an encoded image by its size.

    Raises:
        RequestError: there is none.
        PayloadTooLarge: it is over the limit.
    """
    if not image:
        raise RequestError("The request holds no image.", "Send the bytes of a photo.")
    if len(image) > limits.image_bytes:
        raise PayloadTooLarge(
            f"The image has {len(image):,} bytes; {limits.image_bytes:,} are allowed."
        )


def response(tags: Sequence[Tag], model: pb.Model) -> pb.TagResponse:
    """The message of an answer."""
    return pb.TagResponse(labels=labels(tags), model=model)


def labels(tags: Sequence[Tag]) -> list[pb.Label]:
    """The messages of labels."""
    return [pb.Label(name=tag.name, index=tag.index, score=tag.score) for tag in tags]
