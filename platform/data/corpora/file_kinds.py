"""What one's own files may be: images, clips or sounds, and how each is judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from striate.core.errors import RequestError
from striate.data.shards.schema import FieldKind, PayloadColumn
from striate.data.transforms.audio.frames import FRAME_LENGTH
from striate.data.transforms.audio.load import RATE_HZ, load_mono, reason_of
from striate.data.transforms.damage import DamagedSample
from striate.data.transforms.image.decode import ENDINGS, decode_image
from striate.data.transforms.video.reader import describe


@dataclass(frozen=True)
class FileKind:
    """What the files of a folder are.

    Attributes:
        noun: for one of them.
        endings: of their names, in small letters, without the dot.
        payload: how they are stored.
        fields: columns that each says of itself.
        inspect: a file's content → its fields, or why it cannot be used.
    """

    noun: str
    endings: frozenset[str]
    payload: PayloadColumn
    fields: Mapping[str, FieldKind]
    inspect: Callable[[bytes], Mapping[str, object] | str]

    def has(self, path: str) -> bool:
        """Whether a file is of this kind, by its name."""
        return path.rpartition(".")[2].lower() in self.endings


def _inspect_image(content: bytes) -> dict[str, object] | str:
    from striate.data.transforms.image.jpeg import damage  # late: it brings torch

    try:
        height, width, _ = decode_image(content).shape
    except RequestError as error:
        return damage(error)
    return {"height": height, "width": width}


def _inspect_clip(content: bytes) -> dict[str, object] | str:
    try:
        info = describe(content)
    except DamagedSample as error:
        return error.reason
    return {
        "seconds": info.seconds,
        "frames": info.frames,
        "height": info.height,
        "width": info.width,
    }


def _inspect_sound(content: bytes) -> dict[str, object] | str:
    try:
        samples = load_mono(content)
    except RequestError as error:
        return reason_of(error)
    if len(samples) < FRAME_LENGTH:
        return "the sound is shorter than one frame"
    return {"seconds": len(samples) / RATE_HZ}


_CLIP_ENDINGS = "mp4 m4v mov 3gp mkv webm avi mpg mpeg vob ts mts m2ts wmv asf flv ogv"

IMAGES = FileKind(
    "image",
    frozenset((*ENDINGS, "bmp", "tif", "tiff")),  # the last are refused by name
    PayloadColumn(kind="image"),
    {"height": "int32", "width": "int32"},
    _inspect_image,
)
CLIPS = FileKind(
    "clip",
    frozenset(_CLIP_ENDINGS.split()),
    PayloadColumn(kind="video"),
    {"seconds": "float32", "frames": "int32", "height": "int32", "width": "int32"},
    _inspect_clip,
)
SOUNDS = FileKind(
    "sound",
    frozenset(("wav", "flac", "sph", "nist", "mp3", "ogg", "opus", "m4a", "aac", "aif", "aiff")),
    PayloadColumn(kind="audio"),
    {"seconds": "float32"},
    _inspect_sound,
)
