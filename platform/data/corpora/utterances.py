"""What the corpora of speech have in common: utterances that are read one by one, each judged."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import RequestError
from striate.data.shards.schema import (
    FieldKind,
    LabelColumn,
    PayloadColumn,
    Sample,
    Skipped,
)
from striate.data.storage import Source
from striate.data.transforms.audio.frames import FRAME_S, frames_in
from striate.data.transforms.audio.load import load_mono, reason_of

FrameLabels = Sequence[int] | NDArray[np.int32] | None


@dataclass(frozen=True)
class Utterance:
    """One utterance of a corpus, not yet read.

    Attributes:
        key: its name, which reports use; unlike every other in the split.
        sound: path of its sound in the source.
        bytes: size of the sound.
        problem: why it cannot be used, where its names and lists alone say so.
    """

    key: str
    sound: str = ""
    bytes: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Annotation:
    """What a corpus says of an utterance: a state for each frame, where it has any, and fields."""

    label: FrameLabels
    fields: Mapping[str, object] = field(default_factory=dict)


Annotate = Callable[[Utterance, int], Annotation | str]
"""(utterance, samples at 16 kHz) → what is known of it, or why it cannot be used."""


@dataclass(frozen=True)
class Speech:
    """A corpus of utterances; see `striate.data.shards.schema.OpenCorpus`.

    Every sound is decoded once at ingest, so that its number of frames is known and no damaged
    one gets into the shards; what is stored is the file as it was published.

    Attributes:
        source: where it lies.
        splits: split → its utterances, in order.
        labels: names of the states; empty where there are no labels.
        fields: its columns, ``units`` (frames) among them.
        source_sha256: hash of names, sizes and label files.
        annotate: finds what is known of an utterance.
    """

    source: Source
    splits: Mapping[str, Sequence[Utterance]]
    labels: tuple[str, ...]
    fields: Mapping[str, FieldKind]
    source_sha256: str
    annotate: Annotate

    @property
    def payload(self) -> PayloadColumn:
        """Sound files as they were published."""
        return PayloadColumn(kind="audio")

    @property
    def label(self) -> LabelColumn:
        """A state for each 10 ms frame, or none."""
        return (
            LabelColumn(kind="frames", frame_s=FRAME_S) if self.labels else LabelColumn(kind="none")
        )

    @property
    def assets(self) -> Mapping[str, str]:
        """There are none."""
        return {}

    @property
    def item_bytes(self) -> Mapping[str, NDArray[np.int64]]:
        """Split → size of each sound file."""
        return {
            name: np.array([utterance.bytes for utterance in utterances], np.int64)
            for name, utterances in self.splits.items()
        }

    def read(self, split: str, start: int, stop: int) -> Iterator[Sample | Skipped]:
        """The utterances ``start`` to ``stop`` of a split."""
        for item in range(start, stop):
            yield self._read_one(item, self.splits[split][item])

    def _read_one(self, item: int, utterance: Utterance) -> Sample | Skipped:
        if utterance.problem:
            return Skipped(item, utterance.problem, utterance.key)
        payload = self.source.read(utterance.sound)
        try:
            samples = len(load_mono(payload))
        except RequestError as error:
            return Skipped(item, reason_of(error), utterance.key)
        frames = frames_in(samples)
        if not frames:
            return Skipped(item, "the sound is shorter than one frame", utterance.key)
        known = self.annotate(utterance, samples)
        if isinstance(known, str):
            return Skipped(item, known, utterance.key)
        label = -1 if known.label is None else np.asarray(known.label, np.int32).tolist()
        fields = {"units": frames, **known.fields}
        return Sample(item, payload, label, utterance.key, fields)


def without_repeats(utterances: Iterable[Utterance]) -> list[Utterance]:
    """The same utterances; of those with one key all but the first are marked."""
    seen: Counter[str] = Counter()
    kept = []
    for utterance in utterances:
        again = seen[utterance.key]
        seen[utterance.key] += 1
        kept.append(
            Utterance(utterance.key, utterance.sound, utterance.bytes, "duplicated key")
            if again
            else utterance
        )
    return kept


def hash_of(splits: Mapping[str, Sequence[Utterance]], *contents: str | bytes) -> str:
    """A hash over the names and sizes of the sounds, and the text of what goes with them."""
    digest = hashlib.sha256()
    for name, utterances in splits.items():
        for utterance in utterances:
            line = (name, utterance.key, utterance.sound, utterance.bytes, utterance.problem)
            digest.update(repr(line).encode())
    for content in contents:
        whole = content.encode() if isinstance(content, str) else content
        digest.update(hashlib.sha256(whole).digest())
    return digest.hexdigest()
