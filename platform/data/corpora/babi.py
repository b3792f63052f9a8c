"""bAbI's tasks, and whatever else lies in their layout: stories with questions about them.

``qa1_single-supporting-fact_train.txt`` and ``…_test.txt``, in the folder itself. Each file is a
split by its name without the ending, a row of it is a story, and its questions are the row's units.
All files of a folder share one vocabulary: the words of those that end in ``_train.txt``.

Of the published archive ingest a folder such as ``tasks_1-20_v1-2/en-10k``. Source of the layout:
Weston et al., "Towards AI-complete question answering", 2015.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import DataError
from striate.core.text import decode_text
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
from striate.data.transforms.text.stories import (
    SPARE,
    Story,
    StoryError,
    build_vocabulary,
    number_words,
    parse_story,
    split_stories,
)

ENDING, TRAIN = ".txt", "_train"
PARTS = (TRAIN, "_test", "_valid")
_FIELDS: dict[str, FieldKind] = {"units": "int32", "known": "int32", "numbers": "list<int32>"}


@dataclass(frozen=True)
class _Told:
    """A story as its file has it, and what it says; or why it cannot be used."""

    text: str
    story: Story | str


class Stories:
    """The stories of a folder.

    The labels are the vocabulary with its spare places: the answers are among them. The column
    ``numbers`` has the number of every word of a story, and ``known`` how many words the vocabulary
    itself has.
    """

    def __init__(self, splits: Mapping[str, Sequence[_Told]], sha256: str) -> None:
        self.payload = PayloadColumn(kind="text")
        self.label = LabelColumn(kind="none")
        self.fields = _FIELDS
        self.assets: dict[str, str] = {}
        self.source_sha256 = sha256
        self._splits = splits
        learnt = (told for name, those in splits.items() if name.endswith(TRAIN) for told in those)
        good = (told.story for told in learnt if isinstance(told.story, Story))
        self.labels = build_vocabulary(good)

    @property
    def item_bytes(self) -> dict[str, NDArray[np.int64]]:
        """Split → size of each story, with the numbers of its words."""
        return {
            name: np.array([2 * len(one.text.encode()) for one in those], np.int64)
            for name, those in self._splits.items()
        }

    def read(self, split: str, start: int, stop: int) -> Iterator[Sample | Skipped]:
        """The stories ``start`` to ``stop`` of a split."""
        for item, told in enumerate(self._splits[split][start:stop], start):
            yield self._read_one(item, told, f"{split}/{item + 1}")

    def _read_one(self, item: int, told: _Told, key: str) -> Sample | Skipped:
        if isinstance(told.story, str):
            return Skipped(item, told.story, key)
        if not told.story.questions:
            return Skipped(item, "a story without a question", key)
        numbers = number_words(told.story.words, self.labels)
        if not numbers.all():
            return Skipped(item, "more words outside the vocabulary than it has room for", key)
        fields = {
            "units": len(told.story.questions),
            "known": len(self.labels) - SPARE,
            "numbers": numbers.tolist(),
        }
        return Sample(item, told.text.encode(), -1, key, fields)


def open_babi(source: Source) -> OpenCorpus:
    """Find the files of a folder, and read them.

    Raises:
        DataError: there is no file of a training split, or a file is not UTF-8.
    """
    names = [entry.path for entry in list_visible(source)]
    stems = {name.removesuffix(ENDING): name for name in names if name.endswith(ENDING)}
    files = {stem: name for stem, name in stems.items() if stem.endswith(PARTS)}
    if not any(stem.endswith(TRAIN) for stem in files):
        raise DataError(
            f"{source.name} holds no file such as qa1_single-supporting-fact_train.txt.",
            "Name the folder that holds the files, of the archive one like en-10k.",
        )
    digest = hashlib.sha256()
    splits: dict[str, list[_Told]] = {}
    for stem, name in files.items():
        content = source.read(name)
        digest.update(repr((stem, hashlib.sha256(content).hexdigest())).encode())
        text = decode_text(content, source.named(name))
        splits[stem] = [_Told(one, _parsed(one)) for one in split_stories(text)]
    return Stories(splits, digest.hexdigest())


def _parsed(text: str) -> Story | str:
    try:
        return parse_story(text)
    except StoryError as error:
        return str(error)
