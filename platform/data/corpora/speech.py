"""Speech that is made here: espeak-ng's voices, written in TIMIT's layout with exact phone times.

Four accents of English and thirteen variants of the voice make 52 speakers, each with a speed and
a pitch of its own. A fifth of them, men and women of every accent, speak the split ``test`` alone.
"""

import io
import os
import wave
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.core.files import atomic_folder
from striate.data.corpora.espeak import SILENCE, PhoneSpan, SpeechRequest, SynthesisedSpeech, speak
from striate.data.transforms.audio.load import RATE_HZ, to_mono
from striate.data.transforms.random import uniforms

SIZE = 240
SEED = 0
ACCENTS = {"US": "en-us", "RP": "en-gb-x-rp", "SC": "en-gb-scotland", "NY": "en-us-nyc"}
# Those with an echo are left out: they carry each phone into the next, and noise into both.
VOICES = {
    "F": {"F1": "f1", "AD": "Andrea", "AK": "anika", "AN": "Annie", "BE": "belinda", "ST": "steph"},
    "M": {f"M{number}": f"m{number}" for number in (1, 3, 4, 5, 6, 7, 8)},
}
_TEST_EVERY = 5
_MARGIN = RATE_HZ // 10
_CHUNK = 16
_WORDS_PER_MINUTE = (130, 230)
_PITCHES = (35, 65)
_NOISE = 10.0  # peak, in 16-bit steps: silence is never quite silent, about −75 dB
_FULL_SCALE = 32767

_WORDS = {
    "people": "she|he|we|they|you|the girl|the boy|my sister|our teacher|the old captain",
    "did": "found|lost|kept|sold|painted|carried|wanted|measured|washed|chose|brought",
    "did to": "saw|heard|thought about|looked for|laughed at|asked for|paid for",
    "adjective": "red|blue|quiet|heavy|golden|small|warm|strange|yellow|narrow|foolish",
    "noun": "boat|house|garden|violin|ship|cheese|jacket|window|thing|bridge|mouth|orange|judge"
    "|voice|fox|pleasure|watch|leather|zebra|yacht",
    "place": "in the kitchen|near the river|at school|on the hill|by the church",
    "time": "this morning|last year|on Thursday|every day|at noon|before the storm",
    "number": "zero|one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty",
}


@dataclass(frozen=True)
class Speaker:
    """A voice.

    Attributes:
        name: five characters, as TIMIT's: sex, accent, variant.
        region: ``DR1`` … for the accent.
        split: ``TRAIN`` or ``TEST``.
        voice: espeak-ng's name of it.
        words_per_minute: its speed.
        pitch: its pitch, from 0 to 99.
    """

    name: str
    region: str
    split: str
    voice: str
    words_per_minute: int
    pitch: int


def write_speech(target: Path, size: int = SIZE, seed: int = SEED) -> None:
    """Write generated speech to the folder `target`, in TIMIT's layout.

    The sound is RIFF, 16 bit, resampled from the synthesiser's 22,050 Hz to 16 kHz, with a tenth of
    a second of silence at both ends, and with a faint noise so that silence is not exactly nothing.
    The first n utterances are the same in every size.

    Args:
        target: the folder.
        size: utterances, about 3 seconds each.
        seed: of speeds, pitches, sentences and noise.

    Raises:
        UsageError: the synthesiser is not installed.
        PlatformError: the disk is full, or the synthesiser fails.
    """
    chunks = [range(at, min(at + _CHUNK, size)) for at in range(0, size, _CHUNK)]
    people = speakers(seed)
    with atomic_folder(target) as folder, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for _ in pool.map(lambda chunk: _write_chunk(folder, people, chunk, seed), chunks):
            pass


def speakers(seed: int = SEED) -> list[Speaker]:
    """All speakers, in the order in which they take turns: every fifth is one of the test."""
    people = []
    variants = [(sex, code, name) for sex, names in VOICES.items() for code, name in names.items()]
    for number, ((sex, code, variant), accent) in enumerate(product(variants, ACCENTS)):
        speed, pitch = _uniforms(seed, number, 2, stream=1)
        people.append(
            Speaker(
                name=f"{sex}{accent}{code}",
                region=f"DR{list(ACCENTS).index(accent) + 1}",
                split="TEST" if number % _TEST_EVERY == _TEST_EVERY - 1 else "TRAIN",
                voice=f"{ACCENTS[accent]}+{variant}",
                words_per_minute=round(_between(speed, _WORDS_PER_MINUTE)),
                pitch=round(_between(pitch, _PITCHES)),
            )
        )
    turns = np.argsort(_uniforms(seed, 0, len(people), stream=2), kind="stable")
    mixed = [people[turn] for turn in turns.tolist()]
    train = iter([person for person in mixed if person.split == "TRAIN"])
    test = iter([person for person in mixed if person.split == "TEST"])
    return [
        next(test if at % _TEST_EVERY == _TEST_EVERY - 1 else train) for at in range(len(mixed))
    ]


def sentence(number: int, seed: int = SEED) -> str:
    """The words of one utterance: mostly a sentence, now and then numbers or a single word."""
    draws = iter(_uniforms(seed, number, 10, stream=3).tolist())

    def one(kind: str) -> str:
        words = _WORDS[kind].split("|")
        return words[int(next(draws) * len(words))]

    kind = next(draws)
    if kind < 0.1:
        said = one("noun")
    elif kind < 0.25:
        said = " ".join(one("number") for _ in range(5))
    else:
        verb = f"{one('did')} the" if kind < 0.75 else f"{one('did to')} a"
        said = " ".join([one("people"), verb, one("adjective"), one("noun"), one("place")])
        said += f" {one('time')}" if kind < 0.6 else ""
    return f"{said[0].upper()}{said[1:]}."


def _write_chunk(folder: Path, people: Sequence[Speaker], numbers: range, seed: int) -> None:
    turns = [people[number % len(people)] for number in numbers]
    texts = [sentence(number, seed) for number in numbers]
    requests = [
        SpeechRequest(text, person.voice, person.words_per_minute, person.pitch)
        for text, person in zip(texts, turns, strict=True)
    ]
    for number, person, text, spoken in zip(numbers, turns, texts, speak(requests), strict=True):
        place = folder / person.split / person.region / person.name
        place.mkdir(parents=True, exist_ok=True)
        _write_utterance(place / f"SX{number}", text, spoken, _noise(seed, number))


def _write_utterance(stem: Path, text: str, spoken: SynthesisedSpeech, noise: "_Noise") -> None:
    source = (spoken.samples / np.float32(_FULL_SCALE + 1)).astype(np.float32)
    samples = np.pad(to_mono(source[:, None], spoken.rate), _MARGIN)
    steps = np.rint(samples * _FULL_SCALE + noise(len(samples)))
    stem.with_suffix(".WAV").write_bytes(_riff(np.clip(steps, -32768, 32767).astype("<i2")))
    scale, total = RATE_HZ / spoken.rate, len(samples)

    def placed(spans: Sequence[PhoneSpan]) -> list[PhoneSpan]:
        at = [(round(start * scale), round(end * scale), name) for start, end, name in spans]
        return [(_MARGIN + start, _MARGIN + end, name) for start, end, name in at]

    stem.with_suffix(".PHN").write_text(_lines(_with_margins(placed(spoken.phones), total)))
    stem.with_suffix(".WRD").write_text(_lines(placed(spoken.words)))
    stem.with_suffix(".TXT").write_text(f"0 {total} {text}\n")


def _with_margins(phones: Sequence[PhoneSpan], total: int) -> list[PhoneSpan]:
    """The same phones, silence (``h#``) from 0 on and up to `total`, whatever they start with."""
    inner = [span for span in phones if span[2] != SILENCE]
    return [(0, inner[0][0], SILENCE), *inner, (inner[-1][1], total, SILENCE)]


def _riff(samples: NDArray[np.int16]) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())
    return content.getvalue()


def _lines(spans: Sequence[PhoneSpan]) -> str:
    """``start end label`` a line, in samples at 16 kHz."""
    return "".join(f"{start} {end} {name}\n" for start, end, name in spans)


_Noise = Callable[[int], NDArray[np.float64]]


def _noise(seed: int, number: int) -> _Noise:
    return lambda count: _NOISE * (2 * _uniforms(seed, number, count, stream=4) - 1)


def _uniforms(seed: int, number: int, draws: int, stream: int) -> NDArray[np.float64]:
    """`draws` numbers in [0, 1) for utterance or speaker `number`."""
    return uniforms(seed, np.array([stream]), np.array([number]), draws)[:, 0]


def _between(draw: float, limits: tuple[int, int]) -> float:
    return limits[0] + draw * (limits[1] - limits[0])
