"""Clips are exact in every encoding that PyAV can write here, in every container that holds it."""

import io
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import pytest
from av import VideoFrame, VideoStream
from av.codec import Codec

from striate.data.transforms.video.reader import open_video

pytestmark = pytest.mark.unit

RATE, FRAMES, CLIP = 25, 48, 16
CONTAINERS = ("mp4", "matroska", "webm", "avi", "mov", "mpegts", "flv", "asf")
DEVICES = ("_amf", "_nvenc", "_qsv", "_v4l2m2m", "_vaapi", "_videotoolbox", "_mf")  # none to hand
SIZES = {"dvvideo": (720, 576), "dnxhd": (1920, 1080)}  # (width, height) that they ask for
SMALL = {"h261", "h263", "h263p"}
PROVEN = ("libx264", "libx265", "libvpx", "libvpx-vp9", "libsvtav1", "mpeg4", "mpeg2video", "wmv2")

Shown = tuple[float, int]


def encoders() -> Iterator[str]:
    """Every encoder of moving pictures that needs no device of its own."""
    for name in sorted(av.codecs_available):
        try:
            codec = Codec(name, "w")
        except (av.FFmpegError, ValueError):
            continue
        if codec.type == "video" and not name.endswith(DEVICES):
            yield name


def drawn(size: tuple[int, int]) -> Iterator[VideoFrame]:
    """Frames none of which is like another: the ground changes, and a square goes about."""
    width, height = size
    noise = np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)
    for index in range(FRAMES):
        pixels = np.full((height, width, 3), (37 * index % 256, 5 * index, 128), np.uint8)
        pixels[::7, ::5] = noise[::7, ::5]
        top, left = index % 8 * 8, index // 8 % 8 * 8
        pixels[top : top + 8, left : left + 8] = 255
        yield VideoFrame.from_ndarray(pixels, format="rgb24")


def written(encoder: str, container: str) -> bytes:
    """A video of 48 frames, with a keyframe a second at the most."""
    formats = [one.name for one in Codec(encoder, "w").video_formats or ()]
    pixel_format = "yuv420p" if "yuv420p" in formats or not formats else formats[0]
    size = SIZES.get(encoder, (176, 144) if encoder in SMALL else (128, 96))
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(encoder, rate=RATE)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        stream.codec_context.gop_size, stream.bit_rate = 12, 400_000
        for index, frame in enumerate(drawn(size)):
            picture = frame.reformat(format=pixel_format)
            picture.pts, picture.time_base = index, Fraction(1, RATE)
            file.mux(stream.encode(picture))
        file.mux(stream.encode())
    return out.getvalue()


def seen(frame: VideoFrame) -> int:
    return hash(tuple(bytes(plane) for plane in frame.planes))


def whole(payload: bytes) -> tuple[list[Shown], bool]:
    """Every frame by plain PyAV: when it is shown, and what; and whether its times can be such."""
    with av.open(io.BytesIO(payload), "r") as container:
        frames = list(container.decode(video=0))
        delayed = container.streams.video[0].codec_context.has_b_frames
        counted = container.format.name in ("avi", "asf") and delayed
    return [((frame.time or 0) - (frames[0].time or 0), seen(frame)) for frame in frames], counted


def files(encoder: str) -> Iterator[tuple[str, bytes]]:
    for container in CONTAINERS:
        try:
            payload = written(encoder, container)
            whole(payload)
        except (av.FFmpegError, ValueError, IndexError):  # they do not go together, or not back
            continue
        yield container, payload


@pytest.mark.parametrize("encoder", list(encoders()))
def test_clips_at_random_starts_are_those_of_the_whole_file(encoder: str) -> None:
    tried = 0
    for container, payload in files(encoder):
        frames, counted = whole(payload)
        if len(frames) < CLIP + 1:
            continue
        tried += 1
        for start_s in np.random.default_rng(1).uniform(0, (FRAMES - CLIP - 2) / RATE, 12):
            with open_video(payload) as video:
                got = [seen(frame) for frame in video.clip(start_s, CLIP)]
                times = [n / video.rate_hz for n in range(FRAMES)] if counted else []
            times = times or [shown for shown, _ in frames]
            first = next(n for n, shown in enumerate(times) if shown >= start_s - 1e-6)
            expected = [content for _, content in frames[first : first + CLIP]]
            assert got == expected, (container, start_s)
    assert tried or encoder not in PROVEN
