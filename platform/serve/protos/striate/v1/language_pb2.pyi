# mypy: ignore-errors
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as _photo_tagging_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EmbedRequest(_message.Message):
    __slots__ = ("texts",)
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, texts: _Optional[_Iterable[str]] = ...) -> None: ...

class EmbedResponse(_message.Message):
    __slots__ = ("vectors", "model")
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    vectors: _containers.RepeatedCompositeFieldContainer[TextVector]
    model: _photo_tagging_pb2.Model
    def __init__(self, vectors: _Optional[_Iterable[_Union[TextVector, _Mapping]]] = ..., model: _Optional[_Union[_photo_tagging_pb2.Model, _Mapping]] = ...) -> None: ...

class TextVector(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class NearestRequest(_message.Message):
    __slots__ = ("word", "vector", "top_k")
    WORD_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    word: str
    vector: _containers.RepeatedScalarFieldContainer[float]
    top_k: int
    def __init__(self, word: _Optional[str] = ..., vector: _Optional[_Iterable[float]] = ..., top_k: _Optional[int] = ...) -> None: ...

class AnalogyRequest(_message.Message):
    __slots__ = ("a", "b", "c", "top_k")
    A_FIELD_NUMBER: _ClassVar[int]
    B_FIELD_NUMBER: _ClassVar[int]
    C_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    a: str
    b: str
    c: str
    top_k: int
    def __init__(self, a: _Optional[str] = ..., b: _Optional[str] = ..., c: _Optional[str] = ..., top_k: _Optional[int] = ...) -> None: ...

class NearestResponse(_message.Message):
    __slots__ = ("words", "model")
    WORDS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    words: _containers.RepeatedCompositeFieldContainer[NearWord]
    model: _photo_tagging_pb2.Model
    def __init__(self, words: _Optional[_Iterable[_Union[NearWord, _Mapping]]] = ..., model: _Optional[_Union[_photo_tagging_pb2.Model, _Mapping]] = ...) -> None: ...

class NearWord(_message.Message):
    __slots__ = ("word", "cosine")
    WORD_FIELD_NUMBER: _ClassVar[int]
    COSINE_FIELD_NUMBER: _ClassVar[int]
    word: str
    cosine: float
    def __init__(self, word: _Optional[str] = ..., cosine: _Optional[float] = ...) -> None: ...

class TranslateRequest(_message.Message):
    __slots__ = ("texts", "beam")
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    BEAM_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedScalarFieldContainer[str]
    beam: int
    def __init__(self, texts: _Optional[_Iterable[str]] = ..., beam: _Optional[int] = ...) -> None: ...

class TranslateResponse(_message.Message):
    __slots__ = ("translations", "model")
    TRANSLATIONS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    translations: _containers.RepeatedCompositeFieldContainer[Translation]
    model: _photo_tagging_pb2.Model
    def __init__(self, translations: _Optional[_Iterable[_Union[Translation, _Mapping]]] = ..., model: _Optional[_Union[_photo_tagging_pb2.Model, _Mapping]] = ...) -> None: ...

class Translation(_message.Message):
    __slots__ = ("text", "log_probability", "complete")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LOG_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    text: str
    log_probability: float
    complete: bool
    def __init__(self, text: _Optional[str] = ..., log_probability: _Optional[float] = ..., complete: _Optional[bool] = ...) -> None: ...

class TranslateStreamRequest(_message.Message):
    __slots__ = ("texts", "beam")
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    BEAM_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedCompositeFieldContainer[StreamedText]
    beam: int
    def __init__(self, texts: _Optional[_Iterable[_Union[StreamedText, _Mapping]]] = ..., beam: _Optional[int] = ...) -> None: ...

class StreamedText(_message.Message):
    __slots__ = ("id", "text")
    ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    id: str
    text: str
    def __init__(self, id: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class TranslateStreamResponse(_message.Message):
    __slots__ = ("answers",)
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[StreamedTranslation]
    def __init__(self, answers: _Optional[_Iterable[_Union[StreamedTranslation, _Mapping]]] = ...) -> None: ...

class StreamedTranslation(_message.Message):
    __slots__ = ("id", "translation", "failure")
    ID_FIELD_NUMBER: _ClassVar[int]
    TRANSLATION_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    id: str
    translation: Translation
    failure: _photo_tagging_pb2.Failure
    def __init__(self, id: _Optional[str] = ..., translation: _Optional[_Union[Translation, _Mapping]] = ..., failure: _Optional[_Union[_photo_tagging_pb2.Failure, _Mapping]] = ...) -> None: ...
