"""Generated 32×32 windows for the face and pose network: half of them faces, with yaw and roll.

``windows/000001.png`` and ``windows.csv``: ``path,label,split,yaw_deg,roll_deg``, label ``face`` or
``nonface``; what is no face has no angles. A face's middle is that of its window, its square three
quarters as wide (`striate.models.evaluation.detect_faces.FACE_SHARE`).
"""

import csv
import hashlib
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from striate.core.arrays import Pixels
from striate.core.errors import DataError, UsageError
from striate.core.files import explain_full_disk
from striate.core.text import decode_text
from striate.data.corpora.backgrounds import draw_background
from striate.data.corpora.face_drawing import FACE_SIDE, HEAD_SHARE, draw_face, place_of_face
from striate.data.corpora.face_person import draw_look, draw_person
from striate.data.corpora.hidden_files import list_visible
from striate.data.corpora.identities import spoil
from striate.data.corpora.scene_drawing import draw_scene
from striate.data.shards.schema import (
    FieldKind,
    LabelColumn,
    OpenCorpus,
    PayloadColumn,
    Sample,
    Skipped,
)
from striate.data.storage import Source

SIDE = 32
LIST, FOLDER = "windows.csv", "windows"
KINDS = ("nonface", "face")
DEFAULT_WINDOWS = 6000
HELD_OUT_EVERY = 5
_COLUMNS = ("path", "label", "split", "yaw_deg", "roll_deg")
_LEAST = 20
_UNIT = SIDE * 0.75 / FACE_SIDE  # half a head's height in a window, in pixels
_REMEDY = "Write the corpus again."


class Window(NamedTuple):
    """A window and what it shows; angles in degrees, not a number where there is no face."""

    pixels: Pixels
    yaw_deg: float = math.nan
    roll_deg: float = math.nan

    @property
    def is_face(self) -> bool:
        """Whether it shows a face."""
        return not math.isnan(self.yaw_deg)


class _Row(NamedTuple):
    path: str
    face: int
    size: int
    yaw_deg: float
    roll_deg: float


def write_poses(target: Path, size: int = DEFAULT_WINDOWS) -> None:
    """Write windows to the folder `target`; every fifth face and nonface is the split ``test``.

    The people of the test split are others than those of the training split.

    Args:
        target: the folder, new or empty.
        size: windows in all, half of them faces.

    Raises:
        UsageError: an odd number, or less than 20.
        PlatformError: the disk is full.
    """
    if size < _LEAST or size % 2:
        raise UsageError(f"{size} windows cannot be written.", "Give an even number from 20.")
    drawn = (draw_window(number) for number in range(size))
    splits = ("test" if number // 2 % HELD_OUT_EVERY == 0 else "train" for number in range(size))
    append_windows(target, zip(drawn, splits, strict=True))


def append_windows(target: Path, windows: Iterator[tuple[Window, str]]) -> int:
    """Add windows with their splits to a folder, which may be new; how many were added.

    So false positives that a detector found become windows to learn from.

    Raises:
        PlatformError: the disk is full.
    """
    (target / FOLDER).mkdir(parents=True, exist_ok=True)
    table = target / LIST
    first = len(list((target / FOLDER).iterdir()))
    lines = [] if table.exists() else [",".join(_COLUMNS)]
    count = 0
    with explain_full_disk(target):
        for window, split in windows:
            count += 1
            path = f"{FOLDER}/{first + count:06d}.png"
            out = io.BytesIO()
            Image.fromarray(window.pixels).save(out, "PNG")
            (target / path).write_bytes(out.getvalue())
            angles = [f"{one:.2f}" if window.is_face else "" for one in window[1:]]
            lines.append(",".join([path, KINDS[window.is_face], split, *angles]))
        with table.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
    return count


def draw_window(number: int) -> Window:
    """The window of a number, always the same one; even numbers are faces."""
    rng = np.random.Generator(np.random.Philox(key=[11, number]))
    return _face(rng, number // 2) if number % 2 == 0 else _nonface(rng)


def draw_faceless(number: int, height: int = 96, width: int = 128) -> Pixels:
    """(height, width, 3): an image without a face, for a detector to err in; by its number.

    Every other one is an outdoor scene of 96×128 pixels, whatever size is asked for.
    """
    rng = np.random.Generator(np.random.Philox(key=[13, number]))
    if number % 2:
        return draw_scene(rng).pixels
    pixels: Pixels = np.rint(draw_background(rng, height, width) * 255).astype(np.uint8)
    return pixels


def _face(rng: np.random.Generator, person: int) -> Window:
    """Yaw even over ±90°, roll over ±45°, as the paper's; a little off the middle and the size."""
    yaw, roll = rng.uniform(-np.pi / 2, np.pi / 2), rng.uniform(-np.pi / 4, np.pi / 4)
    off = rng.uniform(-1.3, 1.3, 2)
    pixels = _head(rng, person, (yaw, rng.normal(0, 0.12), roll), rng.uniform(0.88, 1.14), off)
    return Window(pixels, float(np.degrees(yaw)), float(np.degrees(roll)))


def _head(
    rng: np.random.Generator,
    person: int,
    pose: tuple[float, float, float],
    scale: float,
    off: NDArray[np.float64],
) -> Pixels:
    """(32, 32) grey: a head whose face's middle is so many pixels off the window's."""
    background = draw_background(rng, SIDE, SIDE)
    look = draw_look(rng, *pose)
    scale = scale * _UNIT / (HEAD_SHARE * SIDE)
    place = place_of_face(look, HEAD_SHARE * scale * SIDE)
    shift = (float(off[0] - place[0]) / SIDE, float(off[1] - place[1]) / SIDE)
    drawn = draw_face(draw_person(person, 5), look, background, scale=scale, shift=shift)
    return _grey(spoil(drawn.pixels, rng))


def _nonface(rng: np.random.Generator) -> Window:
    """Shapes, outdoor scenes, parts of heads, and heads of a wrong size, place or way up."""
    kind = rng.random()
    if kind < 0.35:
        zoom = int(rng.integers(1, 4))
        pixels = _grey(np.rint(draw_background(rng, SIDE * zoom, SIDE * zoom) * 255))
        return Window(_cut(pixels, rng))
    if kind < 0.6:
        return Window(_cut(_grey(draw_scene(rng).pixels), rng))
    pose = (rng.uniform(-1.5, 1.5), 0.0, rng.uniform(-0.7, 0.7))
    person = int(rng.integers(100_000, 200_000))
    turn = rng.uniform(0, 2 * np.pi)
    if kind < 0.8:  # beside a face
        off = rng.uniform(12, 26) * np.array([np.cos(turn), np.sin(turn)])
        return Window(_head(rng, person, pose, rng.uniform(0.7, 1.5), off))
    if kind < 0.93:  # too large or too small
        scale = rng.uniform(1.9, 3.5) if rng.random() < 0.6 else rng.uniform(0.25, 0.5)
        return Window(_head(rng, person, pose, scale, rng.uniform(-4, 4, 2)))
    upside_down = _head(rng, person, pose, 1.0, rng.uniform(-2, 2, 2))[::-1]
    return Window(np.ascontiguousarray(upside_down))


def _cut(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """A window at a random place, at full or half size."""
    if min(pixels.shape) >= 2 * SIDE and rng.random() < 0.5:
        height, width = (side // 2 * 2 for side in pixels.shape)
        halves = pixels[:height, :width].reshape(height // 2, 2, width // 2, 2)
        pixels = np.rint(halves.mean((1, 3))).astype(np.uint8)
    top, left = (int(rng.integers(0, side - SIDE + 1)) for side in pixels.shape)
    return np.ascontiguousarray(pixels[top : top + SIDE, left : left + SIDE])


def _grey(pixels: NDArray[np.number]) -> Pixels:
    grey: Pixels = np.rint(pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return grey


class Poses:
    """The windows of both splits, as raw pixels."""

    def __init__(self, source: Source, splits: Mapping[str, Sequence[_Row]], sha256: str) -> None:
        self.labels = KINDS
        self.payload = PayloadColumn.raw(1, SIDE, SIDE)
        self.label = LabelColumn()
        self.fields: dict[str, FieldKind] = {"yaw_deg": "float32", "roll_deg": "float32"}
        self.assets: dict[str, str] = {}
        self.source_sha256 = sha256
        self._source, self._splits = source, splits

    @property
    def item_bytes(self) -> dict[str, NDArray[np.int64]]:
        """Split → size of each window's file."""
        return {
            split: np.array([row.size for row in rows], np.int64)
            for split, rows in self._splits.items()
        }

    def read(self, split: str, start: int, stop: int) -> Iterator[Sample | Skipped]:
        """The windows ``start`` to ``stop`` of a split; angles are 0 where there is no face."""
        for number, row in enumerate(self._splits[split][start:stop], start):
            pixels = self._pixels(row.path)
            if isinstance(pixels, str):
                yield Skipped(number, pixels, row.path)
                continue
            fields = {"yaw_deg": row.yaw_deg, "roll_deg": row.roll_deg}
            yield Sample(number, pixels.tobytes(), row.face, row.path, fields)

    def _pixels(self, path: str) -> Pixels | str:
        try:
            image = Image.open(io.BytesIO(self._source.read(path)))
            pixels = np.asarray(image.convert("L"))
        except DataError:
            return "unreadable file"
        except (UnidentifiedImageError, OSError, SyntaxError):
            return "unreadable image"
        return pixels if pixels.shape == (SIDE, SIDE) else "another size than 32×32"


def open_poses(source: Source) -> OpenCorpus:
    """Find the windows of ``windows.csv``.

    Raises:
        DataError: there is no list, it is malformed or has no rows.
    """
    text = decode_text(source.read(LIST), source.named(LIST))
    sizes = {entry.path: entry.size for entry in list_visible(source, FOLDER, recursive=True)}
    splits: dict[str, list[_Row]] = {}
    reader = csv.DictReader(io.StringIO(text))
    if set(_COLUMNS) - set(reader.fieldnames or ()):
        raise DataError(f"{source.named(LIST)} lacks columns of {', '.join(_COLUMNS)}.", _REMEDY)
    for number, row in enumerate(reader, 2):
        try:
            face = KINDS.index(row["label"])
            angles = [float(row[name] or 0) for name in _COLUMNS[3:]]
        except ValueError:
            raise DataError(f"{source.named(LIST)} line {number} is malformed.", _REMEDY) from None
        entry = _Row(row["path"], face, sizes.get(row["path"], 0), *angles)
        splits.setdefault(row["split"], []).append(entry)
    if not splits:
        raise DataError(f"{source.named(LIST)} has no rows.", _REMEDY)
    known = hashlib.sha256(repr((text, sorted(sizes.items()))).encode()).hexdigest()
    return Poses(source, splits, known)
