"""Clips for networks on video, by C3D's conventions (Tran et al., ICCV 2015; as recalled).

A clip is 16 consecutive frames, each resized to 128×171 whatever its shape was. For training,
five 2-second windows are taken at random from each video, 16 frames at random from each window,
and a 112×112 crop at random, the same for all 16 frames, mirrored half of the time. For testing, a
video's score is the mean over ten random clips, cropped in the centre, never mirrored.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from striate.core.arrays import Pixels
from striate.core.errors import DataError, RecipeError
from striate.core.numbers import Deviation, Positive, Real, Share, Side
from striate.core.validation import check_arguments
from striate.data.pipelines.base import Places, Stored
from striate.data.transforms.random import uniforms
from striate.data.transforms.video.reader import Video, open_video

if TYPE_CHECKING:
    from av import VideoFrame

__all__ = ["TestClips", "TrainClips", "clips_test", "clips_train", "decode_clip"]

FRAMES, HEIGHT, WIDTH, CROP = 16, 128, 171, 112
WINDOW_S = 2.0
_TEST_SEED = 0


def decode_clip(
    payload: bytes | memoryview,
    start_s: float,
    frames: int = FRAMES,
    *,
    height: int = HEIGHT,
    width: int = WIDTH,
    key: str = "",
) -> Pixels:
    """Consecutive frames of a video, from the first one shown at or after `start_s`.

    Only what the clip needs is decoded, from the nearest keyframe before it on. A clip that would
    run past the end is moved back to end there; a video of fewer frames is looped.

    Args:
        payload: the video file's content.
        start_s: seconds after the video's first frame.
        frames: how many.
        height: of the result, the frame being resized with antialiasing.
        width: of the result.
        key: the video's name, for errors.

    Returns:
        (frames, height, width, 3) uint8, red, green, blue.

    Raises:
        DamagedSample: the video cannot be used; the reason says why.
        UsageError: PyAV is not installed.
    """
    with open_video(payload, key) as video:
        return resize_frames(video.clip(start_s, frames), height, width)


def resize_frames(frames: "Sequence[VideoFrame]", height: int, width: int) -> Pixels:
    """Decoded frames → (frames, height, width, 3) uint8 RGB, turned as the file asks.

    Phones write upright videos lying down, with a rotation to be applied when they are shown.
    """
    from av.video.reformatter import VideoReformatter

    convert = VideoReformatter()  # one scaler for all frames: making one costs more than using it
    turns = round(frames[0].rotation / 90) % 4
    rows, columns = (width, height) if turns % 2 else (height, width)
    out = np.empty((len(frames), height, width, 3), np.uint8)
    for index, frame in enumerate(frames):
        picture = convert.reformat(frame, columns, rows, "rgb24", interpolation="BILINEAR")
        out[index] = np.rot90(picture.to_ndarray(), turns)
    return out


class _Clips(BaseModel):
    """What both pipelines share.

    Attributes:
        frames: consecutive frames of a clip.
        height: frames are resized to this height …
        width: … and width.
        crop: height and width of the part that is kept.
        mean: taken from every pixel's red, green and blue, 0 to 255 …
        std: … which are then divided by this.
        differences: whether each frame is given less the one before it, and the last difference
            once more, so that a clip keeps its frames: motion alone, without what stands still.
        max_labels: columns of ``all_labels``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: int = Field(default=FRAMES, ge=1, le=4096)
    height: Side = HEIGHT
    width: Side = WIDTH
    crop: Side = CROP
    mean: tuple[Real, Real, Real] = (128.0, 128.0, 128.0)
    std: tuple[Deviation, Deviation, Deviation] = (1.0, 1.0, 1.0)
    differences: bool = False
    max_labels: int = Field(default=32, ge=1, le=1024)

    @model_validator(mode="after")
    def _something_differs(self) -> Self:
        if self.differences and self.frames < 2:
            raise ValueError("differences need clips of at least 2 frames")
        return self

    def _finish(self, clips: Sequence[Pixels]) -> Tensor:
        """Clips (frames, crop, crop, 3) → (n, 3, frames, crop, crop) float32."""
        stacked = torch.from_numpy(np.stack(clips)).permute(0, 4, 1, 2, 3)
        mean = torch.tensor(self.mean).view(1, 3, 1, 1, 1)
        scale = 1 / torch.tensor(self.std).view(1, 3, 1, 1, 1)
        normalised = (stacked - mean) * scale
        if self.differences:
            changes = normalised.diff(dim=2)
            normalised = torch.cat([changes, changes[:, :, -1:]], dim=2)
        return normalised.contiguous()

    def _all_labels(self, stored: Sequence[Stored]) -> Tensor:
        """(n, max_labels) int64, filled up with −1."""
        table = torch.full((len(stored), self.max_labels), -1, dtype=torch.int64)
        for index, sample in enumerate(stored):
            labels = _labels(sample)
            if len(labels) > self.max_labels:
                raise DataError(
                    f"The video {sample.key} has {len(labels)} labels, and the pipeline keeps"
                    f" {self.max_labels}.",
                    "Set max_labels in the pipeline's arguments.",
                )
            table[index, : len(labels)] = torch.tensor(labels)
        return table


_Kind = TypeVar("_Kind", bound=_Clips)


class TrainClips(_Clips):
    """Five random clips a video and epoch, randomly cropped and mirrored.

    Gives ``clips`` (n, 3, frames, crop, crop) float32, ``labels`` (n,) int64 and ``all_labels``
    (n, max_labels) int64, filled up with −1. Where a video has several labels, ``labels`` is one
    of them at random, so that a softmax sees each in its turn.

    Attributes:
        clips_per_video: units that a video is to the order.
        window_s: seconds that a clip's frames are taken from.
        flip: share of clips that are mirrored; 0 where left and right tell classes apart.
    """

    clips_per_video: int = Field(default=5, ge=1, le=1024)
    window_s: Positive = WINDOW_S
    flip: Share = 0.5

    @property
    def units_per_row(self) -> int:
        return self.clips_per_video

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        draws = uniforms(places.seed, places.epochs, places.positions, 6)
        chosen = [_labels(sample) for sample in stored]
        labels = [some[int(draw * len(some))] for some, draw in zip(chosen, draws[5], strict=True)]
        return {
            "clips": self._finish([self._one(s, draws[:, i]) for i, s in enumerate(stored)]),
            "labels": torch.tensor(labels, dtype=torch.int64),
            "all_labels": self._all_labels(stored),
        }

    def _one(self, sample: Stored, draws: NDArray[np.float64]) -> Pixels:
        with open_video(sample.payload, sample.key) as video:
            frames = video.clip(self._start_s(video, draws), self.frames)
            clip = resize_frames(frames, self.height, self.width)
        top = int(draws[2] * (self.height - self.crop + 1))
        left = int(draws[3] * (self.width - self.crop + 1))
        clip = clip[:, top : top + self.crop, left : left + self.crop]
        return clip[:, :, ::-1] if draws[4] < self.flip else clip

    def _start_s(self, video: Video, draws: NDArray[np.float64]) -> float:
        """A window at random in the video, and the clip at random in the window."""
        window_s = min(self.window_s, video.seconds)
        spare_s = max(0.0, window_s - self.frames / video.rate_hz)
        return float(draws[0] * (video.seconds - window_s) + draws[1] * spare_s)


class TestClips(_Clips):
    """Ten random clips a video, the same ones always, cropped in the centre.

    Gives ``clips`` and ``all_labels`` as `TrainClips`, ``labels`` (n,) int64, the first of each
    video's, and ``video`` (n,) int64, the row that a clip is from: a video's score is the mean
    over its clips. A video is opened once for all of its clips.

    Attributes:
        clips_per_video: units that a video is to the order.
    """

    __test__ = False  # for pytest: no class of tests

    clips_per_video: int = Field(default=10, ge=1, le=1024)

    @property
    def units_per_row(self) -> int:
        return self.clips_per_video

    def prepare(self, stored: Stored) -> Pixels:
        """All clips of a video: (clips, frames, crop, crop, 3) uint8.

        Raises:
            DamagedSample: the video cannot be used.
        """
        top, left = (self.height - self.crop) // 2, (self.width - self.crop) // 2
        shape = (self.clips_per_video, self.frames, self.crop, self.crop, 3)
        clips = np.empty(shape, np.uint8)
        with open_video(stored.payload, stored.key) as video:
            spare_s = max(0.0, video.seconds - self.frames / video.rate_hz)
            draws = self._draws(stored.row)
            for unit in sorted(range(len(draws)), key=draws.__getitem__):  # decoded in one pass
                frames = video.clip(draws[unit] * spare_s, self.frames)
                pixels = resize_frames(frames, self.height, self.width)
                clips[unit] = pixels[:, top : top + self.crop, left : left + self.crop]
        return clips

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        del places  # the clips of a video are a function of its row alone
        known: dict[int, Pixels] = {}
        for sample in stored:
            if sample.row not in known:
                ready = sample.prepared
                known[sample.row] = self.prepare(sample) if ready is None else ready
        return {
            "clips": self._finish([known[sample.row][sample.unit] for sample in stored]),
            "labels": torch.tensor([_labels(sample)[0] for sample in stored], dtype=torch.int64),
            "all_labels": self._all_labels(stored),
            "video": torch.tensor([sample.row for sample in stored], dtype=torch.int64),
        }

    def _draws(self, row: int) -> list[float]:
        units = np.arange(self.clips_per_video, dtype=np.int64) + row * self.clips_per_video
        draws: list[float] = uniforms(_TEST_SEED, np.zeros_like(units), units, 1)[0].tolist()
        return draws


def clips_train(arguments: Mapping[str, Any], training: bool) -> TrainClips:
    """The pipeline ``clips-train``: see `TrainClips` for its arguments.

    Raises:
        RecipeError: an argument is unknown or wrong.
    """
    del training
    return _built(TrainClips, "clips-train", arguments)


def clips_test(arguments: Mapping[str, Any], training: bool) -> TestClips:
    """The pipeline ``clips-test``: see `TestClips` for its arguments.

    Raises:
        RecipeError: an argument is unknown or wrong.
    """
    del training
    return _built(TestClips, "clips-test", arguments)


def _built(kind: type[_Kind], name: str, arguments: Mapping[str, Any]) -> _Kind:
    built = check_arguments(kind, arguments, f"pipeline {name}")
    if built.crop > min(built.height, built.width):
        raise RecipeError(
            f"The pipeline {name}: no crop of {built.crop} pixels fits into"
            f" {built.height}×{built.width}.",
            "Lower crop, or raise height and width.",
        )
    return built


def _labels(sample: Stored) -> list[int]:
    label = sample.label
    if isinstance(label, bytes | memoryview):
        raise DataError(
            f"{sample.key or f'Row {sample.row}'} has a class for each pixel, and no clip has.",
            "Choose the pipeline dense-labels.",
        )
    return [label] if isinstance(label, int) else [int(one) for one in label]
