"""Samples out of shards to look at: as rows of a table, and as pictures by their kind."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from striate.core.errors import StriateError, UsageError
from striate.core.files import said_when_full
from striate.data.contact_sheet import Cell, Pixels, Strip, contact_sheet, film_strips
from striate.data.folder import ShardFolder
from striate.data.manifest import Manifest
from striate.data.shards import Shard
from striate.data.sound_picture import Segment, Sound, sound_picture

SAMPLES_IN_PICTURE = {"raw": 40, "image": 40, "video": 6, "audio": 3}
_SHARDS_IN_PICTURE = 4
_FRAMES_IN_STRIP = 8
_UNKNOWN = -1


@dataclass(frozen=True)
class Row:
    """A row of a split.

    Attributes:
        number: its global row id in the split.
        shard: where it lies.
        at: its row in that shard.
    """

    number: int
    shard: Shard
    at: int


def rows(folder: ShardFolder, split: str, start: int, count: int) -> Iterator[Row]:
    """The rows from `start` on, at most `count` of them.

    Raises:
        UnknownName: there is no such split.
        DataError: a shard is missing or damaged.
    """
    first, stop = 0, start + count
    for entry in folder.manifest.split_shards(split):
        if first < stop and first + entry.rows > start:
            shard = folder.open(entry)
            for at in range(max(0, start - first), min(entry.rows, stop - first)):
                yield Row(first + at, shard, at)
        first += entry.rows


def spread_rows(folder: ShardFolder, split: str, count: int) -> Iterator[Row]:
    """At most `count` rows from all over a split, out of a few shards: the rest is not read."""
    entries = [entry for entry in folder.manifest.split_shards(split) if entry.rows]
    starts = np.cumsum([0, *(entry.rows for entry in entries)])
    chosen = _evenly(len(entries), min(_SHARDS_IN_PICTURE, len(entries)))
    for part, index in enumerate(chosen):
        entry = entries[index]
        wanted = count // len(chosen) + (part < count % len(chosen))
        shard = folder.open(entry)
        for at in _evenly(entry.rows, min(wanted, entry.rows)):
            yield Row(int(starts[index]) + at, shard, at)


def described(row: Row, manifest: Manifest) -> dict[str, Any]:
    """A row for people: its key, label in words, size, and further columns."""
    shard = row.shard
    return {
        "row": row.number,
        "key": shard.key(row.at),
        "label": label_text(shard, row.at, manifest.labels),
        "bytes": len(shard.payload(row.at)),
        **{name: _rounded(value) for name, value in shard.fields(row.at).items()},
    }


def label_text(shard: Shard, at: int, names: tuple[str, ...]) -> str:
    """A label in words: class names, or how many frames or pixels have how many."""
    kind = shard.columns.label.kind
    label = shard.label(at)
    if isinstance(label, int):
        return "" if kind == "none" else names[label]
    values = np.frombuffer(label, "<i2") if isinstance(label, memoryview) else label
    known = np.unique(values[values != _UNKNOWN]).tolist()
    if kind == "multi":
        return ", ".join(names[value] for value in known)
    return f"{len(values):,} {'frames' if kind == 'frames' else 'pixels'}, {len(known)} classes"


def draw(folder: ShardFolder, split: str, count: int | None, path: Path) -> int:
    """Write a picture of a split: contact sheet, film strips, or waves with spectrograms.

    Args:
        folder: the shards.
        split: name of the split.
        count: samples in it; what fits well when None.
        path: a PNG file.

    Returns:
        Samples drawn.

    Raises:
        UsageError: the file's name does not end in .png, or a package for the kind is missing.
        DataError: a shard is missing or damaged. A damaged sample is drawn as such.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"The picture {path} is no PNG file.", "Name a file that ends in .png.")
    kind = folder.manifest.columns.payload.kind
    chosen = list(spread_rows(folder, split, count or SAMPLES_IN_PICTURE[kind]))
    manifest = folder.manifest
    title = f"{manifest.corpus} · {split} · {len(chosen)} of {manifest.rows(split):,} samples"
    path.parent.mkdir(parents=True, exist_ok=True)
    with said_when_full(path):
        _DRAWINGS[kind](title, chosen, manifest, path)
    return len(chosen)


def _draw_images(title: str, chosen: list[Row], manifest: Manifest, path: Path) -> None:
    cells = []
    for row in chosen:
        label = label_text(row.shard, row.at, manifest.labels)
        key = row.shard.key(row.at)
        image = _unless_damaged(lambda row=row: _image(row))  # type: ignore[misc]
        cells.append(Cell(image, (label, key) if key else (label,)))
        if manifest.columns.label.kind == "dense" and image is not None:
            cells.append(Cell(_regions(row, image, len(manifest.labels)), ("", "labels")))
    contact_sheet(title, cells).save(path)


def _image(row: Row) -> Pixels:
    from striate.data.transforms.decode import decode_image

    if row.shard.columns.payload.kind == "raw":
        return np.ascontiguousarray(row.shard.images[row.at].transpose(1, 2, 0))
    return decode_image(bytes(row.shard.payload(row.at)))


def _regions(row: Row, image: Pixels, classes: int) -> Pixels:
    """A dense label in colours, unknown pixels black."""
    from matplotlib import colormaps

    values = np.frombuffer(row.shard.label(row.at), "<i2").reshape(image.shape[:2])  # type: ignore[arg-type]
    table = colormaps["tab10" if classes <= 10 else "tab20"](np.arange(classes))[:, :3]
    colours = np.concatenate([np.rint(table * 255).astype(np.uint8), np.zeros((1, 3), np.uint8)])
    regions: Pixels = colours[values]
    return regions


def _draw_clips(title: str, chosen: list[Row], manifest: Manifest, path: Path) -> None:
    strips = []
    for row in chosen:
        frames, times = _unless_damaged(lambda row=row: _frames(row)) or (None, ())  # type: ignore[misc]
        label = label_text(row.shard, row.at, manifest.labels)
        strips.append(Strip(frames, times, f"{label} · {row.shard.key(row.at)}"))
    film_strips(title, strips).save(path)


def _frames(row: Row) -> tuple[Pixels, tuple[float, ...]]:
    """Frames at even distances over the whole video."""
    from striate.data.transforms.clips import decode_clip
    from striate.data.transforms.video import describe

    payload, key = row.shard.payload(row.at), row.shard.key(row.at)
    info = describe(payload, key)
    times = tuple(info.seconds * at / _FRAMES_IN_STRIP for at in range(_FRAMES_IN_STRIP))
    height = min(info.height, 192)
    width = round(info.width * height / info.height)
    frames = [decode_clip(payload, time, 1, height=height, width=width, key=key) for time in times]
    return np.concatenate(frames), times


def _draw_sounds(title: str, chosen: list[Row], manifest: Manifest, path: Path) -> None:
    found = (_unless_damaged(lambda row=row: _sound(row, manifest)) for row in chosen)  # type: ignore[misc]
    sound_picture(title, [sound for sound in found if sound is not None]).savefig(path, dpi=110)


def _sound(row: Row, manifest: Manifest) -> Sound:
    import torch

    from striate.data.transforms.frames import FRAME_S
    from striate.data.transforms.sound import RATE_HZ, load_mono
    from striate.data.transforms.speech import log_mel

    samples = load_mono(row.shard.payload(row.at))
    fields = row.shard.fields(row.at)
    said = " · ".join(str(fields[name]) for name in ("speaker", "text") if fields.get(name))
    return Sound(
        samples=samples,
        rate_hz=RATE_HZ,
        features=log_mel(torch.from_numpy(samples)).numpy(),
        frame_s=FRAME_S,
        segments=_segments(row, fields, manifest.labels),
        title=" · ".join(part for part in (row.shard.key(row.at), said) if part),
    )


def _segments(row: Row, fields: Mapping[str, Any], names: tuple[str, ...]) -> tuple[Segment, ...]:
    """Phones with their times; else words; else runs of the same state."""
    for kind in ("phone", "word"):
        columns = (fields.get(f"{kind}{part}") for part in ("s", "_starts_s", "_ends_s"))
        lists = [column for column in columns if column]
        if len(lists) == 3:
            return tuple(Segment(*values) for values in zip(*lists, strict=True))
    label, frame_s = row.shard.label(row.at), row.shard.columns.label.frame_s
    if not isinstance(label, np.ndarray) or not len(label) or frame_s is None:
        return ()
    cuts = [0, *(np.flatnonzero(np.diff(label)) + 1).tolist(), len(label)]
    runs = itertools.pairwise(cuts)
    return tuple(Segment(names[label[a]], a * frame_s, b * frame_s) for a, b in runs)


def _unless_damaged(make: Callable[[], Any]) -> Any:
    """What `make` gives, or None for a sample that cannot be decoded."""
    try:
        return make()
    except UsageError:
        raise  # a package is missing: that holds for every sample
    except StriateError:
        return None


def _evenly(count: int, wanted: int) -> list[int]:
    """`wanted` different numbers below `count`, evenly spread."""
    return [(2 * at + 1) * count // (2 * wanted) for at in range(wanted)]


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value


_DRAWINGS: dict[str, Callable[[str, list[Row], Manifest, Path], None]] = {
    "raw": _draw_images,
    "image": _draw_images,
    "video": _draw_clips,
    "audio": _draw_sounds,
}
