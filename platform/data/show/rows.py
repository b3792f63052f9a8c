"""Samples out of shards to look at: as rows of a table, and as pictures by their kind."""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.core.arrays import Pixels
from striate.core.errors import StriateError, UsageError
from striate.core.files import explain_full_disk
from striate.data.shards.folder import ShardFolder
from striate.data.shards.manifest import Manifest
from striate.data.shards.schema import UNKNOWN, dense_classes
from striate.data.shards.shard import Shard
from striate.data.show.contact_sheet import Cell, contact_sheet, stack

SAMPLES_IN_PICTURE = {"raw": 40, "image": 40, "video": 6, "audio": 3, "text": 4}
_SHARDS_IN_PICTURE = 4
_FRAMES_IN_STRIP = 8
_TEXT_SHOWN = 200
_WNID = re.compile(r"^n\d{8} ")  # before the words of an ImageNet class; the key has it too


@dataclass(frozen=True)
class SampleRow:
    """A row of a split.

    Attributes:
        number: its global row id in the split.
        shard: where it lies.
        at: its row in that shard.
    """

    number: int
    shard: Shard
    at: int


def rows(folder: ShardFolder, split: str, start: int, count: int) -> Iterator[SampleRow]:
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
                yield SampleRow(first + at, shard, at)
        first += entry.rows


def spread_rows(folder: ShardFolder, split: str, count: int) -> Iterator[SampleRow]:
    """At most `count` rows from all over a split, out of a few shards: the rest is not read."""
    entries = [entry for entry in folder.manifest.split_shards(split) if entry.rows]
    starts = np.cumsum([0, *(entry.rows for entry in entries)])
    chosen = _evenly(len(entries), min(_SHARDS_IN_PICTURE, len(entries)))
    for part, index in enumerate(chosen):
        entry = entries[index]
        wanted = count // len(chosen) + (part < count % len(chosen))
        shard = folder.open(entry)
        for at in _evenly(entry.rows, min(wanted, entry.rows)):
            yield SampleRow(int(starts[index]) + at, shard, at)


def describe_row(row: SampleRow, manifest: Manifest) -> dict[str, Any]:
    """A row for people: its key, label in words, size, and further columns."""
    shard = row.shard
    payload = shard.payload(row.at)
    columns = manifest.columns.payload
    text = {columns.name or "text": _start_of(payload)} if columns.kind == "text" else {}
    return {
        "row": row.number,
        "key": shard.key(row.at),
        "label": label_text(shard, row.at, manifest.labels),
        "bytes": len(payload),
        **text,
        **{name: _rounded(value) for name, value in shard.fields(row.at).items()},
    }


def label_text(shard: Shard, at: int, names: tuple[str, ...]) -> str:
    """A label in words: class names, or how many frames or pixels have how many."""
    kind = shard.columns.label.kind
    label = shard.label(at)
    if isinstance(label, int):
        return "" if kind == "none" else names[label]
    values = dense_classes(label) if isinstance(label, memoryview) else label
    known = np.unique(values[values != UNKNOWN]).tolist()
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
    with explain_full_disk(path):
        _DRAWINGS[kind](title, chosen, manifest, path)
    return len(chosen)


def _draw_images(title: str, chosen: list[SampleRow], manifest: Manifest, path: Path) -> None:
    cells = []
    for row in chosen:
        label = _WNID.sub("", label_text(row.shard, row.at, manifest.labels))
        key = row.shard.key(row.at)
        image = _unless_damaged(partial(image_of, row))
        cells.append(Cell(image, (label, key) if key else (label,)))
        if manifest.columns.label.kind == "dense" and image is not None:
            classes = row.shard.dense_label(row.at).reshape(image.shape[:2])
            regions = colour_regions(classes, len(manifest.labels))
            cells.append(Cell(regions, ("", "labels")))
    contact_sheet(title, cells).save(path)


def image_of(row: SampleRow) -> Pixels:
    """A row's image, (height, width, 1 or 3) uint8, of raw pixels or an encoded photograph.

    Raises:
        RequestError: it cannot be decoded.
    """
    from striate.data.transforms.image.decode import decode_image

    if row.shard.columns.payload.kind == "raw":
        return np.ascontiguousarray(row.shard.images[row.at].transpose(1, 2, 0))
    return decode_image(bytes(row.shard.payload(row.at)))


def colour_regions(classes: NDArray[Any], count: int) -> Pixels:
    """(height, width) classes in colours, unknown pixels, −1, black."""
    regions: Pixels = class_colours(count)[classes]
    return regions


def class_colours(count: int) -> Pixels:
    """(count + 1, 3): a colour for each class, and black for what is unknown."""
    from matplotlib import colormaps

    table = colormaps["tab10" if count <= 10 else "tab20"](np.arange(count))[:, :3]
    return np.concatenate([np.rint(table * 255).astype(np.uint8), np.zeros((1, 3), np.uint8)])


def _draw_clips(title: str, chosen: list[SampleRow], manifest: Manifest, path: Path) -> None:
    from striate.data.show.film import film_strip

    strips = []
    for row in chosen:
        payload, key = row.shard.payload(row.at), row.shard.key(row.at)
        strip = _unless_damaged(partial(film_strip, payload, _FRAMES_IN_STRIP, key=key))
        strips.append((f"{label_text(row.shard, row.at, manifest.labels)} · {key}", strip))
    stack(title, strips).save(path)


def _draw_sounds(title: str, chosen: list[SampleRow], manifest: Manifest, path: Path) -> None:
    sounds = []
    for row in chosen:
        picture = _unless_damaged(partial(_sound, row, manifest))
        sounds.append((row.shard.key(row.at), picture))
    stack(title, sounds).save(path)


def _draw_texts(title: str, chosen: list[SampleRow], _manifest: Manifest, path: Path) -> None:
    from striate.data.show.text_page import text_page

    pages = [(row.shard.key(row.at), text_page(row.shard.payload(row.at))) for row in chosen]
    stack(title, pages).save(path)


def _sound(row: SampleRow, manifest: Manifest) -> Image.Image:
    from striate.data.show.spectrogram import speech_picture

    shard, label = row.shard, row.shard.label(row.at)
    content = speech_picture(
        shard.payload(row.at),
        title=f"row {row.number}",
        names=manifest.labels,
        label=label.tolist() if isinstance(label, np.ndarray) else None,
        fields=shard.fields(row.at),
    )
    return Image.open(io.BytesIO(content))


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


def _start_of(text: memoryview) -> str:
    """What fits a row of a table."""
    start = bytes(text[: 4 * _TEXT_SHOWN]).decode("utf-8", "ignore")
    return start if len(start) <= _TEXT_SHOWN else f"{start[: _TEXT_SHOWN - 1]}…"


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value


_DRAWINGS: dict[str, Callable[[str, list[SampleRow], Manifest, Path], None]] = {
    "raw": _draw_images,
    "image": _draw_images,
    "video": _draw_clips,
    "audio": _draw_sounds,
    "text": _draw_texts,
}
