"""Video files in memory: what is opened, what is refused, and in which words."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from striate.core.errors import UsageError
from striate.data.transforms.damage import DamagedSample

if TYPE_CHECKING:
    from av import VideoStream
    from av.container import InputContainer

MAX_PIXELS = 64_000_000
NO_STREAM = "no video stream"
UNREADABLE = "truncated or damaged video"
TRUNCATED = "video that ends before its stated length"
GIGANTIC = "video with gigantic frames"
NO_DECODER = "video in an unknown encoding"
NO_FRAMES = "video without frames"

# Containers of single files; none that names other files or addresses to open, as playlists do.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts,mpeg,mpegvideo,h264,asf,ogg,m4v"
_BUFFER = 1 << 17


class _Memory(io.RawIOBase):
    """A file over a payload, without a copy of it: a mapped shard is read only where needed."""

    def __init__(self, payload: bytes | memoryview) -> None:
        self._view = memoryview(payload).cast("B")
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        end = len(self._view) if size < 0 else self._at + size
        chunk = bytes(self._view[self._at : end])
        self._at += len(chunk)
        return chunk

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._view)}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at


def import_av() -> Any:
    """PyAV, or one sentence on how to get it."""
    try:
        import av
    except ImportError:
        raise UsageError("Videos need PyAV.", "Install striate[video].") from None
    return av


@contextmanager
def explain_damage(key: str) -> Iterator[None]:
    """Turn what FFmpeg says of a damaged file into a damaged sample."""
    av = import_av()
    try:
        yield
    except (av.FFmpegError, EOFError):
        raise DamagedSample(key, UNREADABLE) from None


def open_container(payload: bytes | memoryview) -> "InputContainer":
    """A container over a payload in memory."""
    options = {"format_whitelist": _FORMATS}
    container: InputContainer = import_av().open(
        _Memory(payload), container_options=options, buffer_size=_BUFFER
    )
    return container


def find_video_stream(container: "InputContainer", key: str) -> "VideoStream":
    """The first stream of moving pictures; a song's cover is none.

    Raises:
        DamagedSample: there is none, none that can be decoded, or its frames are gigantic.
    """
    from av.stream import Disposition

    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if not streams:
        raise DamagedSample(key, NO_STREAM)
    context = streams[0].codec_context
    if context is None:
        raise DamagedSample(key, NO_DECODER)
    if context.width * context.height > MAX_PIXELS:
        raise DamagedSample(key, GIGANTIC)
    return streams[0]
