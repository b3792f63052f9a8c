"""TIMIT (Garofolo et al., LDC93S1, 1993): utterances whose every phone has its exact place.

``TRAIN|TEST/DR1…DR8/<speaker>/<sentence>.WAV`` in NIST SPHERE or RIFF, with ``.PHN`` and ``.WRD``
(``start end label`` a line, in samples at 16 kHz) and ``.TXT`` beside it. Names may be in capitals
or not, and the two folders may lie anywhere below the source. All of it is read, the two ``SA``
sentences too, which every speaker says and which phone recognition usually leaves out.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import DataError
from striate.core.text import text_lines, wide_encoding
from striate.data.corpora.hidden_files import list_visible
from striate.data.corpora.kaldi import Alignments, open_alignments
from striate.data.corpora.utterances import (
    Annotation,
    FrameLabels,
    Speech,
    Utterance,
    hash_of,
    without_repeats,
)
from striate.data.shards.schema import (
    FieldKind,
    OpenCorpus,
)
from striate.data.storage import Source
from striate.data.transforms.audio.frames import frame_centres, frames_in
from striate.data.transforms.audio.load import RATE_HZ

_SYMBOLS = (
    "b d g p t k dx q bcl dcl gcl pcl tcl kcl jh ch s sh z zh f th v dh m n ng em en eng nx l r w"
    " y hh hv el iy ih eh ey ae aa aw ay ah ao oy ow uh uw ux er ax ix axr ax-h pau epi h#"
)
PHONES = tuple(_SYMBOLS.split())
"""TIMIT's 61 phone symbols (``DOC/PHONCODE.DOC``)."""

FIELDS: dict[str, FieldKind] = {
    "units": "int32",
    "speaker": "string",
    "sex": "string",
    "region": "string",
    "text": "string",
    "phones": "list<string>",
    "phone_starts_s": "list<float32>",
    "phone_ends_s": "list<float32>",
    "words": "list<string>",
    "word_starts_s": "list<float32>",
    "word_ends_s": "list<float32>",
}
SPLITS = ("train", "test")
_PATH = re.compile(
    r"(?:^|.*/)(train|test)/(dr\d+)/([^/]+)/([^/.]+)\.(wav|wav\.wav|flac|phn|wrd|txt)$",
    re.IGNORECASE,
)
_SOUNDS = ("WAV", "WAV.WAV", "FLAC")
_READERS = 16


@dataclass(frozen=True)
class Spans:
    """Labelled stretches of an utterance: names, and where each starts and ends, in samples."""

    names: tuple[str, ...]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def seconds(self) -> tuple[list[str], list[float], list[float]]:
        """Names, starts and ends in seconds."""
        return list(self.names), (self.starts / RATE_HZ).tolist(), (self.ends / RATE_HZ).tolist()


@dataclass
class _Files:
    """The files of one utterance: kind in capitals → path, and the size of its sound."""

    paths: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def sound(self) -> str:
        """The kind of its sound that is read; copies converted to RIFF may lie beside it."""
        return next((kind for kind in _SOUNDS if kind in self.paths), "")


def open_timit(source: Source) -> OpenCorpus:
    """Read a tree in TIMIT's layout.

    Frames are labelled with the phone in their middle: TIMIT's 61, or, in a tree that has others,
    all that occur in it, sorted. Where there are alignments (`striate.data.corpora.kaldi`, by the
    ids ``<speaker>_<sentence>``), they take the phones' place.

    Raises:
        DataError: there is no such tree, its alignments are damaged, or none of its phone labels
            can be read.
    """
    found = _find(source)
    if not found:
        raise DataError(
            f"{source} holds nothing like TRAIN/DR1/FCJF0/SA1.WAV.",
            "Name the folder that holds TIMIT's TRAIN and TEST.",
        )
    alignments = open_alignments(source)
    splits = {split: without_repeats(_utterances(found, split)) for split in SPLITS}
    splits = {split: utterances for split, utterances in splits.items() if utterances}
    if alignments is not None:
        labels, digest = alignments.states, alignments.digest.encode()
    else:
        labels, digest = _phones_of(source, found)
    annotate = _annotator(source, found, labels, alignments)
    return Speech(source, splits, labels, FIELDS, hash_of(splits, digest), annotate)


def parse_spans(content: bytes) -> Spans | None:
    """The lines ``start end label`` of a ``.PHN``, ``.WRD`` or ``.TXT``; None if one is wrong."""
    try:
        rows = [line.split(None, 2) for line in text_lines(content, "labels", "latin-1")]
        starts = np.array([int(row[0]) for row in rows], np.int64)
        ends = np.array([int(row[1]) for row in rows], np.int64)
        names = tuple(row[2].strip() for row in rows)
    except (DataError, ValueError, IndexError, OverflowError):
        return None
    wrong = not rows or starts[0] < 0 or (ends < starts).any() or (np.diff(starts) < 0).any()
    return None if wrong else Spans(names, starts, ends)


def label_frames(spans: Spans, labels: dict[str, int], samples: int) -> NDArray[np.int32]:
    """The phone in the middle of each frame; between phones, the one before; first and last go on.

    Args:
        spans: the utterance's phones.
        labels: phone → state.
        samples: the utterance's length at 16 kHz.

    Returns:
        (frames,) int32.
    """
    at = np.searchsorted(spans.starts, frame_centres(frames_in(samples)), side="right") - 1
    states = np.array([labels[name] for name in spans.names], np.int32)
    return states[np.maximum(at, 0)]


def _find(source: Source) -> dict[tuple[str, ...], _Files]:
    """(TRAIN or TEST, region, speaker, sentence, folder) in capitals → its files."""
    found: dict[tuple[str, ...], _Files] = {}
    for entry in list_visible(source, recursive=True):
        match = _PATH.match(entry.path)
        if match is None:
            continue
        *name, kind = (part.upper() for part in match.groups())
        place = entry.path[: match.start(5)]  # the same name elsewhere is another utterance
        files = found.setdefault((*name, place), _Files())
        files.paths[kind], files.sizes[kind] = entry.path, entry.size
    return found


def _utterances(found: dict[tuple[str, ...], _Files], split: str) -> Iterator[Utterance]:
    for name, files in sorted(found.items()):
        if name[0] != split.upper():
            continue
        kind = files.sound
        missing = "" if kind else "no sound file"
        yield Utterance(
            "/".join(name[:4]), files.paths.get(kind, ""), files.sizes.get(kind, 0), missing
        )


def _phones_of(
    source: Source, found: dict[tuple[str, ...], _Files]
) -> tuple[tuple[str, ...], bytes]:
    """The phones that label the corpus, and the text of all its phone labels, to be hashed."""
    paths = [files.paths["PHN"] for _, files in sorted(found.items()) if "PHN" in files.paths]
    contents = _read_all(source, paths)
    names = {
        name for content in contents if (spans := parse_spans(content)) for name in spans.names
    }
    if paths and not names:
        name, encoding = source.named(paths[0]), wide_encoding(contents[0])
        raise DataError(
            f"{name} is {encoding}, not UTF-8." if encoding else f"{name} holds no phone labels.",
            "Mend the .PHN files, or remove all of them to read the sounds alone.",
        )
    labels = PHONES if names <= set(PHONES) else tuple(sorted(names))
    return labels if names else (), b"\0".join(contents)


def _read_all(source: Source, paths: Sequence[str]) -> list[bytes]:
    if source.local is not None:
        return [source.read(path) for path in paths]
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(source.read, paths))


def _annotator(
    source: Source,
    found: dict[tuple[str, ...], _Files],
    labels: tuple[str, ...],
    alignments: Alignments | None,
) -> Callable[[Utterance, int], Annotation | str]:
    """What an utterance's files say; see `striate.data.corpora.utterances.Annotate`."""
    states = {name: state for state, name in enumerate(labels)}
    by_sound = {files.paths.get(files.sound): (name, files) for name, files in found.items()}

    def annotate(utterance: Utterance, samples: int) -> Annotation | str:
        (_, region, speaker, sentence, _), files = by_sound[utterance.sound]
        contents = [
            source.read(files.paths[kind]) if kind in files.paths else None
            for kind in ("PHN", "WRD", "TXT")
        ]
        phones, words, text = (parse_spans(content) if content else None for content in contents)
        label: FrameLabels | str = None
        if alignments is not None:
            label = alignments.of(f"{speaker}_{sentence}", samples)
        elif labels:
            label = _phone_label(contents[0], phones, states, samples)
        if isinstance(label, str):
            return label
        said = " ".join(text.names) if text else " ".join(words.names) if words else ""
        fields = {"speaker": speaker, "sex": speaker[0], "region": region, "text": said}
        return Annotation(label, fields | _columns("phone", phones) | _columns("word", words))

    return annotate


def _phone_label(
    content: bytes | None, phones: Spans | None, states: dict[str, int], samples: int
) -> FrameLabels | str:
    if content is None:
        return "no phone labels"
    if phones is None:
        encoding = wide_encoding(content)
        return f"phone labels are {encoding}, not UTF-8" if encoding else "unreadable phone labels"
    if phones.starts[-1] >= samples:
        return "the sound is shorter than its phone labels"
    return label_frames(phones, states, samples)


def _columns(kind: str, spans: Spans | None) -> dict[str, object]:
    names, starts, ends = spans.seconds() if spans else ([], [], [])
    return {f"{kind}s": names, f"{kind}_starts_s": starts, f"{kind}_ends_s": ends}
