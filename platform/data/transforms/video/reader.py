"""Decoding of the frames that a clip needs, and no others, from a video in memory.

The frames are those that decoding the whole file gives, bit by bit: decoding starts at a keyframe
that is *shown* no later than the clip (which is safe with B-frames and open groups of pictures),
leaves out frames before the clip that no other frame refers to (with decoders that are known to do
so rightly), and starts again from the beginning of the file where a container's index or keyframe
flags turn out not to be true.
"""

import itertools
import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from striate.data.transforms.damage import DamagedSample
from striate.data.transforms.video.container import (
    NO_FRAMES,
    UNREADABLE,
    explain_damage,
    find_video_stream,
    open_container,
)
from striate.data.transforms.video.length import (
    Ticks,
    find_seconds,
    find_start,
    rate_of,
    read_ticks,
    stated_seconds,
)

if TYPE_CHECKING:
    from av import Packet, VideoFrame, VideoStream

__all__ = ["Video", "VideoInfo", "describe", "open_video"]

_STEPS_BACK_S = (0.0, 5.0, 30.0)
# Decoders that heed `skip_frame` changed in mid-stream, and gain by it; libdav1d keeps the first.
_SKIPPING_DECODERS = frozenset({"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "vp8"})
_DECODING_TIMES = ("avi", "asf")  # containers that tell when to decode a frame, not when to show it


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


class Video:
    """An open video; made by `open_video`. One thread at a time may use it.

    Attributes:
        seconds: from the first frame's start to the last one's end, whatever the container says of
            its start and its sound; where frames have no times, at the stated rate.
        rate_hz: frames a second on average, as stated.
    """

    def __init__(self, payload: bytes | memoryview, key: str) -> None:
        self._payload, self._key = payload, key
        self._counted_ticks: Ticks | None = None
        self._open()
        self.rate_hz = rate_of(self._stream)
        with explain_damage(key):
            self._start = find_start(self._container, self._stream)
            self.seconds = self._known_seconds() or len(self._ticks()) / self.rate_hz

    def close(self) -> None:
        """Free the decoder."""
        self._container.close()

    def clip(self, start_s: float, count: int) -> "list[VideoFrame]":
        """`count` consecutive frames, the first that is shown at or after `start_s`.

        A clip that would run past the end is moved back to end there. A video of fewer frames
        is looped: its frames in order, then again from the first. Clips that are asked for in
        ascending order share what they decode.

        Args:
            start_s: seconds after the first frame.
            count: frames wanted.

        Raises:
            DamagedSample: a frame of the clip is damaged or missing, or there are no frames.
        """
        with explain_damage(self._key):
            frames = self._from(self._tick(start_s), count) if self._timed else None
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
        with explain_damage(self._key):
            ticks = self._ticks()
            first = next(self._all(), None)
        if first is None or first.is_corrupt:
            raise DamagedSample(self._key, NO_FRAMES if first is None else UNREADABLE)
        shown = np.sort(np.array([tick for tick in ticks if tick is not None], np.int64))
        if len(shown) < len(ticks) or not self._timed:
            seconds, even = self.seconds, True
        else:
            gaps = np.diff(shown)
            last = float(np.median(gaps)) if len(gaps) else 0.0
            base = float(self._stream.time_base or 0)
            seconds = (float(shown[-1] - shown[0]) + last) * base or 1 / self.rate_hz
            even = bool(len(gaps) == 0 or np.ptp(gaps) <= 1)  # time bases round by one tick
        return VideoInfo(seconds, len(ticks), first.height, first.width, even)

    def _open(self) -> None:
        with explain_damage(self._key):
            self._container = open_container(self._payload)
            self._stream = find_video_stream(self._container, self._key)
            self._context = self._stream.codec_context
            self._context.thread_count = 1  # the stream has threads of its own
        reordered = self._container.format.name in _DECODING_TIMES and self._context.has_b_frames
        self._timed = not reordered
        self._skips = self._context.codec.name in _SKIPPING_DECODERS
        self._target = 0  # what is being decoded for; frames before it may be left out
        self._reached: int | None = None  # the frame decoded last, None before the first
        self._kept: list[VideoFrame] = []  # frames from the target on
        self._flow: Iterator[VideoFrame] = iter(())
        self._keyframe: int | None = None  # the one that decoding began at …
        self._proven = False  # … and whether it came out as it should
        self._spoiled = False  # whether a damaged frame came after the latest keyframe

    def _known_seconds(self) -> float:
        if not self._timed:
            return 0.0
        found_s = find_seconds(self._container, self._stream, self._start)
        return found_s or stated_seconds(self._stream)

    def _rewind(self) -> None:
        """To the first packet, whatever the container's index says."""
        self._container.close()
        self._open()

    def _tick(self, start_s: float) -> int:
        """Seconds after the first frame → the stream's own unit."""
        ticks = start_s / float(self._stream.time_base or 1)
        return self._start + math.ceil(ticks - 1e-6)

    def _from(self, target: int, count: int) -> "list[VideoFrame] | None":
        """Up to `count` frames from `target` on; None where packets do not say when to show."""
        if not self._goes_on_to(target):
            self._begin(target)
        self._target = target
        self._kept = [frame for frame in self._kept if (frame.pts or 0) >= target]
        while len(self._kept) < count and (frame := next(self._flow, None)) is not None:
            if frame.pts is None:
                return None
            self._proven = self._proven or frame.pts == self._keyframe
            self._reached = frame.pts
            self._spoiled = frame.is_corrupt or (self._spoiled and not frame.key_frame)
            if frame.pts >= target:
                if self._spoiled:  # by itself, or by a frame that it builds on
                    raise DamagedSample(self._key, UNREADABLE)
                self._kept.append(frame)
        if self._keyframe is None:
            return None
        return self._kept[:count] if self._proven else self._from_first(target, count)

    def _begin(self, target: int) -> None:
        """Start to decode from the nearest keyframe before `target`."""
        packets = self._packets(target)
        key = next(packets, None)
        self._keyframe = key.pts if key is not None else None
        self._proven = self._keyframe is None or self._keyframe >= target
        self._kept, self._spoiled = [], False
        chained = packets if key is None else itertools.chain([key], packets)
        self._flow = self._decoded(chained if self._keyframe is not None else iter(()))

    def _goes_on_to(self, target: int) -> bool:
        """Whether to go on decoding to reach `target`: no keyframe on the way saves anything."""
        if self._reached is None or target < self._target:
            return False
        index = self._stream.index_entries
        at = index.search_timestamp(target) if len(index) else -1
        return at < 0 or index[at].timestamp <= self._reached

    def _from_first(self, target: int, count: int) -> "list[VideoFrame]":
        """The same from the first frame on: the keyframe sought could not be decoded alone."""
        decoded = self._all()
        wanted = (frame for frame in decoded if frame.pts is not None and frame.pts >= target)
        return list(itertools.islice(wanted, count))

    def _packets(self, target: int) -> "Iterator[Packet[VideoStream]]":
        """The packets from a keyframe on that is shown no later than `target`, or all of them."""
        from av import FFmpegError

        base = float(self._stream.time_base or 1)
        for back_s in _STEPS_BACK_S:
            place = max(target - round(back_s / base), self._start)
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
        decoded = self._all()
        start = math.ceil(start_s * self.rate_hz - 1e-6)
        return list(itertools.islice(decoded, start, start + count))

    def _last(self, count: int) -> "list[VideoFrame]":
        """The last `count` frames, or all where there are fewer."""
        ticks = [tick for tick in self._ticks() if tick is not None]
        if self._timed and len(ticks) > count:
            frames = self._from(sorted(ticks)[-count], count)
            if frames is not None and len(frames) == count:
                return frames
        return list(deque(self._all(), maxlen=count))

    def _ticks(self) -> Ticks:
        """When each frame is shown, in the order of the file."""
        if self._counted_ticks is None:
            self._rewind()
            self._counted_ticks = read_ticks(self._container, self._stream, self._key)
        return self._counted_ticks

    def _all(self) -> "Iterator[VideoFrame]":
        """Every frame of the file."""
        self._rewind()
        return self._decoded(self._container.demux(self._stream), whole=True)

    def _decoded(
        self, packets: "Iterator[Packet[VideoStream]]", *, whole: bool = False
    ) -> "Iterator[VideoFrame]":
        """Frames in the order shown; before the target, unless `whole`, only what others need."""
        for packet in packets:
            early = not whole and packet.pts is not None and packet.pts < self._target
            if self._skips:
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
