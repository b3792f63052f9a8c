"""Small corpora of text that are read whole: what each entry is, is known when they are opened."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from striate.core.arrays import Integers
from striate.data.corpora.texts import HELD_OUT, TRAIN, TextSample, judge
from striate.data.shards.schema import (
    AssetContent,
    FieldKind,
    LabelColumn,
    PayloadColumn,
    Sample,
    Skipped,
    hash_asset,
)

Entry = tuple[str, TextSample | str]
"""An entry's name, and what it says or why it cannot be used."""

_LEAST = 64  # bytes that an entry counts for at least, so that shards stay bounded


@dataclass(frozen=True)
class ListedTexts:
    """A corpus whose entries are at hand; see `striate.data.shards.schema.OpenCorpus`.

    Attributes:
        splits: split → its entries.
        fields: further columns.
        labels: class names; none where it has no labels.
        assets: file name → content of what goes along with the shards.
    """

    splits: Mapping[str, Sequence[Entry]]
    fields: Mapping[str, FieldKind] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    assets: Mapping[str, AssetContent] = field(default_factory=dict)

    @property
    def payload(self) -> PayloadColumn:
        """Text in UTF-8."""
        return PayloadColumn(kind="text")

    @property
    def label(self) -> LabelColumn:
        """One class, or none."""
        return LabelColumn(kind="class" if self.labels else "none")

    @property
    def item_bytes(self) -> Mapping[str, Integers]:
        """Split → size of each text."""
        return {
            split: np.array([_LEAST + _size(found) for _, found in entries], np.int64)
            for split, entries in self.splits.items()
        }

    @property
    def source_sha256(self) -> str:
        """Of all that it says."""
        digest = hashlib.sha256(repr((self.splits, self.labels)).encode())
        for name, content in sorted(self.assets.items()):
            digest.update(f"{name}:{hash_asset(content)}".encode())
        return digest.hexdigest()

    def read(self, split: str, start: int, stop: int) -> Iterator[Sample | Skipped]:
        """The entries ``start`` to ``stop`` of a split."""
        for item, (key, found) in enumerate(self.splits[split][start:stop], start):
            yield judge(item, key, found)


def without_repeated(
    splits: Mapping[str, Sequence[Entry]], duplicated: str
) -> dict[str, list[Entry]]:
    """The same entries; left out are all but the first of equal texts in a split, as `duplicated`,
    and those of ``train`` that another split has too."""
    held = {_text(found) for name in splits if name != TRAIN for _, found in splits[name]}
    kept: dict[str, list[Entry]] = {}
    for name, entries in splits.items():
        seen: Counter[str] = Counter()
        kept[name] = []
        for key, found in entries:
            text = _text(found)
            problem = duplicated if seen[text] else ""
            if name == TRAIN and text in held:
                problem = HELD_OUT
            kept[name].append((key, problem if text and problem else found))
            seen[text] += 1
    return kept


def _text(found: TextSample | str) -> str:
    return found.text if isinstance(found, TextSample) else ""


def _size(found: TextSample | str) -> int:
    return len(_text(found).encode())
