"""What the corpora of text have in common: samples that are read line by line, each judged."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from striate.core.arrays import Integers
from striate.core.errors import DataError
from striate.data.corpora.text_lines import Lines
from striate.data.shards.schema import FieldKind, LabelColumn, PayloadColumn, Sample, Skipped
from striate.data.transforms.text.clean import MOST_BYTES, clean_text

TRAIN, TEST = "train", "test"
BROKEN, EMPTY, NOT_UTF8 = "broken line", "empty text", "not UTF-8"
LONG = "text longer than a megabyte"
WORDY = "more words than asked for"
DUPLICATED, HELD_OUT = "duplicated line", "in a held-out split too"
_GOOD = ""
_STATES = (_GOOD, DUPLICATED, HELD_OUT)


@dataclass(frozen=True)
class TextSample:
    """What a line says.

    Attributes:
        text: what is stored as the payload.
        fields: values of the corpus's further columns.
        label: its class, where the corpus has such.
    """

    text: str
    fields: Mapping[str, object] = field(default_factory=dict)
    label: int = -1


@dataclass(frozen=True)
class TextSplit:
    """The lines of a split.

    Attributes:
        files: where they lie.
        file: (n,) which of the files each is in, rising.
        items: (n,) which line of it, rising within a file.
        states: (n,) indices into what can be wrong with a line for the sake of others.
    """

    files: tuple[Lines, ...]
    file: Integers
    items: Integers
    states: NDArray[np.uint8]

    @classmethod
    def of(cls, files: Sequence[Lines]) -> "TextSplit":
        """All lines of some files."""
        counts = [len(file.hashes) for file in files]
        items = [np.arange(count, dtype=np.int64) for count in counts]
        return cls(
            tuple(files),
            np.repeat(np.arange(len(files)), counts).astype(np.int64),
            np.concatenate([np.empty(0, np.int64), *items]),
            np.zeros(sum(counts), np.uint8),
        )

    def only(self, chosen: NDArray[np.bool_]) -> "TextSplit":
        """Some of the lines."""
        columns = (self.file[chosen], self.items[chosen], self.states[chosen])
        return TextSplit(self.files, *columns)

    def column(self, of: Callable[[Lines], NDArray[np.generic]]) -> NDArray[np.generic]:
        """(n,) what a file knows of each of its lines."""
        parts = [of(file)[self.items[self.file == at]] for at, file in enumerate(self.files)]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def read(self, start: int, stop: int) -> Iterator[tuple[str, str, bytes]]:
        """(what is wrong or nothing, name, content) of the lines `start` to `stop`."""
        for at, file in enumerate(self.files):
            here = start + np.flatnonzero(self.file[start:stop] == at)
            items, short = self.items[here], file.sizes[self.items[here]] <= MOST_BYTES
            content = file.read(items[short])
            for row, item, fits in zip(here.tolist(), items.tolist(), short.tolist(), strict=True):
                problem = _STATES[self.states[row]]
                line = next(content) if fits else b""
                yield problem if fits else LONG, file.name(item), line


@dataclass(frozen=True)
class TextCorpus:
    """A corpus of lines; see `striate.data.shards.schema.OpenCorpus`.

    Attributes:
        splits: split → its lines.
        parse: what a line says, or why it cannot be used; given the line, decoded.
        fields: further columns.
        name: what the payload is called among them, such as its language.
        most_words: words of a text, apart by blanks, beyond which a line is left out; None for any.
        texts: those of the further columns that are texts too.
    """

    splits: Mapping[str, TextSplit]
    parse: Callable[[str], TextSample | str]
    fields: Mapping[str, FieldKind] = field(default_factory=dict)
    name: str | None = None
    most_words: int | None = None
    texts: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """There are none."""
        return ()

    @property
    def payload(self) -> PayloadColumn:
        """Text in UTF-8."""
        return PayloadColumn(kind="text", name=self.name)

    @property
    def label(self) -> LabelColumn:
        """None."""
        return LabelColumn(kind="none")

    @property
    def assets(self) -> Mapping[str, str]:
        """There are none."""
        return {}

    @property
    def item_bytes(self) -> Mapping[str, Integers]:
        """Split → size of each line."""
        return {
            name: split.column(lambda file: file.sizes).astype(np.int64)
            for name, split in self.splits.items()
        }

    @property
    def source_sha256(self) -> str:
        """Of all content, of which lines are in which split, and of what is left out of them."""
        asked = () if self.most_words is None else (self.most_words,)
        digest = hashlib.sha256(repr((sorted(self.fields.items()), self.name, *asked)).encode())
        for name, split in self.splits.items():
            digest.update(name.encode())
            for file in split.files:
                digest.update(file.sha256.encode())
            digest.update(split.file.tobytes() + split.items.tobytes() + split.states.tobytes())
        return digest.hexdigest()

    def read(self, split: str, start: int, stop: int) -> Iterator[Sample | Skipped]:
        """The lines ``start`` to ``stop`` of a split, each judged."""
        read = self.splits[split].read(start, stop)
        for item, (problem, key, line) in enumerate(read, start):
            yield judge(item, key, problem or self._parse(line))

    def _parse(self, line: bytes) -> TextSample | str:
        try:
            found = self.parse(line.decode())
        except UnicodeDecodeError:
            return NOT_UTF8
        if self.most_words is None or isinstance(found, str):
            return found
        texts = (found.text, *(str(found.fields[name]) for name in self.texts))
        return WORDY if max(len(text.split()) for text in texts) > self.most_words else found


def judge(item: int, key: str, found: TextSample | str) -> Sample | Skipped:
    """A sample, or why it is none."""
    if isinstance(found, str):
        return Skipped(item, found, key)
    if not clean_text(found.text):
        return Skipped(item, EMPTY, key)
    return Sample(item, found.text.encode(), found.label, key, found.fields)


def draw_splits(
    whole: TextSplit, share: float, lots: NDArray[np.uint64] | None = None
) -> dict[str, TextSplit]:
    """``train``, and ``test`` by `share` of the lines: each by its own content alone.

    Args:
        whole: all lines.
        share: of those that are held out.
        lots: (n,) what is drawn by instead of the lines' hashes: equal ones stay together.
    """
    drawn = whole.column(lambda file: file.hashes) if lots is None else lots
    held = drawn.astype(np.uint64) < np.uint64(min(share * 2.0**64, 2.0**64 - 2**11))
    splits = {TRAIN: whole.only(~held), TEST: whole.only(held)}
    return {name: split for name, split in splits.items() if name == TRAIN or len(split.items)}


def mark_repeated(splits: Mapping[str, TextSplit]) -> dict[str, TextSplit]:
    """The same lines; marked are all but the first of equal ones in a split, and those of ``train``
    that another split has too."""
    hashes = {name: split.column(lambda file: file.hashes) for name, split in splits.items()}
    marked = {}
    for name, split in splits.items():
        _, first = np.unique(hashes[name], return_index=True)
        states = np.full(len(split.items), _STATES.index(DUPLICATED), np.uint8)
        states[first] = _STATES.index(_GOOD)
        if name == TRAIN:
            others = [found for other, found in hashes.items() if other != TRAIN]
            held = np.isin(hashes[name], np.concatenate(others)) if others else False
            states = np.where(held, np.uint8(_STATES.index(HELD_OUT)), states)
        marked[name] = replace(split, states=states)
    return marked


def check_found(splits: Mapping[str, TextSplit], place: object, remedy: str) -> None:
    """Refuse a corpus without a line.

    Raises:
        DataError: there is none.
    """
    if not sum(len(split.items) for split in splits.values()):
        raise DataError(f"{place} holds no text of this corpus.", remedy)
