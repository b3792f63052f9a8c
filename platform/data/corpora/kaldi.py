"""Frame alignments as Kaldi text archives, joined to a corpus of utterances by their ids.

A line is an utterance's id and one state id for each frame of 10 ms (``utt 3 3 3 17 …``), as
``ali-to-pdf final.mdl "ark:gunzip -c ali.*.gz|" ark,t:-`` prints them. The files lie in the folder
``alignments`` of the source, plain or gzipped; ``alignments/states.txt``, where there is one, lists
the states as ``name id`` a line, like Kaldi's ``phones.txt``.
"""

import codecs
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import DataError
from striate.core.text import decode_text, numbered_lines
from striate.data.corpora.hidden_files import list_visible
from striate.data.storage import Source
from striate.data.transforms.audio.frames import FRAME_STEP, frames_in

FOLDER = "alignments"
STATES_FILE = f"{FOLDER}/states.txt"
_GZIP_MAGIC = b"\x1f\x8b"
_BINARY_MARK = b"\0B"
_BUFFER_BYTES = 2**20

States = NDArray[np.int32]


@dataclass(frozen=True)
class _Place:
    """Where an utterance's states lie in an archive: bytes `start` to `stop` of its text."""

    archive: str
    start: int
    stop: int


@dataclass
class Alignments:
    """The state of every frame of a corpus's utterances.

    Attributes:
        source: where the archives lie.
        states: names of the states, indexed by their ids.
        digest: hash of the names and sizes of the archives and of the list of states.
        places: utterance → where its states lie.
        repeated: utterances that are there more than once, so that none is to be believed.
    """

    source: Source
    states: tuple[str, ...] = ()
    digest: str = ""
    places: dict[str, _Place] = field(default_factory=dict)
    repeated: set[str] = field(default_factory=set)
    _unpacked: dict[str, bytes] = field(default_factory=dict)

    def of(self, utterance: str, samples: int) -> States | str:
        """The states of an utterance's frames.

        Alignments of whole frames alone fit as they are. Those of ``snip-edges=false``, which
        counts one frame each 10 ms from the very start, lose the frames that are not whole.

        Args:
            utterance: its id.
            samples: its length at 16 kHz.

        Returns:
            (frames,) int32; or why there are none.
        """
        if utterance in self.repeated:
            return "duplicated alignment"
        if utterance not in self.places:
            return "no alignment"
        try:
            states = np.array(self._text(self.places[utterance]).split(), np.int32)
        except (ValueError, OverflowError):
            return "unreadable alignment"
        frames = frames_in(samples)
        if len(states) == frames:
            return states
        if len(states) == (samples + FRAME_STEP // 2) // FRAME_STEP:
            return states[1 : 1 + frames]
        return "alignment of another length than the sound"

    def _text(self, place: _Place) -> bytes:
        if place.archive in self._unpacked:
            return self._unpacked[place.archive][place.start : place.stop]
        with self.source.open(place.archive) as file:
            file.seek(place.start)
            return file.read(place.stop - place.start)


def open_alignments(source: Source) -> Alignments | None:
    """Index the alignments that lie beside a corpus; None where there are none.

    Of a plain archive only the places are kept; a gzipped one stays in memory, unpacked.

    Raises:
        DataError: an archive is binary or damaged, or the list of states is; the message names it.
    """
    if not source.is_dir(FOLDER):
        return None
    found = Alignments(source)
    digest = hashlib.sha256()
    highest = -1
    for entry in list_visible(source, FOLDER):
        if entry.path == STATES_FILE:
            continue
        digest.update(f"{entry.path} {entry.size}\n".encode())
        for utterance, place in _index(found, entry.path):
            if utterance in found.places:
                found.repeated.add(utterance)
            found.places[utterance] = place
    if source.exists(STATES_FILE):
        content = source.read(STATES_FILE)
        digest.update(content)
        found.states = _states(content, source.named(STATES_FILE))
    else:
        highest = max((_highest(found._text(place)) for place in found.places.values()), default=-1)
        found.states = tuple(str(state) for state in range(highest + 1))
    found.digest = digest.hexdigest()
    return found


def _index(found: Alignments, archive: str) -> Iterator[tuple[str, _Place]]:
    """The utterances of an archive and where their states lie in it."""
    with found.source.open(archive) as file:
        packed = file.read(2) == _GZIP_MAGIC
        if packed:
            file.seek(0)
            found._unpacked[archive] = _unpack(file.read(), found.source.named(archive))
        file.seek(0)
        # A file in a bucket has no lines of its own.
        plain = io.BufferedReader(cast(io.RawIOBase, file), _BUFFER_BYTES)
        lines = io.BytesIO(found._unpacked[archive]) if packed else plain
        at = 0
        for line in lines:
            if at == 0 and line.startswith(codecs.BOM_UTF8):
                line, at = line.removeprefix(codecs.BOM_UTF8), len(codecs.BOM_UTF8)
            utterance, *states = line.split(None, 1) or [b""]
            if states and states[0].startswith(_BINARY_MARK):
                raise DataError(
                    f"{found.source.named(archive)} is a binary archive.",
                    "Turn it into text: `copy-int-vector ark:IN ark,t:OUT`.",
                )
            if utterance:
                name = utterance.decode("utf-8", "replace")
                ends = at + line.index(utterance) + len(utterance)
                yield name, _Place(archive, ends, at + len(line))
            at += len(line)


def _unpack(content: bytes, name: str) -> bytes:
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{name} is truncated or damaged: {error}.", "Fetch it again.") from None


def _highest(text: bytes) -> int:
    """The highest state of a line; of one that cannot be read, none."""
    try:
        return max(map(int, text.split()), default=-1)
    except ValueError:
        return -1


def _states(content: bytes, name: str) -> tuple[str, ...]:
    """Names of states by id, from lines ``name id`` in any order; ids that are left out too."""
    named: dict[int, str] = {}
    for number, line in numbered_lines(decode_text(content, name)):
        parts = line.split()
        if len(parts) != 2 or not parts[1].isdigit() or int(parts[1]) in named:
            raise DataError(
                f"Line {number} of {name} is not a new state: {line[:40]!r}.",
                "Write one `name id` a line, each id once.",
            )
        named[int(parts[1])] = parts[0]
    if not named:
        raise DataError(f"{name} lists no states.", "Write one `name id` a line.")
    return tuple(named.get(state, str(state)) for state in range(max(named) + 1))
