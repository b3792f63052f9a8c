"""Speech read while it is said: the same words however the sound is cut, bounded, and refusals.

The speaker here says three phones, each a tone, and the network looks how loud the tones' bands are
in the middle of a window.
"""

import io
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from striate.core.bundle import Architecture, Bundle, BundleSpec, PipelineSpec, TensorSpec
from striate.core.errors import BundleError, PayloadTooLarge, RequestError
from striate.data.pipelines.speech_frames import SpeechFrames
from striate.data.transforms.audio.features import log_mel
from striate.data.transforms.audio.load import RATE_HZ
from striate.data.transforms.audio.state_priors import StatePriors
from striate.models import build
from striate.models.speech.grammar import bigram_grammar
from striate.models.speech.lexicon import Lexicon
from striate.models.speech.word_decoder import WordDecoder
from striate.serve.predictors.speech import HeardSpeech, SpeechPredictor

pytestmark = pytest.mark.unit

Sound = NDArray[np.float32]
TONES_HZ = {"A": 500.0, "B": 1200.0, "C": 2600.0}
LABELS = (*TONES_HZ, "h#")
LEXICON = Lexicon.of_text("alba 1 A B\nbach 1 B C\ncab 1 C A B\n")
SENTENCES = [["alba", "bach"], ["cab", "alba"], ["bach", "cab", "cab"]]
SAID = "bach cab cab alba bach"


def tone(hertz: float, seconds: float) -> Sound:
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return np.asarray(0.3 * np.sin(2 * np.pi * hertz * times), np.float32)


def say(text: str, pause_s: float = 0.25) -> Sound:
    """Words with pauses before, between and after them, over a faint noise."""
    pause, ways = tone(0, pause_s), {one.words[0]: one.phones for one in LEXICON.pronunciations}
    parts = [pause]
    for word in text.split():
        parts += [tone(TONES_HZ[phone], 0.15) for phone in ways[word]] + [pause]
    sound = np.concatenate(parts)
    noise = np.random.default_rng(0).standard_normal(len(sound)) * 1e-3
    return np.asarray(sound + noise, np.float32)


@pytest.fixture(scope="module")
def predictor() -> SpeechPredictor:
    bands = [
        int(log_mel(torch.from_numpy(tone(hertz, 0.2))).mean(0).argmax())
        for hertz in TONES_HZ.values()
    ]

    def network(windowed: Tensor) -> Tensor:
        loud = windowed[:, 0, bands, windowed.shape[3] // 2]
        return torch.cat([4 * loud, torch.ones(len(loud), 1)], 1)

    decoder = WordDecoder(LABELS, LEXICON, bigram_grammar(SENTENCES, LEXICON.words), scale=1.0)
    pipeline = SpeechFrames(normalisation="running")
    return SpeechPredictor(network, pipeline, StatePriors((1, 1, 1, 1)), decoder)


def riff(sound: Sound, rate: int = RATE_HZ, channels: int = 1) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.repeat(sound, channels) * 32767).astype("<i2").tobytes())
    return out.getvalue()


def streamed(predictor: SpeechPredictor, sound: Sound, cuts: list[int]) -> list[HeardSpeech]:
    """What is heard after each piece, and in the end."""
    recognizer = predictor.listen()
    pieces = np.split(sound, sorted(cuts))
    return [*(recognizer.accept(piece) for piece in pieces), recognizer.finish()]


def test_a_recording_is_read_with_the_time_of_each_word(predictor: SpeechPredictor) -> None:
    found = predictor.recognize(riff(say(SAID)))
    assert (found.text, found.settled) == (SAID, len(SAID))
    starts = np.cumsum([0.25, *(0.15 * phones + 0.25 for phones in (2, 3, 3, 2))])
    assert [one.start_s for one in found.words] == pytest.approx(starts.tolist(), abs=0.1)
    assert found.seconds == pytest.approx(len(say(SAID)) / RATE_HZ)


@pytest.fixture(scope="module")
def whole(predictor: SpeechPredictor) -> HeardSpeech:
    """All at once."""
    return streamed(predictor, say(SAID), [])[-1]


@settings(max_examples=6, deadline=None)
@given(cuts=st.lists(st.integers(0, 3 * RATE_HZ), max_size=30))
def test_how_sound_is_cut_does_not_matter(
    predictor: SpeechPredictor, whole: HeardSpeech, cuts: list[int]
) -> None:
    assert streamed(predictor, say(SAID), cuts)[-1] == whole


def test_what_is_settled_stays(predictor: SpeechPredictor) -> None:
    sound = say(SAID)
    found = streamed(predictor, sound, list(range(0, len(sound), 1600)))
    final, settled = found[-1], [one.settled_words for one in found]
    assert settled == sorted(settled) and 0 < settled[-2] <= len(final.words) == settled[-1]
    for one in found:
        assert one.words[: one.settled_words] == final.words[: one.settled_words]
        assert one.text[: one.settled] == final.text[: one.settled]
    assert {"bach cab", "bach cab cab"} <= {one.text for one in found}  # the rest is not said yet


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (22_050, 1), (44_100, 2)])
def test_other_rates_and_channels_are_read(
    predictor: SpeechPredictor, rate: int, channels: int
) -> None:
    from scipy.signal import resample_poly

    sound = resample_poly(say(SAID), rate // 50, RATE_HZ // 50).astype(np.float32)
    whole = predictor.recognize(riff(sound, rate, channels))
    assert whole.text == SAID
    samples, told = predictor.decode_file(riff(sound, rate, channels))
    recognizer = predictor.listen(told)
    for piece in np.array_split(samples, 17):
        recognizer.accept(piece)
    assert recognizer.finish() == whole


def test_minutes_are_heard_in_little_memory(predictor: SpeechPredictor) -> None:
    recognizer, sound = predictor.listen(), say(SAID)
    times = 5
    for _ in range(times):
        recognizer.accept(sound)
    assert len(recognizer._search._history._words) < 50
    assert recognizer._waiting is not None and recognizer._waiting.shape[1] < 60
    assert recognizer.finish().text == " ".join([SAID] * times)


@pytest.mark.parametrize("seconds", [0.0001, 0.02, 0.3, 3.0])
def test_of_silence_nothing_is_heard(predictor: SpeechPredictor, seconds: float) -> None:
    sound = np.zeros(max(1, round(seconds * RATE_HZ)), np.float32)
    found = predictor.recognize(riff(sound))
    assert (found.text, found.settled) == ("", 0)


@pytest.mark.parametrize(
    ("audio", "said"),
    [
        (b"", "empty"),
        (b"ID3\x03 what a pity", "neither FLAC nor RIFF nor SPHERE"),
        (riff(say("alba"))[:-900], "truncated"),
        (b"fLaC" + bytes(60), "truncated or damaged"),
    ],
)
def test_a_file_that_is_no_sound_is_refused(
    predictor: SpeechPredictor, audio: bytes, said: str
) -> None:
    with pytest.raises(RequestError, match=said):
        predictor.recognize(audio)


@pytest.mark.parametrize(
    "samples",
    [np.zeros((2, 9), np.float32), np.array([0.0, np.nan]), np.arange(9), np.array([np.inf])],
)
def test_samples_that_are_none_are_refused(predictor: SpeechPredictor, samples: Sound) -> None:
    recognizer = predictor.listen()
    with pytest.raises(RequestError, match="no row of finite"):
        recognizer.accept(samples)
    assert recognizer.finish().text == ""


def test_an_endless_sound_is_refused(
    predictor: SpeechPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("striate.serve.predictors.speech.MAX_SECONDS", 1.0)
    recognizer = predictor.listen()
    recognizer.accept(np.zeros(RATE_HZ, np.float32))
    with pytest.raises(PayloadTooLarge, match="too long"):
        recognizer.accept(np.zeros(1, np.float32))


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        (None, "not for reading speech"),
        (PipelineSpec(name="speech-frames"), "when all of it has been said"),
    ],
)
def test_bundles_that_cannot_be_listened_with_are_refused(
    pipeline: PipelineSpec | None, said: str, tmp_path: Path
) -> None:
    architecture = Architecture(name="speech_convnet", arguments={"width": 1 / 64, "classes": 4})
    edge = TensorSpec(dtype="float32", shape=(1, 40, 40), layout="CFT", units="x")
    spec = BundleSpec(
        architecture=architecture, task="frames", inputs={"input": edge},
        outputs={"output": edge}, pipeline=pipeline,
    )  # fmt: skip
    bundle = Bundle.write(tmp_path / "b", spec, build(architecture).state_dict())
    with pytest.raises(BundleError, match=said):
        SpeechPredictor.load(bundle)
