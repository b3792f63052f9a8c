# mypy: ignore-errors
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as _photo_tagging_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EnrollOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENROLL_OUTCOME_UNSPECIFIED: _ClassVar[EnrollOutcome]
    ENROLL_OUTCOME_ENROLLED: _ClassVar[EnrollOutcome]
    ENROLL_OUTCOME_KNOWN: _ClassVar[EnrollOutcome]
    ENROLL_OUTCOME_REFUSED: _ClassVar[EnrollOutcome]
ENROLL_OUTCOME_UNSPECIFIED: EnrollOutcome
ENROLL_OUTCOME_ENROLLED: EnrollOutcome
ENROLL_OUTCOME_KNOWN: EnrollOutcome
ENROLL_OUTCOME_REFUSED: EnrollOutcome

class FaceBox(_message.Message):
    __slots__ = ("left", "top", "width", "height")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    left: float
    top: float
    width: float
    height: float
    def __init__(self, left: _Optional[float] = ..., top: _Optional[float] = ..., width: _Optional[float] = ..., height: _Optional[float] = ...) -> None: ...

class FaceQuality(_message.Message):
    __slots__ = ("size_px", "sharpness", "yaw_deg", "roll_deg")
    SIZE_PX_FIELD_NUMBER: _ClassVar[int]
    SHARPNESS_FIELD_NUMBER: _ClassVar[int]
    YAW_DEG_FIELD_NUMBER: _ClassVar[int]
    ROLL_DEG_FIELD_NUMBER: _ClassVar[int]
    size_px: float
    sharpness: float
    yaw_deg: float
    roll_deg: float
    def __init__(self, size_px: _Optional[float] = ..., sharpness: _Optional[float] = ..., yaw_deg: _Optional[float] = ..., roll_deg: _Optional[float] = ...) -> None: ...

class DetectedFace(_message.Message):
    __slots__ = ("box", "confidence", "quality", "poor")
    BOX_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    POOR_FIELD_NUMBER: _ClassVar[int]
    box: FaceBox
    confidence: float
    quality: FaceQuality
    poor: _photo_tagging_pb2.Failure
    def __init__(self, box: _Optional[_Union[FaceBox, _Mapping]] = ..., confidence: _Optional[float] = ..., quality: _Optional[_Union[FaceQuality, _Mapping]] = ..., poor: _Optional[_Union[_photo_tagging_pb2.Failure, _Mapping]] = ...) -> None: ...

class FaceModel(_message.Message):
    __slots__ = ("network", "detector", "network_sha256", "detector_sha256", "dimension", "code_version")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    DETECTOR_FIELD_NUMBER: _ClassVar[int]
    NETWORK_SHA256_FIELD_NUMBER: _ClassVar[int]
    DETECTOR_SHA256_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    CODE_VERSION_FIELD_NUMBER: _ClassVar[int]
    network: _photo_tagging_pb2.Model
    detector: _photo_tagging_pb2.Model
    network_sha256: str
    detector_sha256: str
    dimension: int
    code_version: str
    def __init__(self, network: _Optional[_Union[_photo_tagging_pb2.Model, _Mapping]] = ..., detector: _Optional[_Union[_photo_tagging_pb2.Model, _Mapping]] = ..., network_sha256: _Optional[str] = ..., detector_sha256: _Optional[str] = ..., dimension: _Optional[int] = ..., code_version: _Optional[str] = ...) -> None: ...

class Descriptor(_message.Message):
    __slots__ = ("vector", "code", "model")
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    vector: _containers.RepeatedScalarFieldContainer[float]
    code: bytes
    model: FaceModel
    def __init__(self, vector: _Optional[_Iterable[float]] = ..., code: _Optional[bytes] = ..., model: _Optional[_Union[FaceModel, _Mapping]] = ...) -> None: ...

class DetectRequest(_message.Message):
    __slots__ = ("image", "region")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    region: str
    def __init__(self, image: _Optional[bytes] = ..., region: _Optional[str] = ...) -> None: ...

class DetectResponse(_message.Message):
    __slots__ = ("faces", "width_px", "height_px", "detector")
    FACES_FIELD_NUMBER: _ClassVar[int]
    WIDTH_PX_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_PX_FIELD_NUMBER: _ClassVar[int]
    DETECTOR_FIELD_NUMBER: _ClassVar[int]
    faces: _containers.RepeatedCompositeFieldContainer[DetectedFace]
    width_px: int
    height_px: int
    detector: _photo_tagging_pb2.Model
    def __init__(self, faces: _Optional[_Iterable[_Union[DetectedFace, _Mapping]]] = ..., width_px: _Optional[int] = ..., height_px: _Optional[int] = ..., detector: _Optional[_Union[_photo_tagging_pb2.Model, _Mapping]] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ("image", "region", "only")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    ONLY_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    region: str
    only: FaceBox
    def __init__(self, image: _Optional[bytes] = ..., region: _Optional[str] = ..., only: _Optional[_Union[FaceBox, _Mapping]] = ...) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("faces",)
    FACES_FIELD_NUMBER: _ClassVar[int]
    faces: _containers.RepeatedCompositeFieldContainer[DescribedFace]
    def __init__(self, faces: _Optional[_Iterable[_Union[DescribedFace, _Mapping]]] = ...) -> None: ...

class DescribedFace(_message.Message):
    __slots__ = ("face", "descriptor")
    FACE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    face: DetectedFace
    descriptor: Descriptor
    def __init__(self, face: _Optional[_Union[DetectedFace, _Mapping]] = ..., descriptor: _Optional[_Union[Descriptor, _Mapping]] = ...) -> None: ...

class OneFace(_message.Message):
    __slots__ = ("image", "descriptor", "only")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    ONLY_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    descriptor: Descriptor
    only: FaceBox
    def __init__(self, image: _Optional[bytes] = ..., descriptor: _Optional[_Union[Descriptor, _Mapping]] = ..., only: _Optional[_Union[FaceBox, _Mapping]] = ...) -> None: ...

class VerifyRequest(_message.Message):
    __slots__ = ("first", "second", "region", "threshold")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    SECOND_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    first: OneFace
    second: OneFace
    region: str
    threshold: float
    def __init__(self, first: _Optional[_Union[OneFace, _Mapping]] = ..., second: _Optional[_Union[OneFace, _Mapping]] = ..., region: _Optional[str] = ..., threshold: _Optional[float] = ...) -> None: ...

class VerifyResponse(_message.Message):
    __slots__ = ("same", "score", "threshold")
    SAME_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    same: bool
    score: float
    threshold: float
    def __init__(self, same: _Optional[bool] = ..., score: _Optional[float] = ..., threshold: _Optional[float] = ...) -> None: ...

class EnrollRequest(_message.Message):
    __slots__ = ("image", "region", "photo_id", "person", "only", "again")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    PHOTO_ID_FIELD_NUMBER: _ClassVar[int]
    PERSON_FIELD_NUMBER: _ClassVar[int]
    ONLY_FIELD_NUMBER: _ClassVar[int]
    AGAIN_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    region: str
    photo_id: str
    person: str
    only: FaceBox
    again: bool
    def __init__(self, image: _Optional[bytes] = ..., region: _Optional[str] = ..., photo_id: _Optional[str] = ..., person: _Optional[str] = ..., only: _Optional[_Union[FaceBox, _Mapping]] = ..., again: _Optional[bool] = ...) -> None: ...

class EnrollResponse(_message.Message):
    __slots__ = ("faces", "photo_id")
    FACES_FIELD_NUMBER: _ClassVar[int]
    PHOTO_ID_FIELD_NUMBER: _ClassVar[int]
    faces: _containers.RepeatedCompositeFieldContainer[EnrolledFace]
    photo_id: str
    def __init__(self, faces: _Optional[_Iterable[_Union[EnrolledFace, _Mapping]]] = ..., photo_id: _Optional[str] = ...) -> None: ...

class EnrolledFace(_message.Message):
    __slots__ = ("face", "outcome", "face_id", "person_id", "failure")
    FACE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    FACE_ID_FIELD_NUMBER: _ClassVar[int]
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    face: DetectedFace
    outcome: EnrollOutcome
    face_id: int
    person_id: int
    failure: _photo_tagging_pb2.Failure
    def __init__(self, face: _Optional[_Union[DetectedFace, _Mapping]] = ..., outcome: _Optional[_Union[EnrollOutcome, str]] = ..., face_id: _Optional[int] = ..., person_id: _Optional[int] = ..., failure: _Optional[_Union[_photo_tagging_pb2.Failure, _Mapping]] = ...) -> None: ...

class SearchRequest(_message.Message):
    __slots__ = ("image", "descriptors", "region", "only", "threshold", "top_k", "photo_id")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTORS_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    ONLY_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    PHOTO_ID_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    descriptors: _containers.RepeatedCompositeFieldContainer[Descriptor]
    region: str
    only: FaceBox
    threshold: float
    top_k: int
    photo_id: str
    def __init__(self, image: _Optional[bytes] = ..., descriptors: _Optional[_Iterable[_Union[Descriptor, _Mapping]]] = ..., region: _Optional[str] = ..., only: _Optional[_Union[FaceBox, _Mapping]] = ..., threshold: _Optional[float] = ..., top_k: _Optional[int] = ..., photo_id: _Optional[str] = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("faces", "threshold", "partial")
    FACES_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    faces: _containers.RepeatedCompositeFieldContainer[FoundFace]
    threshold: float
    partial: bool
    def __init__(self, faces: _Optional[_Iterable[_Union[FoundFace, _Mapping]]] = ..., threshold: _Optional[float] = ..., partial: _Optional[bool] = ...) -> None: ...

class FoundFace(_message.Message):
    __slots__ = ("face", "who", "person_id", "known", "score", "matches")
    FACE_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    face: DetectedFace
    who: str
    person_id: int
    known: bool
    score: float
    matches: _containers.RepeatedCompositeFieldContainer[Match]
    def __init__(self, face: _Optional[_Union[DetectedFace, _Mapping]] = ..., who: _Optional[str] = ..., person_id: _Optional[int] = ..., known: _Optional[bool] = ..., score: _Optional[float] = ..., matches: _Optional[_Iterable[_Union[Match, _Mapping]]] = ...) -> None: ...

class Match(_message.Message):
    __slots__ = ("face_id", "person_id", "person", "photo_id", "score")
    FACE_ID_FIELD_NUMBER: _ClassVar[int]
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    PERSON_FIELD_NUMBER: _ClassVar[int]
    PHOTO_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    face_id: int
    person_id: int
    person: str
    photo_id: str
    score: float
    def __init__(self, face_id: _Optional[int] = ..., person_id: _Optional[int] = ..., person: _Optional[str] = ..., photo_id: _Optional[str] = ..., score: _Optional[float] = ...) -> None: ...

class Person(_message.Message):
    __slots__ = ("id", "name", "faces", "hidden", "cover_face_id", "cover")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    FACES_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_FIELD_NUMBER: _ClassVar[int]
    COVER_FACE_ID_FIELD_NUMBER: _ClassVar[int]
    COVER_FIELD_NUMBER: _ClassVar[int]
    id: int
    name: str
    faces: int
    hidden: bool
    cover_face_id: int
    cover: bytes
    def __init__(self, id: _Optional[int] = ..., name: _Optional[str] = ..., faces: _Optional[int] = ..., hidden: _Optional[bool] = ..., cover_face_id: _Optional[int] = ..., cover: _Optional[bytes] = ...) -> None: ...

class ListPeopleRequest(_message.Message):
    __slots__ = ("region", "with_hidden", "after", "limit", "name")
    REGION_FIELD_NUMBER: _ClassVar[int]
    WITH_HIDDEN_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    region: str
    with_hidden: bool
    after: int
    limit: int
    name: str
    def __init__(self, region: _Optional[str] = ..., with_hidden: _Optional[bool] = ..., after: _Optional[int] = ..., limit: _Optional[int] = ..., name: _Optional[str] = ...) -> None: ...

class ListPeopleResponse(_message.Message):
    __slots__ = ("people", "more")
    PEOPLE_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    people: _containers.RepeatedCompositeFieldContainer[Person]
    more: bool
    def __init__(self, people: _Optional[_Iterable[_Union[Person, _Mapping]]] = ..., more: _Optional[bool] = ...) -> None: ...

class GetPersonRequest(_message.Message):
    __slots__ = ("person_id", "region", "with_cover")
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    WITH_COVER_FIELD_NUMBER: _ClassVar[int]
    person_id: int
    region: str
    with_cover: bool
    def __init__(self, person_id: _Optional[int] = ..., region: _Optional[str] = ..., with_cover: _Optional[bool] = ...) -> None: ...

class ListFacesRequest(_message.Message):
    __slots__ = ("person_id", "photo_id", "unnamed", "region", "after", "limit", "with_crops")
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    PHOTO_ID_FIELD_NUMBER: _ClassVar[int]
    UNNAMED_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    WITH_CROPS_FIELD_NUMBER: _ClassVar[int]
    person_id: int
    photo_id: str
    unnamed: bool
    region: str
    after: int
    limit: int
    with_crops: bool
    def __init__(self, person_id: _Optional[int] = ..., photo_id: _Optional[str] = ..., unnamed: _Optional[bool] = ..., region: _Optional[str] = ..., after: _Optional[int] = ..., limit: _Optional[int] = ..., with_crops: _Optional[bool] = ...) -> None: ...

class ListFacesResponse(_message.Message):
    __slots__ = ("faces", "more")
    FACES_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    faces: _containers.RepeatedCompositeFieldContainer[KeptFace]
    more: bool
    def __init__(self, faces: _Optional[_Iterable[_Union[KeptFace, _Mapping]]] = ..., more: _Optional[bool] = ...) -> None: ...

class KeptFace(_message.Message):
    __slots__ = ("id", "person_id", "photo_id", "box", "quality", "by_hand", "enrolled_unix_s", "crop")
    ID_FIELD_NUMBER: _ClassVar[int]
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    PHOTO_ID_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    BY_HAND_FIELD_NUMBER: _ClassVar[int]
    ENROLLED_UNIX_S_FIELD_NUMBER: _ClassVar[int]
    CROP_FIELD_NUMBER: _ClassVar[int]
    id: int
    person_id: int
    photo_id: str
    box: FaceBox
    quality: FaceQuality
    by_hand: bool
    enrolled_unix_s: float
    crop: bytes
    def __init__(self, id: _Optional[int] = ..., person_id: _Optional[int] = ..., photo_id: _Optional[str] = ..., box: _Optional[_Union[FaceBox, _Mapping]] = ..., quality: _Optional[_Union[FaceQuality, _Mapping]] = ..., by_hand: _Optional[bool] = ..., enrolled_unix_s: _Optional[float] = ..., crop: _Optional[bytes] = ...) -> None: ...

class RenamePersonRequest(_message.Message):
    __slots__ = ("person_id", "name", "merge", "region")
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    MERGE_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    person_id: int
    name: str
    merge: bool
    region: str
    def __init__(self, person_id: _Optional[int] = ..., name: _Optional[str] = ..., merge: _Optional[bool] = ..., region: _Optional[str] = ...) -> None: ...

class MergePeopleRequest(_message.Message):
    __slots__ = ("into", "other", "region")
    INTO_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    into: int
    other: int
    region: str
    def __init__(self, into: _Optional[int] = ..., other: _Optional[int] = ..., region: _Optional[str] = ...) -> None: ...

class SplitPersonRequest(_message.Message):
    __slots__ = ("person_id", "face_ids", "name", "region")
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    FACE_IDS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    person_id: int
    face_ids: _containers.RepeatedScalarFieldContainer[int]
    name: str
    region: str
    def __init__(self, person_id: _Optional[int] = ..., face_ids: _Optional[_Iterable[int]] = ..., name: _Optional[str] = ..., region: _Optional[str] = ...) -> None: ...

class MoveFacesRequest(_message.Message):
    __slots__ = ("face_ids", "person_id", "new_person", "nobody", "region")
    FACE_IDS_FIELD_NUMBER: _ClassVar[int]
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    NEW_PERSON_FIELD_NUMBER: _ClassVar[int]
    NOBODY_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    face_ids: _containers.RepeatedScalarFieldContainer[int]
    person_id: int
    new_person: str
    nobody: bool
    region: str
    def __init__(self, face_ids: _Optional[_Iterable[int]] = ..., person_id: _Optional[int] = ..., new_person: _Optional[str] = ..., nobody: _Optional[bool] = ..., region: _Optional[str] = ...) -> None: ...

class MoveFacesResponse(_message.Message):
    __slots__ = ("faces", "person_id")
    FACES_FIELD_NUMBER: _ClassVar[int]
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    faces: int
    person_id: int
    def __init__(self, faces: _Optional[int] = ..., person_id: _Optional[int] = ...) -> None: ...

class HidePersonRequest(_message.Message):
    __slots__ = ("person_id", "hidden", "region")
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    person_id: int
    hidden: bool
    region: str
    def __init__(self, person_id: _Optional[int] = ..., hidden: _Optional[bool] = ..., region: _Optional[str] = ...) -> None: ...

class ChooseCoverRequest(_message.Message):
    __slots__ = ("person_id", "face_id", "region")
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    FACE_ID_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    person_id: int
    face_id: int
    region: str
    def __init__(self, person_id: _Optional[int] = ..., face_id: _Optional[int] = ..., region: _Optional[str] = ...) -> None: ...

class ClusterRequest(_message.Message):
    __slots__ = ("region", "threshold", "least_faces", "limit")
    REGION_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    LEAST_FACES_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    region: str
    threshold: float
    least_faces: int
    limit: int
    def __init__(self, region: _Optional[str] = ..., threshold: _Optional[float] = ..., least_faces: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class ClusterResponse(_message.Message):
    __slots__ = ("groups", "same_people")
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    SAME_PEOPLE_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[FaceGroup]
    same_people: _containers.RepeatedCompositeFieldContainer[SamePerson]
    def __init__(self, groups: _Optional[_Iterable[_Union[FaceGroup, _Mapping]]] = ..., same_people: _Optional[_Iterable[_Union[SamePerson, _Mapping]]] = ...) -> None: ...

class FaceGroup(_message.Message):
    __slots__ = ("face_ids", "cover_face_id", "nearest_person_id", "score")
    FACE_IDS_FIELD_NUMBER: _ClassVar[int]
    COVER_FACE_ID_FIELD_NUMBER: _ClassVar[int]
    NEAREST_PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    face_ids: _containers.RepeatedScalarFieldContainer[int]
    cover_face_id: int
    nearest_person_id: int
    score: float
    def __init__(self, face_ids: _Optional[_Iterable[int]] = ..., cover_face_id: _Optional[int] = ..., nearest_person_id: _Optional[int] = ..., score: _Optional[float] = ...) -> None: ...

class SamePerson(_message.Message):
    __slots__ = ("person_id", "other_id", "score", "pairs")
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    OTHER_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    person_id: int
    other_id: int
    score: float
    pairs: int
    def __init__(self, person_id: _Optional[int] = ..., other_id: _Optional[int] = ..., score: _Optional[float] = ..., pairs: _Optional[int] = ...) -> None: ...

class ForgetRequest(_message.Message):
    __slots__ = ("person_id", "photo_id", "everything", "region")
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    PHOTO_ID_FIELD_NUMBER: _ClassVar[int]
    EVERYTHING_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    person_id: int
    photo_id: str
    everything: bool
    region: str
    def __init__(self, person_id: _Optional[int] = ..., photo_id: _Optional[str] = ..., everything: _Optional[bool] = ..., region: _Optional[str] = ...) -> None: ...

class ForgetResponse(_message.Message):
    __slots__ = ("faces", "descriptors", "codes", "people", "crops", "left", "gone", "events")
    class LeftEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    FACES_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTORS_FIELD_NUMBER: _ClassVar[int]
    CODES_FIELD_NUMBER: _ClassVar[int]
    PEOPLE_FIELD_NUMBER: _ClassVar[int]
    CROPS_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    GONE_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    faces: int
    descriptors: int
    codes: int
    people: int
    crops: int
    left: _containers.ScalarMap[str, int]
    gone: bool
    events: int
    def __init__(self, faces: _Optional[int] = ..., descriptors: _Optional[int] = ..., codes: _Optional[int] = ..., people: _Optional[int] = ..., crops: _Optional[int] = ..., left: _Optional[_Mapping[str, int]] = ..., gone: _Optional[bool] = ..., events: _Optional[int] = ...) -> None: ...

class ExportRequest(_message.Message):
    __slots__ = ("person_id", "region")
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    person_id: int
    region: str
    def __init__(self, person_id: _Optional[int] = ..., region: _Optional[str] = ...) -> None: ...

class ExportResponse(_message.Message):
    __slots__ = ("person", "face")
    PERSON_FIELD_NUMBER: _ClassVar[int]
    FACE_FIELD_NUMBER: _ClassVar[int]
    person: ExportedPerson
    face: ExportedFace
    def __init__(self, person: _Optional[_Union[ExportedPerson, _Mapping]] = ..., face: _Optional[_Union[ExportedFace, _Mapping]] = ...) -> None: ...

class ExportedPerson(_message.Message):
    __slots__ = ("person", "audit", "events")
    PERSON_FIELD_NUMBER: _ClassVar[int]
    AUDIT_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    person: Person
    audit: _containers.RepeatedCompositeFieldContainer[AuditLine]
    events: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, person: _Optional[_Union[Person, _Mapping]] = ..., audit: _Optional[_Iterable[_Union[AuditLine, _Mapping]]] = ..., events: _Optional[_Iterable[str]] = ...) -> None: ...

class AuditLine(_message.Message):
    __slots__ = ("at_unix_s", "who", "verb", "details")
    AT_UNIX_S_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    VERB_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    at_unix_s: float
    who: str
    verb: str
    details: str
    def __init__(self, at_unix_s: _Optional[float] = ..., who: _Optional[str] = ..., verb: _Optional[str] = ..., details: _Optional[str] = ...) -> None: ...

class ExportedFace(_message.Message):
    __slots__ = ("face", "descriptors")
    FACE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTORS_FIELD_NUMBER: _ClassVar[int]
    face: KeptFace
    descriptors: _containers.RepeatedCompositeFieldContainer[Descriptor]
    def __init__(self, face: _Optional[_Union[KeptFace, _Mapping]] = ..., descriptors: _Optional[_Iterable[_Union[Descriptor, _Mapping]]] = ...) -> None: ...

class ImportRequest(_message.Message):
    __slots__ = ("photos", "arrow", "model", "region")
    PHOTOS_FIELD_NUMBER: _ClassVar[int]
    ARROW_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    photos: _containers.RepeatedCompositeFieldContainer[ImportedPhoto]
    arrow: bytes
    model: FaceModel
    region: str
    def __init__(self, photos: _Optional[_Iterable[_Union[ImportedPhoto, _Mapping]]] = ..., arrow: _Optional[bytes] = ..., model: _Optional[_Union[FaceModel, _Mapping]] = ..., region: _Optional[str] = ...) -> None: ...

class ImportedPhoto(_message.Message):
    __slots__ = ("image", "photo_id", "person")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    PHOTO_ID_FIELD_NUMBER: _ClassVar[int]
    PERSON_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    photo_id: str
    person: str
    def __init__(self, image: _Optional[bytes] = ..., photo_id: _Optional[str] = ..., person: _Optional[str] = ...) -> None: ...

class ImportResponse(_message.Message):
    __slots__ = ("photos", "enrolled", "known", "refused", "without_face", "failed", "failures")
    PHOTOS_FIELD_NUMBER: _ClassVar[int]
    ENROLLED_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_FACE_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    photos: int
    enrolled: int
    known: int
    refused: int
    without_face: int
    failed: int
    failures: _containers.RepeatedCompositeFieldContainer[ImportFailure]
    def __init__(self, photos: _Optional[int] = ..., enrolled: _Optional[int] = ..., known: _Optional[int] = ..., refused: _Optional[int] = ..., without_face: _Optional[int] = ..., failed: _Optional[int] = ..., failures: _Optional[_Iterable[_Union[ImportFailure, _Mapping]]] = ...) -> None: ...

class ImportFailure(_message.Message):
    __slots__ = ("photo_id", "failure")
    PHOTO_ID_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    photo_id: str
    failure: _photo_tagging_pb2.Failure
    def __init__(self, photo_id: _Optional[str] = ..., failure: _Optional[_Union[_photo_tagging_pb2.Failure, _Mapping]] = ...) -> None: ...

class ReindexRequest(_message.Message):
    __slots__ = ("region", "plan_only", "leave_out")
    REGION_FIELD_NUMBER: _ClassVar[int]
    PLAN_ONLY_FIELD_NUMBER: _ClassVar[int]
    LEAVE_OUT_FIELD_NUMBER: _ClassVar[int]
    region: str
    plan_only: bool
    leave_out: bool
    def __init__(self, region: _Optional[str] = ..., plan_only: _Optional[bool] = ..., leave_out: _Optional[bool] = ...) -> None: ...

class ReindexResponse(_message.Message):
    __slots__ = ("needed", "why", "faces", "waiting", "described", "without_crop", "serves", "model")
    NEEDED_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    FACES_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    DESCRIBED_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_CROP_FIELD_NUMBER: _ClassVar[int]
    SERVES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    needed: bool
    why: str
    faces: int
    waiting: int
    described: int
    without_crop: int
    serves: bool
    model: FaceModel
    def __init__(self, needed: _Optional[bool] = ..., why: _Optional[str] = ..., faces: _Optional[int] = ..., waiting: _Optional[int] = ..., described: _Optional[int] = ..., without_crop: _Optional[int] = ..., serves: _Optional[bool] = ..., model: _Optional[_Union[FaceModel, _Mapping]] = ...) -> None: ...
