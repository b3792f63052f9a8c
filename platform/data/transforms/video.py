"""Decoding of the frames that a clip needs, and no others, from a video in memory.

The frames are those that decoding the whole file gives, bit by bit: decoding starts at a keyframe
that is *shown* no later than the clip (which is safe with B-frames and open groups of pictures),
leaves out frames before the clip that no other frame refers to, and starts again from the
beginning of the file where a container's index or keyframe flags turn out not to be true.
"""

import io
import itertools
import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import UsageError
from striate.data.pipeline import DamagedSample

if TYPE_CHECKING:
    from av import Packet, VideoFrame, VideoStream
    from av.container import InputContainer

__all__ = ["NO_STREAM", "TRUNCATED", "UNREADABLE", "Video", "VideoInfo", "describe", "open_video"]

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
_STEPS_BACK_S = (0.0, 5.0, 30.0)
_USUAL_RATE = 25.0
_SHORT_OF_STATED = 0.95

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class VideoInfo:
    """What a file says of itself, counted packet by packet.

    Attributes:
        seconds: from the first frame's start to the last frame's end.
        frames: frames in the file.
        height: of its frames, before any rotation that it asks for.
        width: of its frames.
        even: whether all frames are shown equally long.
    """

    seconds: float
    frames: int
    height: int
    width: int
    even: bool


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


class Video:
    """An open video; made by `open_video`. One thread at a time may use it.

    Attributes:
        seconds: stated length; 0 where the file states none.
        rate_hz: frames a second on average, as stated.
    """

    def __init__(self, payload: bytes | memoryview, key: str) -> None:
        self._payload, self._key = payload, key
        self._open()
        stream = self._stream
        length = stream.duration * stream.time_base if stream.duration and stream.time_base else 0
        self.seconds = float(length) or (self._container.duration or 0) / 1e6
        self.rate_hz = float(stream.average_rate or _USUAL_RATE)

    def close(self) -> None:
        """Free the decoder."""
        self._container.close()

    def clip(self, start_s: float, count: int) -> "list[VideoFrame]":
        """`count` consecutive frames, the first that is shown at or after `start_s`.

        A clip that would run past the end is moved back to end there. A video of fewer frames
        is looped: its frames in order, then again from the first.

        Args:
            start_s: seconds after the first frame.
            count: frames wanted.

        Raises:
            DamagedSample: a frame of the clip is damaged or missing, or there are no frames.
        """
        with _said(self._key):
            frames = self._from(self._tick(start_s), count)
            if frames is None:
                frames = self._counted(start_s, count)
            if len(frames) < count:
                frames = self._last(count)
        if not frames:
            raise DamagedSample(self._key, NO_FRAMES)
        if any(frame.is_corrupt for frame in frames):
            raise DamagedSample(self._key, UNREADABLE)
        return list(itertools.islice(itertools.cycle(frames), count))

    def info(self) -> VideoInfo:
        """Count the packets and decode the first frame.

        Raises:
            DamagedSample: there is none, or the file ends before its stated length.
        """
        with _said(self._key):
            ticks = self._ticks()
            self._rewind()
            first = next(self._decoded(self._container.demux(self._stream)), None)
        if first is None or first.is_corrupt:
            raise DamagedSample(self._key, NO_FRAMES if first is None else UNREADABLE)
        if any(tick is None for tick in ticks):
            seconds, even = len(ticks) / self.rate_hz, True
        else:
            shown = np.sort(np.array(ticks, np.int64))
            gaps = np.diff(shown)
            last = float(np.median(gaps)) if len(gaps) else 0.0
            base = float(self._stream.time_base or 0)
            seconds = (float(shown[-1] - shown[0]) + last) * base or 1 / self.rate_hz
            even = bool(len(gaps) == 0 or np.ptp(gaps) <= 1)  # time bases round by one tick
        return VideoInfo(seconds, len(ticks), first.height, first.width, even)

    def _open(self) -> None:
        with _said(self._key):
            self._container = _container(self._payload)
            self._stream = _stream(self._container, self._key)
            self._context = self._stream.codec_context
            self._context.thread_count = 1  # the stream has threads of its own

    def _rewind(self) -> None:
        """To the first packet, whatever the container's index says."""
        self._container.close()
        self._open()

    def _tick(self, start_s: float) -> int:
        """Seconds after the first frame → the stream's own unit."""
        ticks = start_s / float(self._stream.time_base or 1)
        return (self._stream.start_time or 0) + math.ceil(ticks - 1e-6)

    def _from(self, target: int, count: int) -> "list[VideoFrame] | None":
        """Up to `count` frames from `target` on; None where packets do not say when to show."""
        packets = self._packets(target)
        key = next(packets, None)
        if key is None or key.pts is None:
            return None
        frames: list[VideoFrame] = []
        proven = key.pts >= target
        for frame in self._decoded(itertools.chain([key], packets), skip_before=target):
            if frame.pts is None:
                return None
            proven = proven or frame.pts == key.pts
            if frame.pts >= target:
                frames.append(frame)
            if len(frames) == count:
                break
        return frames if proven else self._from_first(target, count)

    def _from_first(self, target: int, count: int) -> "list[VideoFrame]":
        """The same from the first frame on: the keyframe sought could not be decoded alone."""
        self._rewind()
        decoded = self._decoded(self._container.demux(self._stream))
        wanted = (frame for frame in decoded if frame.pts is not None and frame.pts >= target)
        return list(itertools.islice(wanted, count))

    def _packets(self, target: int) -> "Iterator[Packet[VideoStream]]":
        """The packets from a keyframe on that is shown no later than `target`, or all of them."""
        from av import FFmpegError

        base = float(self._stream.time_base or 1)
        for back_s in _STEPS_BACK_S:
            place = max(target - round(back_s / base), self._stream.start_time or 0)
            with suppress(FFmpegError):
                self._container.seek(place, stream=self._stream)
                packets = self._container.demux(self._stream)
                first = next(packets, None)
                if first and first.is_keyframe and first.pts is not None and first.pts <= target:
                    return itertools.chain([first], packets)
        self._rewind()
        return self._container.demux(self._stream)

    def _counted(self, start_s: float, count: int) -> "list[VideoFrame]":
        """The clip by counting frames at the stated rate, for files that give no times."""
        self._rewind()
        decoded = self._decoded(self._container.demux(self._stream))
        start = math.ceil(start_s * self.rate_hz - 1e-6)
        return list(itertools.islice(decoded, start, start + count))

    def _last(self, count: int) -> "list[VideoFrame]":
        """The last `count` frames, or all where there are fewer."""
        ticks = [tick for tick in self._ticks() if tick is not None]
        if len(ticks) > count:
            frames = self._from(sorted(ticks)[-count], count)
            if frames is not None and len(frames) == count:
                return frames
        self._rewind()
        return list(deque(self._decoded(self._container.demux(self._stream)), maxlen=count))

    def _ticks(self) -> list[int | None]:
        """When each frame is shown, in the order of the file."""
        self._rewind()
        packets = self._container.demux(self._stream)
        ticks = [packet.pts for packet in packets if packet.size and not packet.is_discard]
        if len(ticks) < self._stream.frames * _SHORT_OF_STATED:
            raise DamagedSample(self._key, TRUNCATED)
        return ticks

    def _decoded(
        self, packets: "Iterator[Packet[VideoStream]]", skip_before: int | None = None
    ) -> "Iterator[VideoFrame]":
        """Frames in the order shown; before `skip_before` only what others refer to."""
        for packet in packets:
            early = skip_before is not None and packet.pts is not None and packet.pts < skip_before
            self._context.skip_frame = "NONREF" if early else "DEFAULT"
            yield from self._context.decode(packet)


@contextmanager
def open_video(payload: bytes | memoryview, key: str = "") -> Iterator[Video]:
    """Open a video that lies in memory.

    Args:
        payload: the file's content, in any container that holds all of itself.
        key: its name, for errors.

    Raises:
        DamagedSample: it cannot be read, has no video stream, or has gigantic frames.
        UsageError: PyAV is not installed.
    """
    video = Video(payload, key)
    try:
        yield video
    finally:
        video.close()


def describe(payload: bytes | memoryview, key: str = "") -> VideoInfo:
    """Length, size and number of frames of a video, found without decoding more than one.

    Raises:
        DamagedSample: it cannot be used; the reason says why.
    """
    with open_video(payload, key) as video:
        return video.info()


def import_av() -> Any:
    """PyAV, or one sentence on how to get it."""
    try:
        import av
    except ImportError:
        raise UsageError("Videos need PyAV.", "Install striate[video].") from None
    return av


@contextmanager
def _said(key: str) -> Iterator[None]:
    """Turn what FFmpeg says of a damaged file into a damaged sample."""
    av = import_av()
    try:
        yield
    except (av.FFmpegError, EOFError):
        raise DamagedSample(key, UNREADABLE) from None


def _container(payload: bytes | memoryview) -> "InputContainer":
    options = {"format_whitelist": _FORMATS}
    container: InputContainer = import_av().open(
        _Memory(payload), container_options=options, buffer_size=_BUFFER
    )
    return container


def _stream(container: "InputContainer", key: str) -> "VideoStream":
    """The first stream of moving pictures; a song's cover is none."""
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
