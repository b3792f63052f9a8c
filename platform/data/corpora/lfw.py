"""Labeled Faces in the Wild: ``lfw/<Name>/<Name>_0001.jpg`` and its lists.

Source of the layout: torchvision, `lfw.py`.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import DataError
from striate.core.text import decode_text
from striate.data.corpora.hidden_files import is_hidden
from striate.data.corpora.lfw_lists import image_key, read_pairs, read_people
from striate.data.shards.schema import (
    FieldKind,
    LabelColumn,
    OpenCorpus,
    PayloadColumn,
    Sample,
    Skipped,
)
from striate.data.storage import Source

FOLDERS = ("lfw", "lfw-deepfunneled", "lfw_funneled")
PAIR_LISTS = ("pairs.txt", "pairsDevTrain.txt", "pairsDevTest.txt")
PEOPLE_LISTS = ("people.txt", "peopleDevTrain.txt", "peopleDevTest.txt")
NOT_AN_IMAGE = "not an image"
MISSING = "image on a list is missing"
_REMEDY = "Name the folder that holds lfw and its lists."

Split = Callable[[str], str]
People = Mapping[str, Mapping[str, tuple[int, int]]]


class FaceImage(NamedTuple):
    """One image, or what is wrong with one."""

    key: str
    size: int
    reason: str = ""
    path: str = ""


class Lfw:
    """The images with the person shown as label; the lists go along as assets."""

    def __init__(
        self,
        source: Source,
        root: str,
        labels: tuple[str, ...],
        splits: Mapping[str, Sequence[FaceImage]],
        folds: Mapping[str, int],
        assets: Mapping[str, str],
    ) -> None:
        self.labels = labels
        self.payload = PayloadColumn(kind="image")
        self.label = LabelColumn()
        self.fields: dict[str, FieldKind] = {"fold": "int32"}
        self.assets = dict(assets)
        self._index = {name: index for index, name in enumerate(labels)}
        self._source, self._root, self._splits, self._folds = source, root, splits, folds

    @property
    def item_bytes(self) -> dict[str, NDArray[np.int64]]:
        """Split → size of each image."""
        return {
            split: np.array([item.size for item in items], np.int64)
            for split, items in self._splits.items()
        }

    @property
    def source_sha256(self) -> str:
        """A hash over names, sizes and lists."""
        known = (sorted((k, list(v)) for k, v in self._splits.items()), sorted(self.assets.items()))
        return hashlib.sha256(repr(known).encode()).hexdigest()

    def read(self, split: str, start: int, stop: int) -> Iterator[Sample | Skipped]:
        """The images ``start`` to ``stop`` of a split, as they are in their files."""
        for number, item in enumerate(self._splits[split][start:stop], start):
            if item.reason:
                yield Skipped(number, item.reason, item.key)
                continue
            name = item.key.partition("/")[0]
            try:
                content = self._source.read(f"{self._root}/{item.path}")
            except DataError:
                yield Skipped(number, "unreadable file", item.key)
                continue
            fields = {"fold": self._folds.get(name, -1)}
            yield Sample(number, content, self._index[name], item.key, fields)


def open_lfw(source: Source) -> OpenCorpus:
    """Find the images and hold the lists against them.

    People of ``peopleDevTrain.txt`` are the split ``train`` and all others ``test``; without
    that list every image is for testing, as in the published protocol. The column ``fold`` is the
    person's place in ``people.txt``, from 0, or −1. Images that a list names and that are not
    there are counted; the lists themselves become assets, as they are.

    Raises:
        DataError: there are no images, or a list is malformed; the message names the line.
    """
    lists, people = read_lists(source)
    development = people.get("peopleDevTrain.txt", {})
    folds = {name: fold for name, (fold, _) in people.get("people.txt", {}).items()}
    return gather_faces(
        source, lists, people, folds, lambda key: "train" if _person(key) in development else "test"
    )


def gather_faces(
    source: Source,
    lists: Mapping[str, str],
    people: People,
    folds: Mapping[str, int],
    split_of: Split,
) -> Lfw:
    """The images of a tree in LFW's layout.

    Args:
        source: the place.
        lists: file name → text of the lists there.
        people: file name → what `read_people` found.
        folds: person → fold.
        split_of: the split of an image, by its key.

    Raises:
        DataError: there are no images, or a list of pairs is malformed.
    """
    root = next((name for name in FOLDERS if source.is_dir(name)), None)
    if root is None:
        raise DataError(f"{source.name} has no folder {FOLDERS[0]} of images.", _REMEDY)
    found = _items(source, root)
    labels = tuple(sorted({_person(item.key) for item in found if not item.reason}))
    if not labels:
        raise DataError(f"{source.named(root)} holds no images.", _REMEDY)
    keys = {item.key for item in found if not item.reason}
    absent = [FaceImage(key, 0, MISSING) for key in sorted(_listed(source, lists, people) - keys)]
    splits: dict[str, list[FaceImage]] = {"train": [], "test": []}
    for item in [*found, *absent]:
        splits[split_of(item.key)].append(item)
    kept = {name: items for name, items in splits.items() if items}
    return Lfw(source, root, labels, kept, folds, lists)


def read_lists(source: Source) -> tuple[dict[str, str], People]:
    """File name → text of the lists that are there, and the people on them.

    Raises:
        DataError: a list is malformed, or no text.
    """
    lists = {}
    for name in (*PAIR_LISTS, *PEOPLE_LISTS):
        if source.exists(name):
            lists[name] = decode_text(source.read(name), source.named(name))
    people = {
        name: read_people(text, source.named(name))
        for name, text in lists.items()
        if name in PEOPLE_LISTS
    }
    return lists, people


def _listed(source: Source, lists: Mapping[str, str], people: People) -> set[str]:
    """The keys of all images that a list names."""
    keys = set()
    for name in PAIR_LISTS:
        if name in lists:
            for pair in read_pairs(lists[name], source.named(name)):
                keys |= {pair.first, pair.second}
    for counted in people.values():
        for name, (_, images) in counted.items():
            keys |= {image_key(name, number) for number in range(1, images + 1)}
    return keys


def _items(source: Source, root: str) -> list[FaceImage]:
    skip = len(root) + 1
    items = []
    for entry in source.list(root, recursive=True):
        if not entry.is_dir:
            key = entry.path[skip:]
            stem, _, ending = key.rpartition(".")
            image = ending.lower() == "jpg" and len(PurePosixPath(key).parts) == 2
            image = image and not is_hidden(key)
            named = f"{stem}.jpg" if image else key  # as the lists name it
            items.append(FaceImage(named, entry.size, "" if image else NOT_AN_IMAGE, key))
    return items


def _person(key: str) -> str:
    return key.partition("/")[0]
