"""A film strip: frames of a video in a row, with their times, for people to look at."""

import numpy as np
from PIL import Image, ImageDraw

from striate.data.pipelines.clips import HEIGHT, resize_frames
from striate.data.transforms.video.reader import open_video

_EDGE = 10
_GAP = 6
_BAND = 16
_HOLE = (5, 6)  # height and width of the holes along the edges


def film_strip(
    payload: bytes | memoryview,
    frames: int = 8,
    *,
    height: int = HEIGHT,
    seconds: tuple[float, float] | None = None,
    key: str = "",
) -> Image.Image:
    """Frames of a video in a row, evenly spread, each with its time below it.

    Args:
        payload: the video file's content.
        frames: how many.
        height: of each frame; its width keeps the video's shape.
        seconds: the part of the video to show, from and to; all of it when None.
        key: the video's name, for errors.

    Returns:
        An RGB picture.

    Raises:
        DamagedSample: the video cannot be used; the reason says why.
        UsageError: PyAV is not installed.
    """
    pictures, times = [], []
    with open_video(payload, key) as video:
        end_s = max(0.0, video.seconds - 1 / video.rate_hz)
        start_s, stop_s = (0.0, end_s) if seconds is None else seconds
        origin = video.clip(0.0, 1)[0].time or 0.0
        for at_s in np.linspace(start_s, stop_s, frames):
            frame = video.clip(float(at_s), 1)[0]
            tall, wide = frame.height, frame.width
            if round(frame.rotation / 90) % 2:
                tall, wide = wide, tall
            width = max(1, round(height * wide / tall))
            pictures.append(resize_frames([frame], height, width)[0])
            times.append((frame.time or 0.0) - origin)
    return _strip(pictures, times)


def _strip(pictures: list[np.ndarray], times: list[float]) -> Image.Image:
    height, width = pictures[0].shape[:2]
    size = (len(pictures) * (width + _GAP) + _GAP, height + _BAND + 3 * _EDGE)
    strip = Image.new("RGB", size, (24, 24, 24))
    pen = ImageDraw.Draw(strip)
    for edge in (_EDGE // 2, size[1] - _EDGE // 2):
        for x in range(_GAP, size[0] - _GAP, 2 * _HOLE[1] + 4):
            box = (x, edge - _HOLE[0] // 2, x + _HOLE[1], edge + _HOLE[0] // 2)
            pen.rectangle(box, fill=(230, 230, 230))
    for index, (picture, time_s) in enumerate(zip(pictures, times, strict=True)):
        left = _GAP + index * (width + _GAP)
        strip.paste(Image.fromarray(picture), (left, _EDGE))
        pen.text((left + 2, height + _EDGE + 4), f"{time_s:.2f} s", fill=(230, 230, 230))
    return strip
