"""Generated clips of moving objects, as H.264 files, listed as Sports-1M is.

The class is the motion and nothing else: shapes, textures, colours, sizes, backgrounds and
things that stand still are drawn alike for all classes, and one frame tells next to nothing.
Every motion is what it was when it is mirrored, as C3D's training clips are, and shows within 16
frames. One clip in eight shows two objects with two motions, and has two labels.
"""

import base64
import hashlib
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from striate.core.arrays import Floats
from striate.core.errors import PlatformError, UsageError
from striate.core.files import atomic_folder
from striate.data.corpora.sports_scene import (
    HEIGHT,
    WIDTH,
    Pose,
    Sprite,
    background,
    draw,
    draw_sprite,
)
from striate.data.transforms.video.container import import_av

if TYPE_CHECKING:
    from av import VideoStream

DEFAULT_CLIPS = 200
SEED = 0
RATE_HZ = 25
SECONDS = (2.4, 4.0)
KEYFRAME_EVERY = 2 * RATE_HZ
TEST_EVERY = 5
TWO_LABELS_EVERY = 8
_ENCODERS = {  # the first that PyAV's build has
    "libx264": {"preset": "veryfast", "crf": "24"},
    "libopenh264": {},
    "mpeg4": {"qscale": "4"},
}

Motion = Callable[[Pose, Floats, Generator], Pose]


def write_sports(target: Path, clips: int = DEFAULT_CLIPS, seed: int = SEED) -> None:
    """Write generated clips to the folder `target` in Sports-1M's layout.

    Every fifth clip is a test clip. The same size and seed give the same clips, whatever the
    machine; the encoder's version may change their bytes.

    Args:
        target: the folder, which appears whole or not at all.
        clips: how many, over both lists; 20 for a smoke test, 100,000 for a stress test.
        seed: a whole number from 0.

    Raises:
        UsageError: fewer than two clips, or PyAV is not installed.
        PlatformError: PyAV has no encoder that can be used, or the disk is full.
    """
    if clips < 2:
        raise UsageError(f"{clips} clips are too few for two lists.", "Ask for at least 2.")
    encoder = _encoder()
    with atomic_folder(target) as folder:
        (folder / "videos").mkdir()
        (folder / "original").mkdir()

        def make(index: int) -> tuple[int, ...]:
            labels, frames = sports_clip(index, seed)
            encode(folder / "videos" / f"{video_id(index, seed)}.mp4", frames, encoder)
            return labels

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            labels = list(pool.map(make, range(clips)))
        (folder / "labels.txt").write_text("\n".join(MOTIONS) + "\n", encoding="utf-8")
        for split in ("train", "test"):
            lines = (
                f"https://www.youtube.com/watch?v={video_id(index, seed)}"
                f" {','.join(map(str, labels[index]))}\n"
                for index in range(clips)
                if is_test(index) == (split == "test")
            )
            (folder / "original" / f"{split}_partition.txt").write_text("".join(lines))


def is_test(index: int) -> bool:
    """Whether a clip is in the test list: one in five."""
    return index % TEST_EVERY == 1


def video_id(index: int, seed: int = SEED) -> str:
    """The eleven characters that stand for a clip, as YouTube's do."""
    digest = hashlib.sha256(f"striate sports {seed} {index}".encode()).digest()
    return base64.urlsafe_b64encode(digest)[:11].decode()


def sports_clip(
    index: int, seed: int = SEED
) -> tuple[tuple[int, ...], Iterator[NDArray[np.uint8]]]:
    """The labels and the frames, (height, width, 3) uint8, of one clip."""
    random = np.random.default_rng([seed, index])
    names = list(MOTIONS)
    shuffled = np.random.default_rng([seed, index // len(names), 1]).permutation(len(names))
    labels = [int(shuffled[index % len(names)])]  # every class equally often
    if random.integers(TWO_LABELS_EVERY) == 0:
        other = int(random.integers(len(names) - 1))
        labels.append(other + (other >= labels[0]))
    times = np.arange(round(random.uniform(*SECONDS) * RATE_HZ)) / RATE_HZ
    scene = background(random)
    for _ in range(int(random.integers(0, 3))):
        draw(scene, draw_sprite(random), _still(times[:1], random), 0)
    moving = [
        (draw_sprite(random), MOTIONS[names[label]](_still(times, random), times, random))
        for label in labels
    ]
    return tuple(sorted(labels)), _frames(scene, moving, len(times))


def encode(
    path: Path,
    frames: Iterator[NDArray[np.uint8]],
    encoder: str = "libx264",
    *,
    rate_hz: int = RATE_HZ,
    keyframe_every: int = KEYFRAME_EVERY,
) -> None:
    """Write frames, (height, width, 3) uint8, as a video file; on one thread."""
    av = import_av()
    with av.open(str(path), "w") as container:
        stream: VideoStream | None = None
        for index, pixels in enumerate(frames):
            if stream is None:
                stream = container.add_stream(encoder, rate=rate_hz, options=_ENCODERS[encoder])
                stream.height, stream.width = pixels.shape[:2]
                stream.pix_fmt, stream.gop_size = "yuv420p", keyframe_every
                stream.codec_context.thread_count = 1  # as many clips at a time as cores
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, rate_hz)
            container.mux(stream.encode(frame))
        assert stream is not None, "a video has frames"
        container.mux(stream.encode())


def _encoder() -> str:
    """H.264 by x264 where PyAV has it, else what comes nearest, which is said."""
    available = import_av().codecs_available
    found = next((name for name in _ENCODERS if name in available), None)
    if found is None:
        raise PlatformError("PyAV has no encoder for H.264 or MPEG-4.", "Install PyAV's own wheel.")
    if found != "libx264":
        warnings.warn(f"PyAV has no libx264 here: clips are encoded by {found}.", stacklevel=3)
    return found


def _frames(
    scene: NDArray[np.uint8], moving: list[tuple[Sprite, Pose]], count: int
) -> Iterator[NDArray[np.uint8]]:
    for index in range(count):
        frame = scene.copy()
        for what, pose in moving:
            draw(frame, what, pose, index)
        yield frame


def _still(times: Floats, random: Generator) -> Pose:
    """A random place, turn and size, kept; across, in the half that few crops cut off."""
    ones = np.ones(len(times))
    return Pose(
        x=ones * random.uniform(0.25, 0.75) * WIDTH,
        y=ones * random.uniform(0, HEIGHT),
        turn=ones * random.uniform(0, 2 * np.pi),
        size=ones * np.exp(random.uniform(*_LOG_SIZE)),
    )


_LOG_SIZE = (np.log(11.0), np.log(30.0))  # half the object's width, in pixels
_SPEED = (32.0, 60.0)  # pixels a second: a fifth of the picture within 16 frames, or more


def _rise(pose: Pose, times: Floats, random: Generator) -> Pose:
    return pose.move(y=-times * random.uniform(*_SPEED))


def _fall(pose: Pose, times: Floats, random: Generator) -> Pose:
    return pose.move(y=times * random.uniform(*_SPEED))


def _cross(pose: Pose, times: Floats, random: Generator) -> Pose:
    return pose.move(x=times * random.uniform(*_SPEED) * _sign(random))


def _spin(pose: Pose, times: Floats, random: Generator) -> Pose:
    return pose.move(turn=times * random.uniform(2.5, 6.0) * _sign(random))


def _approach(pose: Pose, times: Floats, random: Generator) -> Pose:
    grown = np.exp(np.linspace(*_LOG_SIZE, len(times)) + random.uniform(-0.1, 0.1))
    return pose.move(grow=grown / pose.size)


def _recede(pose: Pose, times: Floats, random: Generator) -> Pose:
    towards = _approach(pose, times, random)
    return pose.move(grow=towards.size[::-1] / pose.size)


def _swing(pose: Pose, times: Floats, random: Generator) -> Pose:
    return pose.move(x=_wave(times, random) * random.uniform(9, 18))


def _bounce(pose: Pose, times: Floats, random: Generator) -> Pose:
    return pose.move(y=_wave(times, random) * random.uniform(9, 18))


def _orbit(pose: Pose, times: Floats, random: Generator) -> Pose:
    phase = random.uniform(0, 2 * np.pi) + times * random.uniform(6.5, 9.0) * _sign(random)
    radius = random.uniform(10, 18)
    return pose.move(x=np.cos(phase) * radius, y=np.sin(phase) * radius)


def _pulse(pose: Pose, times: Floats, random: Generator) -> Pose:
    return pose.move(grow=np.exp(_wave(times, random) * random.uniform(0.25, 0.4)))


def _wave(times: Floats, random: Generator) -> Floats:
    """A sine of half a second to 0.7 seconds, from any phase on."""
    period = random.uniform(0.5, 0.7)
    wave: Floats = np.sin(2 * np.pi * (times / period + random.uniform()))
    return wave


def _sign(random: Generator) -> float:
    return float(random.choice([-1.0, 1.0]))


MOTIONS: dict[str, Motion] = {
    "rise": _rise,
    "fall": _fall,
    "cross": _cross,
    "spin": _spin,
    "approach": _approach,
    "recede": _recede,
    "swing": _swing,
    "bounce": _bounce,
    "orbit": _orbit,
    "pulse": _pulse,
}
