"""The parts of an analysis: what came of each, and its message."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from striate.core.arrays import Pixels
from striate.serve.common.status import status_of
from striate.serve.common.types import ModelName, Tag, TagRequest
from striate.serve.protos.striate.v1 import photo_tagging_pb2, photos_pb2
from striate.serve.protos.striate.v1 import photos_pb2 as pb
from striate.serve.server.batcher import TooLate
from striate.serve.server.servable import Servable
from striate.serve.services.tag_messages import labels

Describer = Servable[TagRequest, list[float]]

TAGS, FACES, CONTENT = "tags", "faces", "content"
ALL = 2**31
_LATE = "Not ready when the answer had to leave."


@dataclass(frozen=True)
class PartOutcome:
    """What came of one part: a status and why, the answer of its model, or the error."""

    status: "photos_pb2.PartStatus"
    reason: str = ""
    answer: Any = None
    error: Exception | None = None


def require_sample(sample: Tensor | Pixels | Exception) -> Tensor | Pixels:
    """The photo as its model stores it.

    Raises:
        StriateError: the model cannot take this photo.
    """
    if isinstance(sample, Exception):
        raise sample
    return sample


def request_for(part: str, sample: Tensor, asked: TagRequest) -> TagRequest:
    """What is asked of a part's model: the caller's best tags, or every class there is."""
    if part == TAGS:
        return TagRequest(sample, asked.top_k, asked.min_score)
    return TagRequest(sample, ALL)


def nbytes(asked: TagRequest) -> int:
    """Bytes that a request holds while it waits."""
    return asked.image.nbytes if isinstance(asked.image, Tensor) else len(asked.image)


def outcome_of(future: "asyncio.Future[Any]") -> PartOutcome:
    """What came of a model's answer by now; one that is not there is not waited for any more."""
    if not future.done():
        future.cancel()
        return leave_out()
    if future.cancelled():
        return leave_out()
    error = future.exception()
    if error is None:
        return PartOutcome(pb.PART_STATUS_OK, "", future.result())
    if isinstance(error, TooLate) or not isinstance(error, Exception):
        return leave_out()
    return fail_part(error)


def leave_out() -> PartOutcome:
    """A part that is left out."""
    return PartOutcome(pb.PART_STATUS_LATE, _LATE)


def fail_part(error: Exception) -> PartOutcome:
    """A part that could not be computed; the reason is what a caller may know."""
    return PartOutcome(pb.PART_STATUS_FAILED, status_of(error)[1], None, error)


def tags_message(outcome: PartOutcome, model: ModelName) -> pb.Tags:
    """The message of the tags."""
    found: Sequence[Tag] = outcome.answer or ()
    return pb.Tags(
        status=outcome.status, reason=outcome.reason, labels=labels(found), model=_model(model)
    )


def faces_message(outcome: PartOutcome, model: ModelName | None) -> pb.FaceDescription:
    """The message of the description: scores of a model that classifies, its vector, or faces."""
    answer = outcome.answer or []
    scores = [entry for entry in answer if isinstance(entry, Tag)]
    faces = [entry for entry in answer if isinstance(entry, pb.AnalyzedFace)]
    return pb.FaceDescription(
        status=outcome.status,
        reason=outcome.reason,
        scores=labels(scores),
        vector=[] if scores or faces else answer,
        faces=faces,
        model=_model(model),
    )


def content_message(
    outcome: PartOutcome, model: ModelName | None, thresholds: Mapping[str, float]
) -> pb.ContentFilter:
    """The message of the filter: the classes that reach their threshold."""
    found: Sequence[Tag] = outcome.answer or ()
    flagged = [
        pb.FlaggedClass(name=tag.name, score=tag.score, threshold=thresholds[tag.name])
        for tag in found
        if tag.name in thresholds and tag.score >= thresholds[tag.name]
    ]
    return pb.ContentFilter(
        status=outcome.status, reason=outcome.reason, flagged=flagged, model=_model(model)
    )


def _model(model: ModelName | None) -> photo_tagging_pb2.Model | None:
    return (
        None if model is None else photo_tagging_pb2.Model(name=model.name, version=model.version)
    )
