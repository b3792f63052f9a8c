"""CelebA: ``img_align_celeba/000001.jpg`` and its lists of identities, splits and landmarks.

Liu, Luo, Wang, Tang, "Deep learning face attributes in the wild", ICCV 2015; the layout as
torchvision's `celeba.py` reads it. Besides the published lists, two more are read where they are:
``list_landmarks_67.txt`` (67 points a picture) and ``list_pose.txt`` (yaw, pitch and roll in
degrees), both with the published landmarks' two head lines, and LFW's ``pairs.txt``, whose names
are identities and whose numbers count the identity's pictures from 1 in the order of their names.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import DataError
from striate.core.text import decode_text, numbered_lines
from striate.data.corpora.hidden_files import list_visible
from striate.data.shards.schema import (
    FieldKind,
    LabelColumn,
    OpenCorpus,
    PayloadColumn,
    Sample,
    Skipped,
)
from striate.data.storage import Source
from striate.data.transforms.image.align import six_of

IMAGES = "img_align_celeba"
IDENTITIES = "identity_CelebA.txt"
PARTITION = "list_eval_partition.txt"
LANDMARKS = "list_landmarks_align_celeba.txt"
LANDMARKS_67 = "list_landmarks_67.txt"
POSES = "list_pose.txt"
PAIRS = "pairs.txt"
HELD_OUT_SHARE = 0.05
"""Of each trained person's pictures, the last ones: the split ``val``, as DeepFace's own (5 %)."""

_FEWEST = 4  # pictures of which one is held out
_NOT_ON_LIST = "no identity"
_NO_LANDMARKS = "no landmarks"
_REMEDY = "Fetch the file again."


class Picture(NamedTuple):
    """One picture: its file name, size in bytes, whose it is and its number among theirs from 1."""

    name: str
    size: int
    person: int
    number: int
    reason: str = ""


class CelebA:
    """The pictures with the identity as label, and the landmarks as columns."""

    def __init__(
        self,
        source: Source,
        people: Sequence[int],
        splits: Mapping[str, Sequence[Picture]],
        columns: Mapping[str, Mapping[str, list[float]]],
        assets: Mapping[str, str],
    ) -> None:
        self.labels = tuple(str(person) for person in people)
        self.payload = PayloadColumn(kind="image")
        self.label = LabelColumn()
        self.fields: dict[str, FieldKind] = {"number": "int32"}
        self.fields |= dict.fromkeys(columns, "list<float32>")
        self.assets = dict(assets)
        self._index = {person: index for index, person in enumerate(people)}
        self._source, self._splits, self._columns = source, splits, columns

    @property
    def item_bytes(self) -> dict[str, NDArray[np.int64]]:
        """Split → size of each picture."""
        return {
            split: np.array([one.size for one in pictures], np.int64)
            for split, pictures in self._splits.items()
        }

    @property
    def source_sha256(self) -> str:
        """A hash over names, sizes and lists."""
        known = (sorted((k, list(v)) for k, v in self._splits.items()), sorted(self.assets.items()))
        return hashlib.sha256(repr((known, self._columns)).encode()).hexdigest()

    def read(self, split: str, start: int, stop: int) -> Iterator[Sample | Skipped]:
        """The pictures ``start`` to ``stop`` of a split, as they are in their files."""
        for number, one in enumerate(self._splits[split][start:stop], start):
            missing = any(one.name not in column for column in self._columns.values())
            if reason := one.reason or (_NO_LANDMARKS if missing else ""):
                yield Skipped(number, reason, one.name)
                continue
            try:
                content = self._source.read(f"{IMAGES}/{one.name}")
            except DataError:
                yield Skipped(number, "unreadable file", one.name)
                continue
            fields: dict[str, object] = {"number": one.number}
            fields |= {name: column[one.name] for name, column in self._columns.items()}
            yield Sample(number, content, self._index[one.person], one.name, fields)


def open_celeba(source: Source) -> OpenCorpus:
    """Find the pictures and hold the lists against them.

    People of the published partitions 1 and 2 are the split ``test``: nobody trains on them, and
    pairs of them are for verification. Of the others, the last twentieth of each one's pictures,
    at least one of four, is the split ``val``, and the rest ``train``. Columns: ``six``, the six
    points of a similarity (both eyes, the nose's tip, left, middle and right of the mouth; the
    middle is that of the corners where only the five published ones are known), ``landmarks``
    (67 points) and ``pose`` (yaw, pitch, roll in degrees) where their lists are; x before y, in
    pixels.

    Raises:
        DataError: there are no pictures, or a list is missing or malformed.
    """
    if not source.is_dir(IMAGES):
        raise DataError(
            f"{source.name} has no folder {IMAGES} of images.",
            "Name the folder that holds it and its lists.",
        )
    whose = {name: int(row[0]) for name, row in _table(source, IDENTITIES, 1).items()}
    partition = {name: int(row[0]) for name, row in _table(source, PARTITION, 1).items()}
    pictures = _pictures(source, whose)
    if not any(not one.reason for one in pictures):
        raise DataError(f"{source.named(IMAGES)} holds no pictures that are on {IDENTITIES}.")
    splits: dict[str, list[Picture]] = {"train": [], "val": [], "test": []}
    counts: dict[int, int] = {}
    for one in pictures:
        counts[one.person] = max(counts.get(one.person, 0), one.number)
    for one in pictures:
        splits[_split(one, partition, counts[one.person])].append(one)
    people = sorted({one.person for one in pictures if not one.reason})
    kept = {name: found for name, found in splits.items() if found}
    assets = {}
    if source.exists(PAIRS):
        assets[PAIRS] = decode_text(source.read(PAIRS), source.named(PAIRS))
    return CelebA(source, people, kept, _columns(source), assets)


def _split(picture: Picture, partition: Mapping[str, int], count: int) -> str:
    if partition.get(picture.name, 0):
        return "test"
    held_out = max(1, round(count * HELD_OUT_SHARE)) if count >= _FEWEST else 0
    return "val" if picture.number > count - held_out else "train"


def _pictures(source: Source, whose: Mapping[str, int]) -> list[Picture]:
    """In the order of their names, each numbered among its person's."""
    found, seen = [], dict.fromkeys(whose.values(), 0)
    skip = len(IMAGES) + 1
    for entry in list_visible(source, IMAGES, recursive=True):
        name = entry.path[skip:]
        if name not in whose:
            found.append(Picture(name, entry.size, -1, 0, _NOT_ON_LIST))
            continue
        seen[whose[name]] += 1
        found.append(Picture(name, entry.size, whose[name], seen[whose[name]]))
    return found


def _columns(source: Source) -> dict[str, dict[str, list[float]]]:
    """Column → picture → numbers."""
    columns: dict[str, dict[str, list[float]]] = {}
    if source.exists(LANDMARKS_67):
        columns["landmarks"] = _table(source, LANDMARKS_67, 134, head=2)
        columns["six"] = {name: _six_of_67(row) for name, row in columns["landmarks"].items()}
    elif source.exists(LANDMARKS):
        five = _table(source, LANDMARKS, 10, head=2)
        columns["six"] = {name: _six_of_5(row) for name, row in five.items()}
    if source.exists(POSES):
        columns["pose"] = _table(source, POSES, 3, head=2)
    return columns


def _six_of_5(row: list[float]) -> list[float]:
    left, right = row[6:8], row[8:10]
    middle = [(a + b) / 2 for a, b in zip(left, right, strict=True)]
    return [*row[:6], *left, *middle, *right]


def _six_of_67(row: list[float]) -> list[float]:
    points = np.array(row).reshape(67, 2)
    return [float(number) for number in six_of(points).ravel()]


def _table(source: Source, name: str, numbers: int, head: int = 0) -> dict[str, list[float]]:
    """Picture → numbers, of a list whose lines are a name and so many numbers.

    Raises:
        DataError: it is missing or malformed; the message names the line.
    """
    text = decode_text(source.read(name), source.named(name))
    rows: dict[str, list[float]] = {}
    for number, line in numbered_lines(text)[head:]:
        picture, *parts = line.split()
        try:
            values = [float(part) for part in parts]
        except ValueError:
            values = []
        if len(values) != numbers:
            raise DataError(
                f"{source.named(name)} line {number} is not a picture and {numbers} numbers.",
                _REMEDY,
            )
        rows[picture] = values
    return rows
