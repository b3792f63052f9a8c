"""espeak-ng through the wheel ``espeakng-loader``: sentences to sound with exact phone times."""

import json
import subprocess
import sys
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import PlatformError, UsageError
from striate.data.corpora import espeak_worker

_STRESS = "',%="
_PAUSES = {"_", "_:", "_!", "_|", "_::"}
SILENCE, PAUSE, EPENTHETIC = "h#", "pau", "epi"
_QUIET = {SILENCE, PAUSE, EPENTHETIC}
_SILENT = 16  # of 32,768


@dataclass(frozen=True)
class SpeechRequest:
    """A sentence to be said.

    Attributes:
        text: words.
        voice: espeak-ng's name of a language, ``+`` and a variant: ``en-us+f3``.
        words_per_minute: speed, from 80 to 450.
        pitch: from 0 to 99; 50 is the voice's own.
    """

    text: str
    voice: str
    words_per_minute: int = 175
    pitch: int = 50


PhoneSpan = tuple[int, int, str]


@dataclass(frozen=True)
class SynthesisedSpeech:
    """A sentence that was said.

    Attributes:
        samples: (n,) int16.
        rate: samples a second: 22,050.
        phones: (start, end, espeak-ng's mnemonic without stress) in samples, without gaps from 0 to
            n; silence is TIMIT's ``h#`` at both ends, ``pau`` between phrases, ``epi`` before a
            word's first phone.
        words: (start, end, word) in samples.
    """

    samples: NDArray[np.int16]
    rate: int
    phones: tuple[PhoneSpan, ...]
    words: tuple[PhoneSpan, ...]


def speak(requests: Sequence[SpeechRequest]) -> list[SynthesisedSpeech]:
    """Say some sentences, each as if it were the first: in a process of their own.

    Raises:
        UsageError: the package espeakng-loader is missing.
        PlatformError: the synthesiser fails.
    """
    order = {**_library(), "requests": [asdict(request) for request in requests]}
    command = [sys.executable, "-P", str(Path(espeak_worker.__file__))]
    done = subprocess.run(command, input=json.dumps(order).encode(), capture_output=True)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it was ended"]
        raise PlatformError(f"The speech synthesiser failed: {said[-1]}.")
    return _answers(done.stdout, requests)


def _library() -> dict[str, str]:
    try:
        import espeakng_loader
    except ImportError:
        raise UsageError(
            "Generating speech needs espeakng-loader.", "Install striate[speech]."
        ) from None
    return {
        "library": str(espeakng_loader.get_library_path()),
        "data": str(espeakng_loader.get_data_path()),
    }


def _answers(output: bytes, requests: Sequence[SpeechRequest]) -> list[SynthesisedSpeech]:
    spoken, at = [], 0
    for request in requests:
        end = output.index(b"\n", at)
        head = json.loads(output[at:end])
        at = end + 1 + head["bytes"]
        samples = np.frombuffer(output, "<i2", head["bytes"] // 2, end + 1).astype(np.int16)
        words = [(start, at) for kind, start, at in head["events"] if kind == "word"]
        marks = [(start, name) for kind, start, name in head["events"] if kind == "phone"]
        phones = _phones(marks, [start for start, _ in words], samples)
        spoken.append(
            SynthesisedSpeech(
                samples, head["rate"], phones, tuple(_words(words, phones, request.text))
            )
        )
    return spoken


def _phones(
    marks: list[tuple[int, str]], words: list[int], samples: NDArray[np.int16]
) -> tuple[PhoneSpan, ...]:
    """Marks where phones start → spans that fill the sound.

    Between a word's mark and that of its first phone there is a short silence, or, after a linking
    r, the way from one to the other, which is left to the r.
    """
    total = len(samples)
    named = [(start, PAUSE if name in _PAUSES else name.strip(_STRESS)) for start, name in marks]
    starts = sorted(start for start, _ in named)
    for start in words:
        end = starts[min(bisect_left(starts, start), len(starts) - 1)] if starts else total
        if end > start and np.median(np.abs(samples[start:end].astype(np.int32))) < _SILENT:
            named.append((start, EPENTHETIC))
    named = sorted(mark for mark in named if mark[0] < total and mark[1])
    if not named or named[0][0] > 0:
        named.insert(0, (0, SILENCE))
    ends = [start for start, _ in named[1:]] + [total]
    spans = [
        (start, end, name) for (start, name), end in zip(named, ends, strict=True) if end > start
    ]
    return _silent_ends(spans)


def _silent_ends(spans: list[PhoneSpan]) -> tuple[PhoneSpan, ...]:
    """The first and the last pause of all are TIMIT's ``h#``; pauses that touch are one."""
    merged: list[PhoneSpan] = []
    for start, end, name in spans:
        if merged and name in _QUIET and merged[-1][2] in _QUIET:
            kept = SILENCE if SILENCE in {merged[-1][2], name} else PAUSE
            merged[-1] = (merged[-1][0], end, kept)
        else:
            merged.append((start, end, name))
    for at in (0, -1):
        start, end, name = merged[at]
        merged[at] = (start, end, SILENCE if name in _QUIET else name)
    return tuple(merged)


def _words(marks: list[tuple[int, int]], phones: Sequence[PhoneSpan], text: str) -> list[PhoneSpan]:
    """Each word from its first phone to its last; words that are said as one are one."""
    nexts = [*marks[1:], (sys.maxsize, len(text))]
    spans = []
    for (start, at), (end, at_next) in zip(marks, nexts, strict=True):
        own = [phone for phone in phones if start <= phone[0] < end and phone[2] not in _QUIET]
        word = " ".join(text[at:at_next].lower().split()).strip(".,?! ")
        if own and word:
            spans.append((own[0][0], own[-1][1], word))
    return spans
