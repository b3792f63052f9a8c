"""Generated speech with three states a phone: the same sounds, and alignments beside them.

The states of a hidden Markov model of a phone, beginning, middle and end, are the thirds of its
time, which is known exactly. They lie beside the tree as Kaldi's alignments do
(`striate.data.corpora.kaldi`), under the names ``aI.0 aI.1 aI.2``.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.core.files import atomic_folder
from striate.data.corpora.kaldi import FOLDER, STATES_FILE
from striate.data.corpora.speech import SEED, SIZE, write_speech
from striate.data.corpora.timit import Spans, parse_spans
from striate.data.transforms.audio.frames import frame_centres, frames_in

STATES = 3


def write_speech_states(target: Path, size: int = SIZE, seed: int = SEED) -> None:
    """Write generated speech and the states of its frames to the folder `target`.

    Args:
        target: the folder.
        size: utterances.
        seed: as `striate.data.corpora.speech.write_speech`'s.

    Raises:
        UsageError: the synthesiser is not installed.
        PlatformError: the disk is full, or the synthesiser fails.
    """
    with atomic_folder(target) as folder:
        write_speech(folder / "speech", size, seed)
        spans = {path: _read(path) for path in sorted(folder.rglob("*.PHN"))}
        phones = sorted({name for one in spans.values() for name in one.names})
        first = {phone: STATES * at for at, phone in enumerate(phones)}
        named = [f"{phone}.{state}" for phone in phones for state in range(STATES)]
        (folder / FOLDER).mkdir()
        (folder / STATES_FILE).write_text(
            "".join(f"{name} {at}\n" for at, name in enumerate(named))
        )
        lines = [
            f"{path.parent.name}_{path.stem} {' '.join(map(str, label_states(one, first)))}\n"
            for path, one in spans.items()
        ]
        (folder / FOLDER / "ali.txt").write_text("".join(lines))


def label_states(spans: Spans, first: dict[str, int]) -> NDArray[np.int32]:
    """The state of each frame: the third of its phone in which its middle is.

    Args:
        spans: an utterance's phones, without gaps from 0 to its end, in samples at 16 kHz.
        first: phone → its first state.

    Returns:
        (frames,) int32.
    """
    centres = frame_centres(frames_in(int(spans.ends[-1])))
    at = np.searchsorted(spans.starts, centres, side="right") - 1
    length = np.maximum(spans.ends - spans.starts, 1)[at]
    third = np.minimum(STATES * (centres - spans.starts[at]) // length, STATES - 1)
    phones = np.array([first[name] for name in spans.names], np.int32)[at]
    states: NDArray[np.int32] = (phones + third).astype(np.int32)
    return states


def _read(path: Path) -> Spans:
    spans = parse_spans(path.read_bytes())
    assert spans is not None, "the synthesiser's phones are written whole"
    return spans
