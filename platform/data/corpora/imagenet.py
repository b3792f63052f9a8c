"""ImageNet, ILSVRC2012: a tar of 1,000 tars read as it is, or the unpacked folders.

``ILSVRC2012_img_train.tar`` or ``train/<wnid>/*.JPEG``; ``ILSVRC2012_img_val.tar``, or ``val/``
flat or in folders, either also below ``ILSVRC/Data/CLS-LOC`` as Kaggle packs them;
``ILSVRC2012_devkit_t12.tar.gz``, packed or not (torchvision, `imagenet.py`).
Where a tar and a folder are both there, the tar is read. Opening it reads names alone.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from striate.core.errors import DataError
from striate.data.corpora.imagenet_devkit import DEVKIT_TAR, Devkit, read_devkit
from striate.data.corpora.imagenet_index import (
    DUPLICATED,
    Builder,
    ImageRow,
    index_train_tar,
    index_val_tar,
    list_folder,
    load_or_build_index,
    table_of,
)
from striate.data.corpora.mixing import mix_in_runs
from striate.data.corpora.tar_reading import read_ranges
from striate.data.shards.schema import (
    FieldKind,
    LabelColumn,
    OpenCorpus,
    PayloadColumn,
    Sample,
    Skipped,
)
from striate.data.storage import Source

TRAIN_TAR = "ILSVRC2012_img_train.tar"
VAL_TAR = "ILSVRC2012_img_val.tar"
TARS: dict[str, tuple[str, Builder]] = {
    "train": (TRAIN_TAR, index_train_tar),
    "val": (VAL_TAR, index_val_tar),
}
KAGGLE = "ILSVRC/Data/CLS-LOC"
NO_CLASS = "class not in the devkit"
MISSING_CLASS = "missing class"
MISSING_IMAGE = "missing image"
NO_TRUTH = "no ground truth"
UNREADABLE_FILE = "unreadable file"
CONTRADICTED = "folder and ground truth differ"
_HASHED_AT_ONCE = 1 << 16
_NUMBER = re.compile(r"_(\d{8})\.\w+$")


def val_name(number: int) -> str:
    """The file name of a validation image; numbers start at 1."""
    return f"ILSVRC2012_val_{number:08d}.JPEG"


@dataclass(frozen=True)
class SplitTar:
    """One split.

    Attributes:
        place: its tar or folder in the source.
        packed: whether that is a tar.
        rows: its index, with the column `label`; what cannot be used stands at the end.
    """

    place: str
    packed: bool
    rows: pa.Table


class ImageNet:
    """ImageNet's index; 1.28 million images take 100 MB, and it can be sent to other processes."""

    def __init__(
        self, source: Source, labels: tuple[str, ...], parts: Mapping[str, SplitTar], sha256: str
    ) -> None:
        self.labels = labels
        self.source_sha256 = sha256
        self.payload = PayloadColumn(kind="image")
        self.label = LabelColumn()
        self.fields: dict[str, FieldKind] = {}
        self.assets: dict[str, str] = {}
        self._source, self._parts = source, parts

    @property
    def item_bytes(self) -> dict[str, NDArray[np.int64]]:
        """Split → size of each image; 0 for what stands for something missing."""
        return {name: part.rows["size"].to_numpy() for name, part in self._parts.items()}

    def read(self, split: str, start: int, stop: int) -> Iterator[Sample | Skipped]:
        """The images ``start`` to ``stop`` of a split, as they are in their files."""
        part = self._parts[split]
        rows = part.rows.slice(start, stop - start).to_pylist()
        usable = [row for row in rows if not row["reason"]]
        with self._source.open(part.place) if part.packed else nullcontext() as tar:
            contents: Iterator[bytes | None]
            if tar is not None:
                contents = read_ranges(tar, ((row["offset"], row["size"]) for row in usable))
            else:
                contents = (self._file(f"{part.place}/{row['key']}") for row in usable)
            for item, row in enumerate(rows, start):
                yield _judged(item, row, b"" if row["reason"] else next(contents))

    def _file(self, path: str) -> bytes | None:
        try:
            return self._source.read(path)
        except DataError:
            return None  # gone since it was listed


def _judged(item: int, row: Mapping[str, Any], content: bytes | None) -> Sample | Skipped:
    if row["reason"]:
        return Skipped(item, row["reason"], row["key"])
    if content is None or len(content) < row["size"]:
        return Skipped(item, UNREADABLE_FILE, row["key"])
    return Sample(item, content, row["label"], row["key"])


def open_imagenet(source: Source) -> OpenCorpus:
    """Find ImageNet's images, in whichever of the published forms they lie.

    Without the development kit the wnids are the labels; a flat validation set needs it. One
    split may be absent. What is missing or cannot be used is counted in the splits' items.

    Raises:
        DataError: there is neither split, the kit is damaged, or it is needed and not there.
    """
    devkit = read_devkit(source)
    found = {split: part for split in TARS if (part := _find(source, split)) is not None}
    if not found:
        raise DataError(
            f"{source.name} has neither {TRAIN_TAR} nor {VAL_TAR}, and no folder train or val,"
            f" there or in {KAGGLE}.",
            "Name the folder that holds ImageNet's files.",
        )
    wnids = devkit.wnids if devkit else _folders(found.values())
    if devkit is None and "val" in found and _is_flat(found["val"].rows):
        raise DataError(
            f"The classes of {source.named(found['val'].place)} stand in {DEVKIT_TAR} alone, and"
            " that is not there.",
            f"Put {DEVKIT_TAR} beside it.",
        )
    parts = {}
    for split, part in found.items():
        rows = _with_classes(part.rows, wnids)
        if split == "val" and devkit is not None:
            rows = _with_truth(rows, devkit)
        parts[split] = SplitTar(part.place, part.packed, _arranged(rows, wnids, split))
    labels = devkit.labels if devkit else wnids
    return ImageNet(source, labels, parts, _sha256(labels, devkit, parts))


def _find(source: Source, split: str) -> SplitTar | None:
    tar, build = TARS[split]
    if source.exists(tar):
        return SplitTar(tar, True, load_or_build_index(source, tar, build))
    for folder in (split, f"{KAGGLE}/{split}"):
        if source.is_dir(folder):
            return SplitTar(folder, False, list_folder(source, folder))
    return None


def _folders(parts: Iterable[SplitTar]) -> tuple[str, ...]:
    names = {name for part in parts for name in pc.unique(part.rows["folder"]).to_pylist()}
    return tuple(sorted(names - {""}))


def _is_flat(rows: pa.Table) -> bool:
    good = rows.filter(pc.equal(rows["reason"], ""))
    return bool(len(good)) and "" in pc.unique(good["folder"]).to_pylist()


def _with_classes(rows: pa.Table, wnids: Sequence[str]) -> pa.Table:
    """The column `label` from the folders' names; −1 in none."""
    found = pc.index_in(rows["folder"], pa.array(wnids, pa.string()))
    label = pc.fill_null(found, -1).cast(pa.int64())
    strange = pc.and_(pc.equal(label, -1), pc.not_equal(rows["folder"], ""))
    strange = pc.and_(strange, pc.equal(rows["reason"], ""))
    return _with_reasons(rows, pc.if_else(strange, NO_CLASS, rows["reason"]), label)


def _with_truth(rows: pa.Table, devkit: Devkit) -> pa.Table:
    """Labels of the validation images from their numbers, and rows for the images missing."""
    truth = devkit.truth_index
    there: set[int] = set()
    used: set[int] = set()
    labels, reasons = rows["label"].to_pylist(), rows["reason"].to_pylist()
    for place, (key, folder) in enumerate(
        zip(rows["key"].to_pylist(), rows["folder"].to_pylist(), strict=True)
    ):
        match = _NUMBER.search(key)
        number = int(match[1]) if match else 0
        there.add(number)
        if reasons[place]:
            continue
        known = int(truth[number - 1]) if 0 < number <= len(truth) else None
        if known is None:
            reasons[place] = "" if folder else NO_TRUTH
            continue
        reasons[place] = _contradiction(number in used, labels[place] if folder else known, known)
        labels[place] = known
        used.add(number)
    rows = _with_reasons(rows, pa.array(reasons, pa.string()), pa.array(labels, pa.int64()))
    absent = sorted(set(range(1, len(truth) + 1)) - there)
    return _and(rows, [ImageRow(val_name(number), reason=MISSING_IMAGE) for number in absent])


def _contradiction(again: bool, label: int, known: int) -> str:
    if again:
        return DUPLICATED
    return "" if label == known else CONTRADICTED


def _arranged(rows: pa.Table, wnids: Sequence[str], split: str) -> pa.Table:
    """Usable rows first, training images mixed; then what is wrong, then the classes missing."""
    usable = pc.equal(rows["reason"], "")
    good, bad = rows.filter(usable), rows.filter(pc.invert(usable))
    labels = good["label"].to_numpy()
    there = np.bincount(labels, minlength=len(wnids))
    if split == "train":
        by_class = np.argsort(labels, kind="stable")
        good = good.take(pa.array(by_class[mix_in_runs(labels[by_class])]))
    empty = [
        ImageRow(wnids[index], reason=MISSING_CLASS)
        for index, count in enumerate(there)
        if not count
    ]
    return _and(pa.concat_tables([good, bad]), empty).combine_chunks()


def _with_reasons(rows: pa.Table, reason: pa.Array, label: pa.Array) -> pa.Table:
    columns = {name: rows[name] for name in table_of([]).column_names}
    return pa.table(columns | {"reason": reason, "label": label})


def _and(rows: pa.Table, more: Sequence[ImageRow]) -> pa.Table:
    added = table_of(more)
    unlabelled = pa.array(np.full(len(added), -1, np.int64))
    return pa.concat_tables([rows, added.append_column("label", unlabelled)])


def _sha256(labels: Sequence[str], devkit: Devkit | None, parts: Mapping[str, SplitTar]) -> str:
    """A hash over names, sizes and classes."""
    digest = hashlib.sha256(repr((labels, devkit and devkit.sha256)).encode())
    for name, part in parts.items():
        digest.update(f"{name} {part.place} {len(part.rows)}\n".encode())
        for column in ("size", "label"):
            digest.update(part.rows[column].to_numpy().astype("<i8").tobytes())
        for start in range(0, len(part.rows), _HASHED_AT_ONCE):
            some = part.rows.slice(start, _HASHED_AT_ONCE)
            for column in ("key", "reason"):
                digest.update("".join(f"{text}\n" for text in some[column].to_pylist()).encode())
    return digest.hexdigest()
