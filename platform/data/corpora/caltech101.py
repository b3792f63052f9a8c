"""Caltech-101: one folder a class, ``BACKGROUND_Google`` among the 102.

``101_ObjectCategories/<class>/image_0001.jpg``. As in Jarrett et al. (ICCV 2009; as recalled) the
background counts as a class, 30 images a class are for training, and the rest for testing, scored
by the mean over classes.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import DataError
from striate.data.corpora.hidden_files import is_hidden
from striate.data.shards.schema import (
    FieldKind,
    LabelColumn,
    OpenCorpus,
    PayloadColumn,
    Sample,
    Skipped,
)
from striate.data.storage import ListedFile, Source
from striate.data.transforms.image.decode import is_image

TRAIN_A_CLASS = 30
SEED = 0
FOLDERS = ("101_ObjectCategories", "caltech-101/101_ObjectCategories", "")
BACKGROUND = "BACKGROUND_Google"
_REMEDY = "Name the folder that holds 101_ObjectCategories."


@dataclass(frozen=True)
class ClassImage:
    """One image, or what is wrong with one; `draw` is its place in the draw of its class."""

    path: str
    size: int
    label: int
    draw: int
    reason: str = ""


class Caltech101:
    """The images of both splits."""

    def __init__(
        self,
        source: Source,
        root: str,
        labels: tuple[str, ...],
        splits: Mapping[str, Sequence[ClassImage]],
        sha256: str,
    ) -> None:
        self.labels = labels
        self.source_sha256 = sha256
        self.payload = PayloadColumn(kind="image")
        self.label = LabelColumn()
        self.fields: dict[str, FieldKind] = {"draw": "int32"}
        self.assets: dict[str, str] = {}
        self._source, self._root, self._splits = source, root, splits

    @property
    def item_bytes(self) -> dict[str, NDArray[np.int64]]:
        """Split → size of each image."""
        return {
            split: np.array([item.size for item in items], np.int64)
            for split, items in self._splits.items()
        }

    def read(self, split: str, start: int, stop: int) -> Iterator[Sample | Skipped]:
        """The images ``start`` to ``stop`` of a split, as they are in their files."""
        for number, item in enumerate(self._splits[split][start:stop], start):
            key = str(PurePosixPath(item.path).relative_to(self._root))
            if item.reason:
                yield Skipped(number, item.reason, key)
                continue
            try:
                content = self._source.read(item.path)
            except DataError:
                yield Skipped(number, "unreadable file", key)
                continue
            yield Sample(number, content, item.label, key, {"draw": item.draw})


def open_caltech101(source: Source) -> OpenCorpus:
    """Find the images, and draw 30 of each class for training.

    The draw is a function of the names and a fixed seed, so an image more or less does not stir
    the others. The column ``draw`` numbers the images of a class: training images are 0 to 29, and
    a test on at most 30 a class takes those below 60.

    Raises:
        DataError: there are no folders of images.
    """
    root = next((name for name in FOLDERS if source.is_dir(name) and _classes(source, name)), None)
    if root is None:
        raise DataError(f"{source.name} has no folders of Caltech-101's images.", _REMEDY)
    labels = _classes(source, root)
    splits: dict[str, list[ClassImage]] = {"train": [], "test": []}
    digest = hashlib.sha256()
    for label, name in enumerate(labels):
        folder = f"{root}/{name}" if root else name
        entries = [entry for entry in source.list(folder) if not entry.is_dir]
        for entry in entries:
            digest.update(f"{entry.path}\0{entry.size}\n".encode())
        for item in draw_class(label, name, folder, entries):
            splits["test" if item.draw >= TRAIN_A_CLASS else "train"].append(item)
    if all(item.reason for items in splits.values() for item in items):
        raise DataError(f"{source.named(root)} holds no images.", _REMEDY)
    return Caltech101(source, root, labels, splits, digest.hexdigest())


def draw_class(
    label: int, name: str, folder: str, entries: Sequence[ListedFile]
) -> list[ClassImage]:
    """A class's images in the order of the seeded draw; then what is wrong with it.

    Args:
        label: its index.
        name: its name.
        folder: its place in the source.
        entries: the files there.
    """
    images = [entry for entry in entries if _is_visible(PurePosixPath(entry.path).name)]
    others = [entry for entry in entries if entry not in images]
    images.sort(key=lambda entry: _lot(name, PurePosixPath(entry.path).name))
    items = [ClassImage(entry.path, entry.size, label, draw) for draw, entry in enumerate(images)]
    items += [ClassImage(entry.path, 0, label, -1, "not an image") for entry in others]
    return items if images else [*items, ClassImage(folder, 0, label, -1, "missing class")]


def _classes(source: Source, root: str) -> tuple[str, ...]:
    other = ("Annotations", "101_")
    names = (PurePosixPath(e.path).name for e in source.list(root) if e.is_dir)
    return tuple(name for name in names if not (name.startswith(other) or is_hidden(name)))


def _is_visible(name: str) -> bool:
    return is_image(name) and not is_hidden(name)


def _lot(name: str, file: str) -> bytes:
    return hashlib.sha256(f"{SEED}/{name}/{file}".encode()).digest()
