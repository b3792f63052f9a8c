# mypy: ignore-errors
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as _photo_tagging_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AskRequest(_message.Message):
    __slots__ = ("question", "story", "sentences", "top_k", "min_score")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    STORY_FIELD_NUMBER: _ClassVar[int]
    SENTENCES_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    MIN_SCORE_FIELD_NUMBER: _ClassVar[int]
    question: str
    story: str
    sentences: _containers.RepeatedScalarFieldContainer[str]
    top_k: int
    min_score: float
    def __init__(self, question: _Optional[str] = ..., story: _Optional[str] = ..., sentences: _Optional[_Iterable[str]] = ..., top_k: _Optional[int] = ..., min_score: _Optional[float] = ...) -> None: ...

class AskResponse(_message.Message):
    __slots__ = ("answers", "no_answer", "model", "about", "total")
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    NO_ANSWER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ABOUT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[Answer]
    no_answer: NoAnswer
    model: _photo_tagging_pb2.Model
    about: str
    total: int
    def __init__(self, answers: _Optional[_Iterable[_Union[Answer, _Mapping]]] = ..., no_answer: _Optional[_Union[NoAnswer, _Mapping]] = ..., model: _Optional[_Union[_photo_tagging_pb2.Model, _Mapping]] = ..., about: _Optional[str] = ..., total: _Optional[int] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("text", "score", "path", "entity", "memories")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    text: str
    score: float
    path: _containers.RepeatedCompositeFieldContainer[Fact]
    entity: str
    memories: _containers.RepeatedCompositeFieldContainer[StorySentence]
    def __init__(self, text: _Optional[str] = ..., score: _Optional[float] = ..., path: _Optional[_Iterable[_Union[Fact, _Mapping]]] = ..., entity: _Optional[str] = ..., memories: _Optional[_Iterable[_Union[StorySentence, _Mapping]]] = ...) -> None: ...

class Fact(_message.Message):
    __slots__ = ("subject", "relation", "object")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    RELATION_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    subject: str
    relation: str
    object: str
    def __init__(self, subject: _Optional[str] = ..., relation: _Optional[str] = ..., object: _Optional[str] = ...) -> None: ...

class StorySentence(_message.Message):
    __slots__ = ("number", "text")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    number: int
    text: str
    def __init__(self, number: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class NoAnswer(_message.Message):
    __slots__ = ("reason", "message")
    class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        REASON_UNSPECIFIED: _ClassVar[NoAnswer.Reason]
        UNKNOWN_ENTITY: _ClassVar[NoAnswer.Reason]
        NOTHING_KNOWN: _ClassVar[NoAnswer.Reason]
        NOT_SURE: _ClassVar[NoAnswer.Reason]
        NO_STORY: _ClassVar[NoAnswer.Reason]
    REASON_UNSPECIFIED: NoAnswer.Reason
    UNKNOWN_ENTITY: NoAnswer.Reason
    NOTHING_KNOWN: NoAnswer.Reason
    NOT_SURE: NoAnswer.Reason
    NO_STORY: NoAnswer.Reason
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reason: NoAnswer.Reason
    message: str
    def __init__(self, reason: _Optional[_Union[NoAnswer.Reason, str]] = ..., message: _Optional[str] = ...) -> None: ...

class RememberRequest(_message.Message):
    __slots__ = ("story", "sentences", "call_id")
    STORY_FIELD_NUMBER: _ClassVar[int]
    SENTENCES_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    story: str
    sentences: _containers.RepeatedScalarFieldContainer[str]
    call_id: str
    def __init__(self, story: _Optional[str] = ..., sentences: _Optional[_Iterable[str]] = ..., call_id: _Optional[str] = ...) -> None: ...

class RememberResponse(_message.Message):
    __slots__ = ("first", "count", "known")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    first: int
    count: int
    known: bool
    def __init__(self, first: _Optional[int] = ..., count: _Optional[int] = ..., known: _Optional[bool] = ...) -> None: ...

class RecallRequest(_message.Message):
    __slots__ = ("story", "limit", "before", "after")
    STORY_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    story: str
    limit: int
    before: int
    after: str
    def __init__(self, story: _Optional[str] = ..., limit: _Optional[int] = ..., before: _Optional[int] = ..., after: _Optional[str] = ...) -> None: ...

class RecallResponse(_message.Message):
    __slots__ = ("sentences", "stories")
    SENTENCES_FIELD_NUMBER: _ClassVar[int]
    STORIES_FIELD_NUMBER: _ClassVar[int]
    sentences: _containers.RepeatedCompositeFieldContainer[KeptSentence]
    stories: _containers.RepeatedCompositeFieldContainer[KeptStory]
    def __init__(self, sentences: _Optional[_Iterable[_Union[KeptSentence, _Mapping]]] = ..., stories: _Optional[_Iterable[_Union[KeptStory, _Mapping]]] = ...) -> None: ...

class KeptSentence(_message.Message):
    __slots__ = ("number", "text", "at_unix_s")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    AT_UNIX_S_FIELD_NUMBER: _ClassVar[int]
    number: int
    text: str
    at_unix_s: float
    def __init__(self, number: _Optional[int] = ..., text: _Optional[str] = ..., at_unix_s: _Optional[float] = ...) -> None: ...

class KeptStory(_message.Message):
    __slots__ = ("name", "sentences")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SENTENCES_FIELD_NUMBER: _ClassVar[int]
    name: str
    sentences: int
    def __init__(self, name: _Optional[str] = ..., sentences: _Optional[int] = ...) -> None: ...

class ForgetStoryRequest(_message.Message):
    __slots__ = ("story", "numbers", "everything")
    STORY_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    EVERYTHING_FIELD_NUMBER: _ClassVar[int]
    story: str
    numbers: _containers.RepeatedScalarFieldContainer[int]
    everything: bool
    def __init__(self, story: _Optional[str] = ..., numbers: _Optional[_Iterable[int]] = ..., everything: _Optional[bool] = ...) -> None: ...

class ForgetStoryResponse(_message.Message):
    __slots__ = ("stories", "sentences", "left", "logs_emptied")
    STORIES_FIELD_NUMBER: _ClassVar[int]
    SENTENCES_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    LOGS_EMPTIED_FIELD_NUMBER: _ClassVar[int]
    stories: int
    sentences: int
    left: int
    logs_emptied: bool
    def __init__(self, stories: _Optional[int] = ..., sentences: _Optional[int] = ..., left: _Optional[int] = ..., logs_emptied: _Optional[bool] = ...) -> None: ...
