"""LibriSpeech (Panayotov, Chen, Povey, Khudanpur, ICASSP 2015; CC BY 4.0, openslr.org/12).

``LibriSpeech/train-clean-100/<speaker>/<chapter>/<speaker>-<chapter>-0000.flac``, the words of a
chapter in ``<speaker>-<chapter>.trans.txt`` (``id WORDS …`` a line), and ``SPEAKERS.TXT``. It has
no frame labels of its own; alignments may lie beside it (`striate.data.corpora.kaldi`).
"""

import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from striate.core.errors import DataError
from striate.core.text import text_lines
from striate.data.corpora.hidden_files import list_visible
from striate.data.corpora.kaldi import Alignments, open_alignments
from striate.data.corpora.utterances import Annotation, FrameLabels, Speech, Utterance, hash_of
from striate.data.shards.schema import (
    FieldKind,
    OpenCorpus,
)
from striate.data.storage import ListedFile, Source

FIELDS: dict[str, FieldKind] = {
    "units": "int32",
    "speaker": "string",
    "sex": "string",
    "chapter": "string",
    "text": "string",
}
TRAIN = "train"
_PATH = re.compile(
    r"(?:^|.*/)((?:train|dev|test)-[^/]+)/([^/]+)/([^/]+)/([^/]+)\.(flac|trans\.txt)$",
    re.IGNORECASE,
)
_SPEAKERS = re.compile(r"(?:^|.*/)SPEAKERS\.TXT$", re.IGNORECASE)
_READERS = 16
_OLD = "latin-1"  # of a transcript that is not UTF-8


@dataclass
class _Lines:
    """The transcripts of one part: utterance → words, how often each id occurs, and all text."""

    words: dict[str, str]
    counts: Counter[str]
    content: bytes


def open_librispeech(source: Source) -> OpenCorpus:
    """Read a tree in LibriSpeech's layout, or any of its parts.

    All parts ``train-…`` together are the split ``train``; each of the others (``dev-clean``,
    ``test-other`` …) is a split of its own name. An utterance without words, words without a
    sound, and an id that occurs twice are left out and counted.

    Raises:
        DataError: there is no such tree, or its alignments are damaged.
    """
    entries = list_visible(source, recursive=True)
    parts = _parts(entries)
    if not any(sounds for sounds, _ in parts.values()):
        raise DataError(
            f"{source} holds nothing like train-clean-100/19/198/19-198-0000.flac.",
            "Name the folder into which LibriSpeech's archives were unpacked.",
        )
    speakers = next((entry.path for entry in entries if _SPEAKERS.match(entry.path)), None)
    listing = source.read(speakers) if speakers else b""
    lines = {split: _read_lines(source, texts) for split, (_, texts) in parts.items()}
    splits = {split: _join(sounds, lines[split]) for split, (sounds, _) in parts.items()}
    alignments = open_alignments(source)
    words = {key: said for part in lines.values() for key, said in part.words.items()}
    texts = [part.content for part in lines.values()]
    return Speech(
        source,
        splits,
        alignments.states if alignments else (),
        FIELDS,
        hash_of(splits, *texts, listing, alignments.digest if alignments else ""),
        _annotator(words, parse_speakers(listing), alignments),
    )


def parse_speakers(content: bytes) -> dict[str, str]:
    """Speaker → ``F`` or ``M``, from the lines ``id | sex | part | minutes | name``."""
    rows = (line.split("|") for line in text_lines(content, "SPEAKERS.TXT", _OLD))
    return {
        row[0].strip(): row[1].strip()
        for row in rows
        if len(row) >= 2 and not row[0].startswith(";")
    }


def _parts(entries: list[ListedFile]) -> dict[str, tuple[list[ListedFile], list[str]]]:
    """Split → its sounds and its transcripts."""
    parts: dict[str, tuple[list[ListedFile], list[str]]] = {}
    for entry in entries:
        match = _PATH.match(entry.path)
        if match is None:
            continue
        part, kind = match[1], match[5].lower()
        split = TRAIN if part.startswith("train-") else part
        sounds, texts = parts.setdefault(split, ([], []))
        if kind == "flac":
            sounds.append(entry)
        else:
            texts.append(entry.path)
    return parts


def _read_lines(source: Source, paths: list[str]) -> _Lines:
    """The lines of all transcripts of a part, read several at a time where that helps."""
    with ThreadPoolExecutor(1 if source.local is not None else _READERS) as pool:
        contents = list(pool.map(source.read, paths))
    words: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for path, content in zip(paths, contents, strict=True):
        for line in text_lines(content, source.named(path), _OLD):
            key, *said = line.split(None, 1)
            counts[key] += 1
            words.setdefault(key, "".join(said))
    return _Lines(words, counts, b"\n".join(contents))


def _join(sounds: list[ListedFile], lines: _Lines) -> list[Utterance]:
    """Every sound and every line of a part, in the order of their ids, each judged."""
    seen: set[str] = set()
    joined = []
    for entry in sounds:
        key = entry.path.rpartition("/")[2].rpartition(".")[0]
        problem = _problem(key, key in seen, lines)
        seen.add(key)
        joined.append(Utterance(key, entry.path, entry.size, problem))
    lost = (Utterance(key, problem="no sound file") for key in lines.words if key not in seen)
    return sorted([*joined, *lost], key=lambda utterance: (utterance.key, utterance.sound))


def _problem(key: str, again: bool, lines: _Lines) -> str:
    if again:
        return "duplicated key"
    if lines.counts[key] > 1:
        return "several transcript lines"
    return "" if lines.words.get(key) else "no transcript line"


def _annotator(
    words: dict[str, str], sexes: dict[str, str], alignments: Alignments | None
) -> Callable[[Utterance, int], Annotation | str]:
    def annotate(utterance: Utterance, samples: int) -> Annotation | str:
        label: FrameLabels | str = None
        if alignments is not None:
            label = alignments.of(utterance.key, samples)
        if isinstance(label, str):
            return label
        speaker, chapter = [*utterance.key.split("-"), ""][:2]
        return Annotation(
            label,
            {
                "speaker": speaker,
                "sex": sexes.get(speaker, ""),
                "chapter": chapter,
                "text": words[utterance.key],
            },
        )

    return annotate
