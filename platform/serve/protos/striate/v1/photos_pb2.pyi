# mypy: ignore-errors
from striate.serve.protos.striate.v1 import face_recognition_pb2 as _face_recognition_pb2
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as _photo_tagging_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PartStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PART_STATUS_UNSPECIFIED: _ClassVar[PartStatus]
    PART_STATUS_OK: _ClassVar[PartStatus]
    PART_STATUS_LATE: _ClassVar[PartStatus]
    PART_STATUS_OFF: _ClassVar[PartStatus]
    PART_STATUS_FAILED: _ClassVar[PartStatus]
PART_STATUS_UNSPECIFIED: PartStatus
PART_STATUS_OK: PartStatus
PART_STATUS_LATE: PartStatus
PART_STATUS_OFF: PartStatus
PART_STATUS_FAILED: PartStatus

class AnalyzeRequest(_message.Message):
    __slots__ = ("image", "region", "top_k", "min_score")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    MIN_SCORE_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    region: str
    top_k: int
    min_score: float
    def __init__(self, image: _Optional[bytes] = ..., region: _Optional[str] = ..., top_k: _Optional[int] = ..., min_score: _Optional[float] = ...) -> None: ...

class AnalyzeResponse(_message.Message):
    __slots__ = ("tags", "faces", "content")
    TAGS_FIELD_NUMBER: _ClassVar[int]
    FACES_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    tags: Tags
    faces: FaceDescription
    content: ContentFilter
    def __init__(self, tags: _Optional[_Union[Tags, _Mapping]] = ..., faces: _Optional[_Union[FaceDescription, _Mapping]] = ..., content: _Optional[_Union[ContentFilter, _Mapping]] = ...) -> None: ...

class Tags(_message.Message):
    __slots__ = ("status", "reason", "labels", "model")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    status: PartStatus
    reason: str
    labels: _containers.RepeatedCompositeFieldContainer[_photo_tagging_pb2.Label]
    model: _photo_tagging_pb2.Model
    def __init__(self, status: _Optional[_Union[PartStatus, str]] = ..., reason: _Optional[str] = ..., labels: _Optional[_Iterable[_Union[_photo_tagging_pb2.Label, _Mapping]]] = ..., model: _Optional[_Union[_photo_tagging_pb2.Model, _Mapping]] = ...) -> None: ...

class FaceDescription(_message.Message):
    __slots__ = ("status", "reason", "scores", "vector", "model", "faces")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FACES_FIELD_NUMBER: _ClassVar[int]
    status: PartStatus
    reason: str
    scores: _containers.RepeatedCompositeFieldContainer[_photo_tagging_pb2.Label]
    vector: _containers.RepeatedScalarFieldContainer[float]
    model: _photo_tagging_pb2.Model
    faces: _containers.RepeatedCompositeFieldContainer[AnalyzedFace]
    def __init__(self, status: _Optional[_Union[PartStatus, str]] = ..., reason: _Optional[str] = ..., scores: _Optional[_Iterable[_Union[_photo_tagging_pb2.Label, _Mapping]]] = ..., vector: _Optional[_Iterable[float]] = ..., model: _Optional[_Union[_photo_tagging_pb2.Model, _Mapping]] = ..., faces: _Optional[_Iterable[_Union[AnalyzedFace, _Mapping]]] = ...) -> None: ...

class AnalyzedFace(_message.Message):
    __slots__ = ("face", "descriptor", "found")
    FACE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    face: _face_recognition_pb2.DetectedFace
    descriptor: _face_recognition_pb2.Descriptor
    found: _face_recognition_pb2.FoundFace
    def __init__(self, face: _Optional[_Union[_face_recognition_pb2.DetectedFace, _Mapping]] = ..., descriptor: _Optional[_Union[_face_recognition_pb2.Descriptor, _Mapping]] = ..., found: _Optional[_Union[_face_recognition_pb2.FoundFace, _Mapping]] = ...) -> None: ...

class ContentFilter(_message.Message):
    __slots__ = ("status", "reason", "flagged", "model")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FLAGGED_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    status: PartStatus
    reason: str
    flagged: _containers.RepeatedCompositeFieldContainer[FlaggedClass]
    model: _photo_tagging_pb2.Model
    def __init__(self, status: _Optional[_Union[PartStatus, str]] = ..., reason: _Optional[str] = ..., flagged: _Optional[_Iterable[_Union[FlaggedClass, _Mapping]]] = ..., model: _Optional[_Union[_photo_tagging_pb2.Model, _Mapping]] = ...) -> None: ...

class FlaggedClass(_message.Message):
    __slots__ = ("name", "score", "threshold")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    name: str
    score: float
    threshold: float
    def __init__(self, name: _Optional[str] = ..., score: _Optional[float] = ..., threshold: _Optional[float] = ...) -> None: ...
