"""How long a video is by its own packets: containers' statements count their sound, their start
and what an edit list leaves out as well."""

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from striate.data.transforms.damage import DamagedSample
from striate.data.transforms.video.container import TRUNCATED

if TYPE_CHECKING:
    from av import Packet, VideoStream
    from av.container import InputContainer

USUAL_RATE_HZ = 25.0
_SHORT = 0.05  # of what is stated may be missing, and a second more
_SPARE_S = 1.0
_REORDERED_S = 2.0  # no frame is coded that much later than it is shown

Ticks = list[int | None]


def rate_of(stream: "VideoStream") -> float:
    """Frames a second on average, as stated."""
    return float(stream.average_rate or USUAL_RATE_HZ)


def stated_seconds(stream: "VideoStream") -> float:
    """The length that the stream states of itself, 0 where it states none."""
    return float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0


def find_start(container: "InputContainer", stream: "VideoStream") -> int:
    """When the first frame is shown, in the stream's own unit.

    A container that begins with its sound may state the sound's start for the video, too.
    """
    stated = stream.start_time or 0
    times = (packet.pts for packet in container.demux(stream) if packet.size)
    first = next((tick for tick in times if tick is not None), stated)
    apart_s = (first - stated) * float(stream.time_base or 0)
    return first if apart_s > _REORDERED_S else stated


def find_seconds(container: "InputContainer", stream: "VideoStream", start: int) -> float | None:
    """From the first frame's start to the last one's end, by the packets of the last seconds.

    None where the packets have no times, or the container cannot go to its end. The container is
    left at its end.
    """
    from av import FFmpegError

    base = float(stream.time_base or 0)
    span_s = max(stated_seconds(stream), _contained_s(container))
    usual, back = 1 / (rate_of(stream) * base), round(_REORDERED_S / base)
    ends: list[int] = []
    with suppress(FFmpegError):
        container.seek(start + round((span_s + _SPARE_S) / base), stream=stream)
        ends = _ends(container.demux(stream), usual)
        if ends:  # where there are no keyframes to go to, the last packet's is not the last frame
            container.seek(max(start, max(ends) - back), stream=stream)
            ends += _ends(container.demux(stream), usual)
    return (max(ends) - start) * base if ends and max(ends) > start else None


def read_ticks(container: "InputContainer", stream: "VideoStream", key: str) -> Ticks:
    """When each frame is shown, in the order of the file, from where the container stands.

    Frames that an edit list leaves out are none of them.

    Args:
        container: at its beginning.
        stream: whose frames.
        key: the video's name, for errors.

    Raises:
        DamagedSample: the file ends before its stated length.
    """
    ticks: Ticks = []
    there, times_s = 0, []
    for packet in container.demux():
        if packet.stream is stream and packet.size:
            there += 1
            ticks += [] if packet.is_discard else [packet.pts]
        if packet.pts is not None:
            times_s.append(float(packet.pts * packet.time_base))
    if _has_index(container, stream):
        short = there < len(stream.index_entries) * (1 - _SHORT)
    else:
        stated_s = stated_seconds(stream) or _contained_s(container)
        short = _ends_early(times_s, stated_s)
    if short:
        raise DamagedSample(key, TRUNCATED)
    return ticks


def _ends(packets: "Iterable[Packet[VideoStream]]", usual: float) -> list[int]:
    """The ends of frames that are shown."""
    shown = (packet for packet in packets if packet.size and not packet.is_discard)
    return [
        packet.pts + (packet.duration or round(usual)) for packet in shown if packet.pts is not None
    ]


def _contained_s(container: "InputContainer") -> float:
    return (container.duration or 0) / 1e6


def _has_index(container: "InputContainer", stream: "VideoStream") -> bool:
    """Whether an index that must be whole names every packet."""
    return "mp4" in container.format.name and stream.frames > 0 and len(stream.index_entries) > 0


def _ends_early(times_s: list[float], stated_s: float) -> bool:
    """Whether packets end long before a stated length, be that counted from 0 or from the first."""
    if not times_s:
        return False  # nothing says when they are shown, and the length was guessed
    first_s, last_s = min(times_s), max(times_s)
    span_s = stated_s - first_s if 0 < first_s < stated_s else stated_s
    return last_s - min(first_s, 0.0) < stated_s - _SHORT * span_s - _SPARE_S
