"""Clips cut from videos: the very frames that decoding the whole file gives, or a clear reason."""

import io
import itertools
import wave
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av import VideoStream

from striate.core.arrays import Pixels
from striate.data.pipelines.base import DamagedSample
from striate.data.pipelines.clips import decode_clip
from striate.data.show.film import film_strip
from striate.data.transforms.video.reader import describe, open_video

pytestmark = pytest.mark.unit

RATE = 24
CODED = (96, 128)


@dataclass(frozen=True)
class Kind:
    """A way to write a video."""

    name: str
    codec: str = "libx264"
    options: tuple[tuple[str, str], ...] = (("preset", "veryfast"),)
    uneven: bool = False
    rotation: int | None = None


OPEN_GROUPS = (("x264-params", "open-gop=1:bframes=5:b-pyramid=2:keyint=24"),)
KINDS = [
    Kind("b-frames.mp4"),
    Kind("open-groups.mp4", options=OPEN_GROUPS),
    Kind("open-groups.mkv", options=OPEN_GROUPS, uneven=True),
    Kind("uneven.mp4", uneven=True),
    Kind("intra-refresh.mp4", options=(("x264-params", "intra-refresh=1:keyint=24"),)),
    Kind("stream.ts"),
    Kind("flash.flv"),
    Kind("xvid.avi", codec="mpeg4"),
    Kind("h264.avi"),
]


def make(
    kind: Kind, folder: Path, frames: int = 100, keyframe_every: int = RATE, colours: int = 0
) -> bytes:
    """A picture that moves over more than the frame holds, so that no two frames are alike."""
    path = folder / kind.name
    random = np.random.default_rng(colours)
    big = random.integers(0, 256, (CODED[0] // 4 + 30, CODED[1] // 4 + 30, 3), np.uint8)
    big = big.repeat(4, axis=0).repeat(4, axis=1)
    ticks = random.choice([10, 33, 42, 200], frames) if kind.uneven else np.full(frames, 42)
    times = [0, *np.cumsum(ticks).tolist()]
    counts = path.suffix == ".avi"  # has no times, only frames in a row
    with av.open(str(path), "w") as container:
        stream = container.add_stream(kind.codec, rate=RATE, options=dict(kind.options))
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = CODED
        stream.pix_fmt, stream.gop_size = "yuv420p", keyframe_every
        if kind.rotation is not None:
            stream.set_display_rotation(kind.rotation)
        base = Fraction(1, RATE if counts else 1000)
        stream.codec_context.time_base = base
        for index in range(frames):
            top, left = index % 100, 2 * index % 100
            pixels = np.ascontiguousarray(big[top : top + CODED[0], left : left + CODED[1]])
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = (index if counts else times[index]), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


def whole(payload: bytes) -> tuple[list[float], list[Pixels]]:
    """Every frame by plain PyAV: seconds after the first, and pixels."""
    with av.open(io.BytesIO(payload), "r") as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
    pixels = [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in frames]
    times = [frame.time - frames[0].time for frame in frames]
    return times, pixels


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_clip_is_what_decoding_the_whole_file_gives(kind: Kind, tmp_path: Path) -> None:
    payload = make(kind, tmp_path)
    times, pixels = whole(payload)
    if times != sorted(times):  # an AVI's times are those of decoding
        times = (np.arange(len(pixels)) / RATE).tolist()
    assert len(pixels) == 100
    for start in [*range(0, 100, 7), 84, 99]:
        got = decode_clip(payload, times[start], height=CODED[0], width=CODED[1])
        first = min(start, 100 - 16)
        assert np.array_equal(got, np.stack(pixels[first : first + 16])), start
    between = decode_clip(payload, (times[40] + times[41]) / 2, 1, height=96, width=128)
    assert np.array_equal(between[0], pixels[41])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_clips_of_one_open_video_are_the_same_in_any_order(kind: Kind, tmp_path: Path) -> None:
    payload = make(kind, tmp_path)
    random = np.random.default_rng(3)
    with open_video(payload) as video:
        starts = random.uniform(0, video.seconds, 12).tolist()
        for start in (*starts, *sorted(starts)):
            together = [frame.to_ndarray() for frame in video.clip(start, 16)]
            with open_video(payload) as alone:
                expected = [frame.to_ndarray() for frame in alone.clip(start, 16)]
            assert np.array_equal(together, expected)


def test_only_what_the_clip_needs_is_read(tmp_path: Path) -> None:
    payload = make(Kind("long.mp4"), tmp_path, frames=400, keyframe_every=20)
    times, pixels = whole(payload)
    head = payload.index(b"mdat")
    spoiled = bytearray(payload)
    spoiled[head + 100 : head + (len(payload) - head) // 2] = bytes(
        (len(payload) - head) // 2 - 100
    )
    got = decode_clip(bytes(spoiled), times[360], height=CODED[0], width=CODED[1])
    assert np.array_equal(got, np.stack(pixels[360:376]))


def test_a_payload_may_be_a_view_of_a_mapped_shard(tmp_path: Path) -> None:
    payload = make(Kind("b-frames.mp4"), tmp_path)
    padded = memoryview(b"before" + payload + b"after")[6:-5]
    assert np.array_equal(decode_clip(padded, 1.0), decode_clip(payload, 1.0))


def test_frames_are_resized_whatever_their_shape(tmp_path: Path) -> None:
    clip = decode_clip(make(Kind("b-frames.mp4"), tmp_path), 0.5)
    assert clip.shape == (16, 128, 171, 3)
    assert clip.dtype == np.uint8
    assert clip.std() > 30


@pytest.mark.parametrize(("rotation", "turns"), [(90, 1), (180, 2), (-90, 3)])
def test_a_phones_rotation_is_applied(tmp_path: Path, rotation: int, turns: int) -> None:
    upright = decode_clip(make(Kind("lying.mp4"), tmp_path), 0, 1, height=96, width=128)
    turned = make(Kind("turned.mp4", rotation=rotation), tmp_path)
    shape = (128, 96) if turns % 2 else (96, 128)
    got = decode_clip(turned, 0, 1, height=shape[0], width=shape[1])
    assert np.array_equal(got[0], np.rot90(upright[0], turns))


@pytest.mark.parametrize("frames", [1, 7])
def test_a_video_of_too_few_frames_is_looped(tmp_path: Path, frames: int) -> None:
    payload = make(Kind("short.mp4"), tmp_path, frames=frames)
    _, pixels = whole(payload)
    looped = list(itertools.islice(itertools.cycle(pixels), 16))
    for start_s in (0.0, 0.2, 5.0):
        got = decode_clip(payload, start_s, height=CODED[0], width=CODED[1])
        assert np.array_equal(got, np.stack(looped))


def test_a_video_describes_itself(tmp_path: Path) -> None:
    even = describe(make(Kind("b-frames.mp4"), tmp_path))
    assert (even.frames, even.height, even.width, even.even) == (100, 96, 128, True)
    assert even.seconds == pytest.approx(4.2, abs=0.05)
    assert not describe(make(Kind("uneven.mp4", uneven=True), tmp_path)).even


def sound_alone(folder: Path) -> bytes:
    with wave.open(str(folder / "sound.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16000))
    with (
        av.open(str(folder / "sound.wav")) as source,
        av.open(str(folder / "sound.mp4"), "w") as target,
    ):
        stream = target.add_stream("aac", rate=8000)
        for frame in source.decode(audio=0):
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
    return (folder / "sound.mp4").read_bytes()


def without_index(payload: bytes) -> bytes:
    return payload.replace(b"moov", b"gone", 1)


DAMAGE: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "empty": (lambda _: b"", "truncated or damaged video"),
    "text": (lambda _: b"<html>Not found</html>" * 50, "truncated or damaged video"),
    "playlist": (
        lambda _: b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n",
        "truncated or damaged video",
    ),
    "sound": (sound_alone, "no video stream"),
    "no index": (
        lambda folder: without_index(make(Kind("a.mp4"), folder)),
        "truncated or damaged video",
    ),
    "cut mp4": (
        lambda folder: make(Kind("a.mp4"), folder)[:-4000],
        "truncated or damaged video",
    ),
    "cut mkv": (
        lambda folder: (lambda payload: payload[: len(payload) // 2])(make(Kind("a.mkv"), folder)),
        "video that ends before its stated length",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_cannot_be_used_says_why(damage: str, tmp_path: Path) -> None:
    spoil, reason = DAMAGE[damage]
    payload = spoil(tmp_path)
    with pytest.raises(DamagedSample) as caught:
        describe(payload, "the key")
    assert (caught.value.key, caught.value.reason) == ("the key", reason)
    with pytest.raises(DamagedSample):
        decode_clip(payload, 3.9)


def test_a_clip_that_builds_on_damaged_frames_is_refused(tmp_path: Path) -> None:
    payload = make(Kind("a.mp4"), tmp_path, keyframe_every=50)
    times, _ = whole(payload)
    head, seen = payload.index(b"mdat"), 0
    for place in range(head + 3000, len(payload) - 4000, 2000):
        damaged = bytearray(payload)
        damaged[place] ^= 0xFF
        with av.open(io.BytesIO(damaged), "r") as container:
            try:
                frames = list(container.decode(video=0))
            except av.FFmpegError:
                continue
        corrupt = [index for index, frame in enumerate(frames) if frame.is_corrupt]
        for first in [index for index in corrupt if index % 50 < 30][:1]:
            seen += 1
            for start in (first, first + 3):  # on the frame, and on those that refer to it
                with pytest.raises(DamagedSample) as caught:
                    decode_clip(bytes(damaged), times[start])
                assert caught.value.reason == "truncated or damaged video"
    assert seen >= 2


def test_a_lying_index_is_found_out(tmp_path: Path) -> None:
    """An mp4 whose table of keyframes names frames that are none."""
    payload = make(Kind("a.mp4"), tmp_path, keyframe_every=50)
    times, pixels = whole(payload)
    at = payload.index(b"stss")
    count = int.from_bytes(payload[at + 8 : at + 12], "big")
    lying = bytearray(payload)
    for entry in range(1, count):
        place = at + 12 + 4 * entry
        number = int.from_bytes(payload[place : place + 4], "big")
        lying[place : place + 4] = (number - 9).to_bytes(4, "big")
    for start in (45, 60, 70):
        got = decode_clip(bytes(lying), times[start], height=CODED[0], width=CODED[1])
        assert np.array_equal(got, np.stack(pixels[start : start + 16]))


def test_a_film_strip_shows_frames_in_a_row(tmp_path: Path) -> None:
    payload = make(Kind("a.mp4"), tmp_path)
    strip = np.asarray(film_strip(payload, 5, height=96))
    _, pixels = whole(payload)
    shown = strip[10:106, 6:134]
    assert np.array_equal(shown, pixels[0])
    assert strip.shape[1] == 5 * (128 + 6) + 6
    last = strip[10:106, 6 + 4 * 134 : 6 + 4 * 134 + 128]
    assert np.array_equal(last, pixels[99])
