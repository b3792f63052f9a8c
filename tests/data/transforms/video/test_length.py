"""A video is as long as what can be shown of it, whatever its container's header says."""

import io
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from av import AudioFrame, AudioStream, Packet, VideoStream
from av.container import OutputContainer

from striate.data.pipelines.clips import TrainClips
from striate.data.transforms.damage import DamagedSample
from striate.data.transforms.video.reader import describe, open_video

pytestmark = pytest.mark.unit

RATE, FRAMES, CLIP = 25, 150, 16
SOUND_HZ = 8000


@cache
def encoded() -> bytes:
    """Six seconds of H.264 with B-frames, no two frames alike."""
    out = io.BytesIO()
    noise = np.random.default_rng(5).integers(0, 256, (64, 64 + FRAMES, 3), np.uint8)
    with av.open(out, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=RATE)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.gop_size = 20
        for index in range(FRAMES):
            pixels = np.ascontiguousarray(noise[:, index : index + 64])
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return out.getvalue()


def add_sound(file: OutputContainer, stream: AudioStream, seconds: float) -> None:
    for block in range(round(seconds * SOUND_HZ / 1024)):
        frame = AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts = SOUND_HZ, block * 1024
        file.mux(stream.encode(frame))
    file.mux(stream.encode())


def copied(
    container: str, shift_s: float = 0, sound_s: float = 0, options: tuple[str, ...] = ()
) -> bytes:
    """The same packets in another container, shifted, with sound from 0 on."""
    chosen = dict(option.split("=") for option in options)
    codec = "mp2" if container in ("mpegts", "avi") else "aac"
    with (
        tempfile.NamedTemporaryFile() as out,
        av.open(io.BytesIO(encoded()), "r") as source,
    ):
        with av.open(out.name, "w", format=container, options=chosen) as target:
            read = source.streams.video[0]
            written = target.add_stream_from_template(read)
            sound = target.add_stream(codec, rate=SOUND_HZ * (2 if codec == "mp2" else 1))
            assert isinstance(sound, AudioStream)
            for packet in source.demux(read):
                if packet.size:
                    target.mux(shifted(packet, shift_s, written))
            if sound_s:
                add_sound(target, sound, sound_s)
        return Path(out.name).read_bytes()


def shifted(
    packet: "Packet[VideoStream]", shift_s: float, target: VideoStream
) -> "Packet[VideoStream]":
    assert packet.pts is not None and packet.dts is not None
    ticks = round(shift_s / packet.time_base)
    packet.pts, packet.dts, packet.stream = packet.pts + ticks, packet.dts + ticks, target
    return packet


KEPT = "avoid_negative_ts=disabled"
CASES = {
    "mp4": ("mp4", 0, 0, ()),
    "mp4, later": ("mp4", 1.2, 0, ()),
    "mp4, later than its sound": ("mp4", 1.2, 6, ()),
    "mp4, at two minutes": ("mp4", 120, 0, ()),
    "mp4, an edit list leaves out its start": ("mp4", -1.2, 0, (KEPT,)),
    "mp4, an edit list and sound": ("mp4", -1.2, 6, (KEPT,)),
    "mp4, an edit list leaves out half": ("mp4", -3.1, 0, (KEPT,)),
    "mov, an edit list": ("mov", -2.1, 0, (KEPT,)),
    "mp4, negative times": ("mp4", -1.2, 0, (KEPT, "use_editlist=0")),
    "mp4 in fragments": ("mp4", 0, 0, ("movflags=frag_keyframe+empty_moov",)),
    "mp4, sound is longer": ("mp4", 0, 30, ()),
    "matroska": ("matroska", 0, 0, ()),
    "matroska, at two minutes": ("matroska", 120, 0, ()),
    "matroska, sound is longer": ("matroska", 0, 30, ()),
    "matroska, at two minutes with sound": ("matroska", 120, 130, ()),
    "matroska, live": ("matroska", 120, 0, ("live=1",)),
    "flash, sound is longer": ("flv", 0, 30, ()),
    "flash, at 50 s": ("flv", 50, 0, ()),
    "transport stream at 50 s": ("mpegts", 50, 0, ()),
    "transport stream, sound is longer": ("mpegts", 0, 30, ()),
    "asf, sound is longer": ("asf", 0, 30, ()),
}


def whole(payload: bytes) -> list[tuple[float, int]]:
    """Every frame that plain PyAV shows: seconds after the first, and its content."""
    with av.open(io.BytesIO(payload), "r") as file:
        frames = list(file.decode(video=0))
    start = frames[0].time or 0
    return [((one.time or 0) - start, hash(one.to_ndarray().tobytes())) for one in frames]


@pytest.fixture(scope="module", params=list(CASES))
def payload(request: pytest.FixtureRequest) -> Iterator[bytes]:
    container, shift_s, sound_s, options = CASES[request.param]
    try:
        yield copied(container, shift_s, sound_s, options)
    except av.FFmpegError as error:  # pragma: no cover
        pytest.fail(f"{request.param} cannot be written: {error}")


def test_its_length_is_what_can_be_shown(payload: bytes) -> None:
    frames = whole(payload)
    told = describe(payload)
    assert told.frames == len(frames)
    assert told.seconds == pytest.approx(len(frames) / RATE, abs=0.09)
    with open_video(payload) as video:
        assert video.seconds == pytest.approx(len(frames) / RATE, abs=0.09)


def test_clips_of_it_are_exact(payload: bytes) -> None:
    frames = whole(payload)
    if [shown for shown, _ in frames] != sorted(shown for shown, _ in frames):
        pytest.skip("a container that does not tell when frames are shown: see test_codecs.py")
    with open_video(payload) as video:
        for start_s in np.random.default_rng(2).uniform(0, video.seconds - 18 / RATE, 12):
            got = [hash(frame.to_ndarray().tobytes()) for frame in video.clip(start_s, CLIP)]
            first = next(n for n, (shown, _) in enumerate(frames) if shown >= start_s - 1e-6)
            assert got == [content for _, content in frames[first : first + CLIP]], start_s


def test_training_clips_are_from_all_over_it(payload: bytes) -> None:
    draws = np.random.default_rng(0).uniform(0, 1, (200, 6))
    with open_video(payload) as video:
        starts = [TrainClips()._start_s(video, row) for row in draws]
        last = video.seconds - CLIP / RATE
    assert max(starts) <= last + 0.05
    assert min(starts) < 0.3 * last
    assert np.std(starts) > 0.15 * last


@pytest.mark.parametrize("kept", [0.3, 0.5, 0.7])
def test_one_that_is_cut_short_is_still_refused(kept: float) -> None:
    cut = [
        copied("mp4", options=("movflags=faststart",)),
        copied("mp4", -1.2, options=(KEPT, "movflags=faststart")),
        copied("matroska"),
        copied("matroska", 120),
    ]
    for payload in cut:
        with pytest.raises(DamagedSample):
            describe(payload[: int(len(payload) * kept)])
