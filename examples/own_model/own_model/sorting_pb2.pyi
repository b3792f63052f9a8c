from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class SortRequest(_message.Message):
    __slots__ = ("image",)
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    def __init__(self, image: _Optional[bytes] = ...) -> None: ...

class SortResponse(_message.Message):
    __slots__ = ("folder", "score", "sure")
    FOLDER_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SURE_FIELD_NUMBER: _ClassVar[int]
    folder: str
    score: float
    sure: bool
    def __init__(self, folder: _Optional[str] = ..., score: _Optional[float] = ..., sure: _Optional[bool] = ...) -> None: ...
