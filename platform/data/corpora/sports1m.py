"""Sports-1M in its published layout, with the videos that the user has (Karpathy et al., 2014).

::

    labels.txt                       class names, one a line, UTF-8; 487 in the published set
    original/train_partition.txt     lines `URL label,label`; plain or gzipped, whatever the name
    original/test_partition.txt      says; may lie beside labels.txt as well
    videos/<id>.<any container>      the video of https://www.youtube.com/watch?v=<id>
    videos/train-<n>.<container>     or: of line n, from 0, of a list (test-<n> for the other)

Folders inside `videos` are looked through too. The set is published without its videos and many
of them are gone: what is missing is counted, and ``coverage.json`` says so for every class.
"""

import gzip
import hashlib
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import DataError
from striate.core.text import decode_text, numbered_lines
from striate.data.corpora.hidden_files import list_visible
from striate.data.corpora.sports1m_lists import (
    DUPLICATED,
    GOOD,
    IN_BOTH,
    MALFORMED,
    OUT_OF_RANGE,
    PartitionList,
    read_list,
)
from striate.data.shards.schema import (
    FieldKind,
    LabelColumn,
    OpenCorpus,
    PayloadColumn,
    Sample,
    Skipped,
)
from striate.data.storage import ListedFile, Source
from striate.data.transforms.damage import DamagedSample
from striate.data.transforms.video.reader import describe

SPLITS = ("train", "test")
VIDEOS = "videos"
COVERAGE_FILE = "coverage.json"
MISSING = "missing video"
EMPTY = "empty file"
_BY_ORDER = re.compile(r"(train|test)-(\d+)")
_LISTED_COST = 64  # bytes that a line without its video counts for, so that shards stay bounded
_REMEDY = "Fetch the lists again: https://github.com/gtoderici/sports-1m-dataset."


class Sports1M:
    """The lists, and which of their videos are there."""

    payload = PayloadColumn(kind="video")
    label = LabelColumn(kind="multi")
    fields: Mapping[str, FieldKind] = {
        "seconds": "float32",
        "frames": "int32",
        "height": "int32",
        "width": "int32",
    }

    def __init__(
        self,
        source: Source,
        labels: tuple[str, ...],
        lists: Mapping[str, PartitionList],
        videos: Mapping[str, list[ListedFile | None]],
        source_sha256: str,
    ) -> None:
        self.labels = labels
        self.source_sha256 = source_sha256
        self._source, self._lists, self._videos = source, lists, videos

    @property
    def item_bytes(self) -> dict[str, NDArray[np.int64]]:
        """Split → size of each line's video; a little for a line without one."""
        return {
            split: np.array(
                [_LISTED_COST if video is None else video.size for video in videos], np.int64
            )
            for split, videos in self._videos.items()
        }

    @property
    def assets(self) -> dict[str, str]:
        """``coverage.json``: of the videos listed, how many are there, split by split and class
        by class.
        """
        splits = {split: self._coverage(split) for split in self._lists}
        return {COVERAGE_FILE: json.dumps(splits, indent=2, ensure_ascii=False) + "\n"}

    def read(self, split: str, start: int, stop: int) -> Iterator[Sample | Skipped]:
        """The videos of the lines ``start`` to ``stop`` of a list, as they are."""
        for item in range(start, stop):
            yield self._item(split, item)

    def _item(self, split: str, item: int) -> Sample | Skipped:
        listed, video = self._lists[split], self._videos[split][item]
        key = listed.key(item)
        if listed.states[item] != GOOD:
            return Skipped(item, listed.states[item], key)
        if video is None:
            return Skipped(item, MISSING, key)
        content = self._source.read(video.path)
        try:
            info = describe(content, key)
        except DamagedSample as damage:
            return Skipped(item, damage.reason if content else EMPTY, key)
        told = {
            "seconds": info.seconds,
            "frames": info.frames,
            "height": info.height,
            "width": info.width,
        }
        return Sample(item, content, listed.labels(item), key, told)

    def _coverage(self, split: str) -> dict[str, object]:
        listed, videos = self._lists[split], self._videos[split]
        wanted: Counter[int] = Counter()
        there: Counter[int] = Counter()
        for item, state in enumerate(listed.states):
            if state == GOOD:
                wanted.update(listed.labels(item))
                there.update(listed.labels(item) if videos[item] is not None else ())
        states = Counter(listed.states)
        return {
            "lines": len(listed.states),
            "listed": states[GOOD],
            "present": sum(video is not None for video in videos),
            **{reason: states[reason] for reason in (MALFORMED, OUT_OF_RANGE, DUPLICATED, IN_BOTH)},
            "classes": {
                name: {"listed": wanted[label], "present": there[label]}
                for label, name in enumerate(self.labels)
            },
        }


def open_sports1m(source: Source) -> OpenCorpus:
    """Read Sports-1M's lists and look for the videos.

    Videos may be missing, lines malformed: these are counted. In both lists, a video counts
    as a test video.

    Raises:
        DataError: a list or ``labels.txt`` is missing or damaged, or there is no video at all.
    """
    digest = hashlib.sha256()
    content = _content(source, "labels.txt")
    digest.update(content)
    labels = _labels(content, source.named("labels.txt"))
    lists: dict[str, PartitionList] = {}
    for split in reversed(SPLITS):  # the test list first: it keeps what both lists name
        name = f"{split}_partition.txt"
        content = _content(source, name)
        digest.update(content)
        taken = lists["test"].ids if "test" in lists else frozenset()
        lists[split] = read_list(decode_text(content, source.named(name)), len(labels), taken)
    if not source.is_dir(VIDEOS):
        raise DataError(
            f"{source.name} has no folder {VIDEOS}.",
            "Put the videos that you have there, as <YouTube id>.<container>.",
        )
    entries = list_visible(source, VIDEOS, recursive=True)
    for entry in entries:
        digest.update(f"{entry.path}\0{entry.size}\n".encode())
    found = _by_name(entries)
    # The ids were for telling duplicates; a million of them are not worth keeping.
    lists = {split: replace(lists[split], ids=frozenset()) for split in SPLITS}
    videos = {split: _videos(split, listed, found) for split, listed in lists.items()}
    if not any(video for split in SPLITS for video in videos[split]):
        raise DataError(
            f"{source.named(VIDEOS)} holds none of the listed videos.",
            "Name them <YouTube id>.<container>, or train-<n>.<container> by their line.",
        )
    return Sports1M(source, labels, lists, videos, digest.hexdigest())


def _videos(
    split: str, listed: PartitionList, found: Mapping[str, ListedFile]
) -> list[ListedFile | None]:
    """The video of each line, by its id, else by its place in the list."""
    by_order = {
        int(match[2]): entry
        for name, entry in found.items()
        if (match := _BY_ORDER.fullmatch(name)) and match[1] == split
    }
    return [
        (found.get(listed.key(item)) or by_order.get(item)) if state == GOOD else None
        for item, state in enumerate(listed.states)
    ]


def _by_name(entries: list[ListedFile]) -> dict[str, ListedFile]:
    """File name without its ending → entry; of several containers the first by name."""
    found: dict[str, ListedFile] = {}
    for entry in entries:
        found.setdefault(PurePosixPath(entry.path).stem, entry)
    return found


def _labels(content: bytes, name: str) -> tuple[str, ...]:
    """The classes: a line's place is its class, so that no blank line may stand before another."""
    lines = numbered_lines(decode_text(content, name))
    for place, (number, _) in enumerate(lines, 1):
        if number != place:
            raise DataError(
                f"{name} line {place} is blank; a class is counted by its line.",
                "Remove the blank line, or name the class.",
            )
    return tuple(label for _, label in lines)


def _content(source: Source, name: str) -> bytes:
    """A list's text, wherever it may lie, unzipped."""
    for path in (f"original/{name}", name, f"original/{name}.gz", f"{name}.gz"):
        if not source.exists(path):
            continue
        content = source.read(path)
        try:
            return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(
                f"{source.named(path)} is truncated or damaged: {error}.", _REMEDY
            ) from None
    raise DataError(f"{source.name} has no {name}, plain or as .gz.", _REMEDY)
