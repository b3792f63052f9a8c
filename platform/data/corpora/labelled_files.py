"""A folder of one's own images, clips or sounds, one label a file.

Its labels are the names of its folders (`striate.data.corpora.class_folders`), or columns of a
table (`striate.data.corpora.label_table`). Its splits are folders, a column of the table, or drawn
by a hash of each path, so that a file more or less does not stir the others.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import DataError, UsageError
from striate.data.corpora.base import AS_FOUND, TEXT_OPTIONS, FolderOptions
from striate.data.corpora.class_folders import read_class_folders
from striate.data.corpora.file_kinds import CLIPS, IMAGES, SOUNDS, FileKind
from striate.data.corpora.hidden_files import list_visible
from striate.data.corpora.label_table import find_table, read_table
from striate.data.corpora.labelled_file import LabelledFile
from striate.data.shards.schema import FieldKind, LabelColumn, PayloadColumn, Sample, Skipped
from striate.data.storage import Source

TEST_SHARE = 0.1
TRAIN, TEST = "train", "test"
_LISTED_COST = 64  # bytes that a file which is not there counts for, so that shards stay bounded


@dataclass(frozen=True)
class LabelledFiles:
    """The files of every split; see `striate.data.shards.schema.OpenCorpus`.

    Every file is decoded once at ingest, so that no damaged one gets into the shards; what is
    stored is the file as it was.

    Attributes:
        source: where they lie.
        kind: what they are.
        splits: split → its files, in an order that mixes the classes.
        labels: class names, those of digits alone by their number.
        source_sha256: hash of names, sizes, labels and splits.
    """

    source: Source
    kind: FileKind
    splits: Mapping[str, Sequence[LabelledFile]]
    labels: tuple[str, ...]
    source_sha256: str

    @property
    def payload(self) -> PayloadColumn:
        """Encoded files, as they were."""
        return self.kind.payload

    @property
    def label(self) -> LabelColumn:
        """One class."""
        return LabelColumn()

    @property
    def fields(self) -> Mapping[str, FieldKind]:
        """What each file says of itself."""
        return self.kind.fields

    @property
    def assets(self) -> Mapping[str, str]:
        """There are none."""
        return {}

    @property
    def item_bytes(self) -> Mapping[str, NDArray[np.int64]]:
        """Split → size of each file."""
        return {
            split: np.array([file.size or _LISTED_COST for file in files], np.int64)
            for split, files in self.splits.items()
        }

    def read(self, split: str, start: int, stop: int) -> Iterator[Sample | Skipped]:
        """The files ``start`` to ``stop`` of a split, each judged."""
        classes = {name: label for label, name in enumerate(self.labels)}
        for item, file in enumerate(self.splits[split][start:stop], start):
            yield self._read_one(item, file, classes)

    def _read_one(
        self, item: int, file: LabelledFile, classes: Mapping[str, int]
    ) -> Sample | Skipped:
        if file.problem:
            return Skipped(item, file.problem, file.path)
        try:
            content = self.source.read(file.path)
        except DataError:
            return Skipped(item, "unreadable file", file.path)
        if not content:
            return Skipped(item, "empty file", file.path)
        fields = self.kind.inspect(content)
        if isinstance(fields, str):
            return Skipped(item, fields, file.path)
        return Sample(item, content, classes[file.label], file.path, fields)


def open_labelled_files(
    kind: FileKind, source: Source, options: FolderOptions = AS_FOUND
) -> LabelledFiles:
    """Find the files of a folder, their labels and their splits.

    Raises:
        DataError: there are none, or the table of labels cannot be used.
        UsageError: the options contradict what is there.
    """
    for name in TEXT_OPTIONS:
        if getattr(options, name) is not None:
            shown = name.replace("_", "-")
            raise UsageError(f"--{shown} is for tables of texts.", f"Leave --{shown} out.")
    entries = list_visible(source, recursive=True)
    table = find_table(source, entries, options)
    if table is None:
        files = read_class_folders(source, entries, kind)
    else:
        files = read_table(source, table, entries, options)
    labels = {file.label for file in files if not file.problem}
    splits = _split(source, files, options)
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file}\n".encode())
    digest.update(repr({split: len(there) for split, there in splits.items()}).encode())
    return LabelledFiles(source, kind, splits, _in_order(labels), digest.hexdigest())


def draw_split(path: str, test_share: float) -> str:
    """``train`` or ``test``: a function of a file's path alone."""
    return TEST if int.from_bytes(_lot(path)[:8]) < test_share * 2**64 else TRAIN


def _split(
    source: Source, files: Sequence[LabelledFile], options: FolderOptions
) -> dict[str, list[LabelledFile]]:
    """Split → its files by the hash of their path, which mixes the classes."""
    given = any(file.split for file in files)
    if given and options.test_share is not None:
        raise UsageError(
            f"The splits of {source} are given, so that no share of it is drawn.",
            "Leave --test-share out.",
        )
    share = TEST_SHARE if options.test_share is None else options.test_share
    found: dict[str, list[LabelledFile]] = {}
    for file in sorted(files, key=lambda file: _lot(file.path)):
        split = file.split or (TRAIN if given else draw_split(file.path, share))
        found.setdefault(split, []).append(file)
    return dict(sorted(found.items(), key=lambda item: (item[0] != TRAIN, item[0])))


def _lot(path: str) -> bytes:
    return hashlib.sha256(path.encode()).digest()


def _in_order(labels: set[str]) -> tuple[str, ...]:
    """By name, or by number where all of them are numbers."""
    if all(label.isascii() and label.isdigit() for label in labels):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))


def open_images(source: Source, options: FolderOptions = AS_FOUND) -> LabelledFiles:
    """A folder of one's own images, as `decode_image` reads; see `open_labelled_files`."""
    return open_labelled_files(IMAGES, source, options)


def open_clips(source: Source, options: FolderOptions = AS_FOUND) -> LabelledFiles:
    """A folder of one's own clips, of what FFmpeg knows; see `open_labelled_files`."""
    return open_labelled_files(CLIPS, source, options)


def open_sounds(source: Source, options: FolderOptions = AS_FOUND) -> LabelledFiles:
    """A folder of one's own sounds, FLAC, RIFF (WAV) or SPHERE; see `open_labelled_files`."""
    return open_labelled_files(SOUNDS, source, options)
