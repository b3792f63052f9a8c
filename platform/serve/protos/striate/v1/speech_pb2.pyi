# mypy: ignore-errors
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as _photo_tagging_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RecognizeRequest(_message.Message):
    __slots__ = ("format", "sound")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    SOUND_FIELD_NUMBER: _ClassVar[int]
    format: SoundFormat
    sound: bytes
    def __init__(self, format: _Optional[_Union[SoundFormat, _Mapping]] = ..., sound: _Optional[bytes] = ...) -> None: ...

class SoundFormat(_message.Message):
    __slots__ = ("encoding", "sample_rate_hz", "partial_results")
    class Encoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ENCODING_UNSPECIFIED: _ClassVar[SoundFormat.Encoding]
        PCM16: _ClassVar[SoundFormat.Encoding]
        FILE: _ClassVar[SoundFormat.Encoding]
    ENCODING_UNSPECIFIED: SoundFormat.Encoding
    PCM16: SoundFormat.Encoding
    FILE: SoundFormat.Encoding
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_RESULTS_FIELD_NUMBER: _ClassVar[int]
    encoding: SoundFormat.Encoding
    sample_rate_hz: int
    partial_results: bool
    def __init__(self, encoding: _Optional[_Union[SoundFormat.Encoding, str]] = ..., sample_rate_hz: _Optional[int] = ..., partial_results: _Optional[bool] = ...) -> None: ...

class RecognizeResponse(_message.Message):
    __slots__ = ("text", "settled_characters", "final", "heard_s", "model")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SETTLED_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    HEARD_S_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    text: str
    settled_characters: int
    final: bool
    heard_s: float
    model: _photo_tagging_pb2.Model
    def __init__(self, text: _Optional[str] = ..., settled_characters: _Optional[int] = ..., final: _Optional[bool] = ..., heard_s: _Optional[float] = ..., model: _Optional[_Union[_photo_tagging_pb2.Model, _Mapping]] = ...) -> None: ...
