"""Stanford Background: 715 outdoor scenes, a class for each pixel (``iccv09Data``).

``iccv09Data/images/<id>.jpg`` and ``iccv09Data/labels/<id>.regions.txt``, a line of whole numbers
for each row of pixels, 0 to 7, and −1 where nobody knows. −1 stays −1: cast to uint8, as public
loaders do, it would become the class 255.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import DataError, RequestError
from striate.core.text import decode_text, text_lines, wide_encoding
from striate.data.corpora.hidden_files import list_visible
from striate.data.shards.schema import (
    UNKNOWN,
    FieldKind,
    LabelColumn,
    OpenCorpus,
    PayloadColumn,
    Sample,
    Skipped,
)
from striate.data.storage import Source
from striate.data.transforms.image.decode import is_image, read_header

CLASSES = (
    "sky",
    "tree",
    "road",
    "grass",
    "water",
    "building",
    "mountain",
    "foreground object",
)
FOLDS = 5
SEED = 0
FOLDERS = ("iccv09Data/", "")
HORIZONS = "horizons.txt"
REGIONS = ".regions.txt"
_REMEDY = "Name the folder that holds iccv09Data."


class Scene(NamedTuple):
    """One picture, or what is wrong with one."""

    image: str
    labels: str
    size: int
    fold: int
    reason: str = ""


class Stanford:
    """The scenes of both splits; `fold` lets other splits be made of them."""

    def __init__(
        self, source: Source, scenes: Sequence[Scene], sha256: str, horizons: str | None
    ) -> None:
        self.labels = CLASSES
        self.source_sha256 = sha256
        self.payload = PayloadColumn(kind="image")
        self.label = LabelColumn(kind="dense")
        self.fields: dict[str, FieldKind] = {"height": "int32", "width": "int32", "fold": "int32"}
        self.assets = {} if horizons is None else {HORIZONS: horizons}
        self._source = source
        self._splits = {
            "train": [scene for scene in scenes if scene.fold != 0],
            "test": [scene for scene in scenes if scene.fold == 0],
        }

    @property
    def item_bytes(self) -> dict[str, NDArray[np.int64]]:
        """Split → size of each image."""
        return {
            split: np.array([scene.size for scene in scenes], np.int64)
            for split, scenes in self._splits.items()
        }

    def read(self, split: str, start: int, stop: int) -> Iterator[Sample | Skipped]:
        """The scenes ``start`` to ``stop`` of a split; labels are int16, row by row."""
        for number, scene in enumerate(self._splits[split][start:stop], start):
            yield self._scene(number, scene)

    def _scene(self, number: int, scene: Scene) -> Sample | Skipped:
        key = scene.image.rpartition("/")[2]
        if scene.reason:
            return Skipped(number, scene.reason, key)
        try:
            content = self._source.read(scene.image)
            text = self._source.read(scene.labels)
        except DataError:
            return Skipped(number, "unreadable file", key)
        if not content:
            return Skipped(number, "empty file", key)
        regions = decode_regions(text)
        if isinstance(regions, str):
            return Skipped(number, regions, key)
        try:
            encoded, orientation = read_header(content)
        except RequestError:
            return Skipped(number, "unreadable image", key)
        turned = _turned(regions, encoded, orientation)
        if turned is None:
            return Skipped(number, "labels and image differ in size", key)
        height, width = turned.shape
        fields = {"height": height, "width": width, "fold": scene.fold}
        return Sample(number, content, turned.tobytes(), key, fields)


def open_stanford(source: Source) -> OpenCorpus:
    """Find the images and their labels, and draw five folds.

    The folds, of 143 scenes each, are drawn by a fixed seed; fold 0 is the split ``test``. An
    image without labels, or labels without an image, is counted.

    Raises:
        DataError: there are no images.
    """
    root = next((root for root in FOLDERS if source.is_dir(f"{root}images")), None)
    if root is None or not source.is_dir(f"{root}labels"):
        raise DataError(f"{source.name} has no folders images and labels.", _REMEDY)
    entries = list_visible(source, f"{root}images")
    labels = list_visible(source, f"{root}labels")
    digest = hashlib.sha256()
    for entry in (*entries, *labels):
        digest.update(f"{entry.path}\0{entry.size}\n".encode())
    regions = [entry.path for entry in labels if entry.path.lower().endswith(REGIONS)]
    named = {PurePosixPath(path).name.partition(".")[0]: path for path in regions}
    images = [e for e in entries if is_image(e.path)]
    if not images:
        raise DataError(f"{source.named(f'{root}images')} holds no images.", _REMEDY)
    ids = [PurePosixPath(entry.path).stem for entry in images]
    fold_of = folds(sorted(set(ids) & named.keys()))
    scenes = []
    seen: set[str] = set()
    for name, entry in zip(ids, images, strict=True):
        reason = "duplicated key" if name in seen else "" if name in named else "no labels"
        seen.add(name)
        fold, labels_at = fold_of.get(name, 1), named.get(name, "")
        scenes.append(Scene(entry.path, labels_at, entry.size, fold, reason))
    lost = sorted(named.keys() - seen)
    scenes += [Scene(f"{name}.jpg", named[name], 0, 1, "missing image") for name in lost]
    text = None
    if source.exists(root + HORIZONS):
        content = source.read(root + HORIZONS)
        digest.update(content)
        text = decode_text(content, source.named(root + HORIZONS), "latin-1")
    return Stanford(source, scenes, digest.hexdigest(), text)


def folds(ids: Sequence[str]) -> dict[str, int]:
    """Scene → fold, 0 to 4, all of one size if the number of scenes allows it.

    A function of the ids and a fixed seed alone.
    """
    drawn = sorted(ids, key=lambda name: hashlib.sha256(f"{SEED}/{name}".encode()).digest())
    return {name: place % FOLDS for place, name in enumerate(drawn)}


def decode_regions(content: bytes) -> NDArray[np.int16] | str:
    """The labels of a ``regions.txt``.

    Returns:
        (height, width) little-endian int16 from −1 to 7, or in words what is wrong with it.
    """
    try:
        lines = [line.split() for line in text_lines(content, "labels")]
    except DataError:
        return f"labels are {wide_encoding(content) or 'in another encoding'}, not UTF-8"
    if not lines or len({len(line) for line in lines}) > 1:
        return "labels are not a rectangle"
    try:
        regions = np.array([[int(word) for word in line] for line in lines], np.int64)
    except (ValueError, OverflowError):
        return "labels are not whole numbers"
    if regions.min() < UNKNOWN or regions.max() >= len(CLASSES):
        return "label out of range"
    return regions.astype("<i2")


def _turned(
    regions: NDArray[np.int16], encoded: tuple[int, int], orientation: int
) -> NDArray[np.int16] | None:
    """Labels as upright as the image is when it is decoded; None where they are not its own.

    Labels are of the image as it is encoded, or, where their shape says so, already upright.
    """
    if orientation == 1:
        return regions if regions.shape == encoded else None
    import torch  # late: naming the corpora imports none of it

    from striate.data.transforms.image.exif import swaps_axes, upright

    if regions.shape == encoded:
        turned: NDArray[np.int16] = upright(torch.from_numpy(regions), orientation).numpy()
        return np.ascontiguousarray(turned, "<i2")
    swapped = swaps_axes(orientation) and regions.shape == encoded[::-1]
    return regions if swapped else None
