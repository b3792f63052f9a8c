"""What a client gets: answers without gRPC's messages."""

from dataclasses import dataclass
from typing import Any

from striate.serve.common.types import ModelName, Tag
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as pb
from striate.serve.protos.striate.v1 import photos_pb2


@dataclass(frozen=True)
class TagResult:
    """The labels of a photo, the best first, and the model that says so."""

    labels: tuple[Tag, ...]
    model: str
    version: str


@dataclass(frozen=True)
class AnalysisPart:
    """One part of an analysis.

    Attributes:
        status: ``OK``, ``LATE``, ``OFF`` or ``FAILED``.
        reason: why, where it is not OK.
        model: name and version of the model that is asked; empty where there is none.
        labels: scores by class, the best first; of content, the classes over their threshold.
        vector: of a model that describes by a vector.
    """

    status: str
    reason: str
    model: ModelName
    labels: tuple[Tag, ...] = ()
    vector: tuple[float, ...] = ()


@dataclass(frozen=True)
class AnalyzeResult:
    """What the networks say of a photo."""

    tags: AnalysisPart
    faces: AnalysisPart
    content: AnalysisPart


def tag_result(message: pb.TagResponse) -> TagResult:
    """The answer in a message."""
    return TagResult(_labels(message.labels), message.model.name, message.model.version)


def analyze_result(message: photos_pb2.AnalyzeResponse) -> AnalyzeResult:
    """The answer in a message."""
    content = message.content
    flagged = tuple(Tag(entry.name, -1, entry.score) for entry in content.flagged)
    return AnalyzeResult(
        _part(message.tags, _labels(message.tags.labels)),
        _part(message.faces, _labels(message.faces.scores), tuple(message.faces.vector)),
        _part(content, flagged),
    )


def _part(message: Any, labels: tuple[Tag, ...], vector: tuple[float, ...] = ()) -> AnalysisPart:
    status = photos_pb2.PartStatus.Name(message.status).removeprefix("PART_STATUS_")
    model = ModelName(message.model.name, message.model.version)
    return AnalysisPart(status, message.reason, model, labels, vector)


def _labels(messages: Any) -> tuple[Tag, ...]:
    return tuple(Tag(label.name, label.index, label.score) for label in messages)
