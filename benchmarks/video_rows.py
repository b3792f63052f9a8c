"""Decoded clips a second against decoding each whole file with PyAV, the same frames and sizes.

The videos are real photographs under a moving camera, half a minute of H.264 in 480×360 at 25
frames a second, with keyframes every two seconds and with x264's own default of 250 frames. Both
sides work on the same bytes in memory, on one thread a core with a single-threaded decoder each,
and both resize only the clip's 16 frames, to 128×171, by the same code. Their pixels are compared.
"""

import io
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import av
import numpy as np
from harness import Row, interleaved, main

from striate.core.arrays import Pixels
from striate.data.corpora.sports import encode
from striate.data.pipelines.base import Stored
from striate.data.pipelines.clips import (
    FRAMES,
    HEIGHT,
    WIDTH,
    TestClips,
    decode_clip,
    resize_frames,
)

_Visit = TypeVar("_Visit")
RATE_HZ = 25
SHAPE = (360, 480)
AT_LEAST = 3.0
KEYFRAMES = {"every 2 s": 2 * RATE_HZ, "every 250 frames": 250}


def rows(quick: bool) -> list[Row]:
    """Clips a second: one random clip a video, as training asks, and ten at once, as testing."""
    seconds, rounds = (12, 3) if quick else (30, 5)
    compared = []
    for name, keyframe_every in KEYFRAMES.items():
        videos = [video(seed, seconds, keyframe_every) for seed in range(os.cpu_count() or 1)]
        _check(videos[0], seconds)
        label = f"{seconds} s of H.264, keyframes {name}"
        ours, peer = interleaved(
            [partial(_single, videos, _ours), partial(_single, videos, _whole)], rounds
        )
        compared.append(Row(f"clips: {label}", ours, peer, "clips/s", AT_LEAST))
        ours, peer = interleaved(
            [partial(_ten, videos, _ours_ten), partial(_ten, videos, _whole_ten)], rounds
        )
        compared.append(Row(f"ten clips at once: {label}", ours, peer, "clips/s"))
    return compared


@lru_cache
def video(seed: int, seconds: int, keyframe_every: int) -> bytes:
    """An encoded video."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        encode(path, _filmed(seed, seconds), rate_hz=RATE_HZ, keyframe_every=keyframe_every)
        return path.read_bytes()


def _filmed(seed: int, seconds: int) -> Iterator[Pixels]:
    """scikit-learn's photographs under a camera that pans, with its noise, a cut every 8 s."""
    from sklearn.datasets import load_sample_images

    photos = [np.tile(photo, (2, 2, 1)) for photo in load_sample_images().images]
    random = np.random.default_rng(seed)
    for index in range(seconds * RATE_HZ):
        photo = photos[(index // (8 * RATE_HZ) + seed) % len(photos)]
        top, left = round(90 + 80 * np.sin(index / 37)), round(150 + 140 * np.cos(index / 53))
        part = photo[top : top + SHAPE[0], left : left + SHAPE[1]].astype(np.int16)
        noise = random.integers(-3, 4, (*SHAPE, 1), np.int16)
        yield (part + noise).clip(0, 255).astype(np.uint8)


def _starts(payload: bytes, count: int) -> list[float]:
    """The same random places for both sides."""
    with av.open(io.BytesIO(payload), "r") as container:
        last_s = (container.duration or 0) / 1e6 - FRAMES / RATE_HZ
    return [float(start) for start in np.random.default_rng(7).uniform(0, last_s, count)]


def _ours(payload: bytes, start_s: float) -> Pixels:
    return decode_clip(payload, start_s)


def _whole(payload: bytes, start_s: float) -> Pixels:
    """Every frame decoded, by plain PyAV, and the clip's cut out."""
    return _whole_ten(payload, [start_s])[0]


def _ours_ten(payload: bytes, starts: Sequence[float]) -> list[Pixels]:
    del starts  # `TestClips` has its own ten
    return list(TestClips(crop=HEIGHT).prepare(Stored(0, 0, payload, 0)))


def _whole_ten(payload: bytes, starts: Sequence[float]) -> list[Pixels]:
    firsts = [int(np.ceil(start_s * RATE_HZ - 1e-6)) for start_s in starts]
    wanted = {index for first in firsts for index in range(first, first + FRAMES)}
    with av.open(io.BytesIO(payload), "r") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        decoded = enumerate(container.decode(stream))
        frames = {index: frame for index, frame in decoded if index in wanted}
    clips = [[frames[index] for index in range(first, first + FRAMES)] for first in firsts]
    return [resize_frames(clip, HEIGHT, WIDTH) for clip in clips]


def _single(videos: Sequence[bytes], decode: Callable[[bytes, float], Pixels]) -> float:
    """Clips a second when each visit of a video takes one clip."""
    visits = [(payload, start_s) for payload in videos for start_s in _starts(payload, 4)]
    return _clips_per_second(lambda visit: decode(*visit), visits, len(visits))


def _ten(
    videos: Sequence[bytes], decode: Callable[[bytes, Sequence[float]], list[Pixels]]
) -> float:
    """Clips a second when each visit of a video takes ten clips."""
    visits = [(payload, _starts(payload, 10)) for payload in videos]
    return _clips_per_second(lambda visit: decode(*visit), visits, 10 * len(visits))


def _clips_per_second(
    work: Callable[[_Visit], object], visits: Sequence[_Visit], clips: int
) -> float:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        began = time.perf_counter()
        list(pool.map(work, visits))
        return clips / (time.perf_counter() - began)


def _check(payload: bytes, seconds: int) -> None:
    """Both sides give the same pixels, also at the very ends."""
    for start_s in (0.0, *_starts(payload, 3), seconds - FRAMES / RATE_HZ):
        assert np.array_equal(_ours(payload, start_s), _whole(payload, start_s)), start_s


if __name__ == "__main__":
    main(rows, __doc__ or "", "videos of 12 s in place of 30, three rounds")
