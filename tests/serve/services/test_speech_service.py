"""`striate.v1.Speech` over a real socket: sound however it is cut, files, refusals, an end."""

import io
import threading
import wave
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest

from striate.data.transforms.audio.load import decode_audio, to_mono
from striate.serve.common.metadata import ERROR_KEY
from striate.serve.common.types import ModelName
from striate.serve.predictors.recordings import RecordingPredictor
from striate.serve.predictors.speech import HeardSpeech, SpokenWord
from striate.serve.protos.striate.v1 import speech_pb2 as pb
from striate.serve.protos.striate.v1 import speech_pb2_grpc as pb_grpc
from striate.serve.server.servable import Servable
from striate.serve.server.server import ModelServer
from striate.serve.services.speech import SpeechService

pytestmark = pytest.mark.unit
RATE = 16_000
FORMAT = pb.SoundFormat(encoding=pb.SoundFormat.PCM16, sample_rate_hz=RATE, partial_results=True)
FILE = pb.SoundFormat(encoding=pb.SoundFormat.FILE)


class SecondsListener:
    """Hears the loudness of each whole second as a word; the last word is never settled."""

    def __init__(self) -> None:
        self._sound = np.zeros(0, np.float32)

    def accept(self, samples: Any) -> HeardSpeech:
        """More sound."""
        self._sound = np.concatenate([self._sound, samples])
        return self._heard(settled=-1)

    def finish(self) -> HeardSpeech:
        """All of it."""
        return self._heard(settled=0)

    def _heard(self, settled: int) -> HeardSpeech:
        whole = self._sound[: len(self._sound) // RATE * RATE].reshape(-1, RATE)
        words = [f"w{round(10 * float(second.mean()))}" for second in whole]
        spoken = tuple(SpokenWord(word, float(at)) for at, word in enumerate(words))
        return HeardSpeech(spoken, max(0, len(words) + settled), len(self._sound) / RATE)


class SecondsSpeech:
    """Begins to listen."""

    def listen(self, sample_rate_hz: int) -> SecondsListener:
        """One utterance."""
        assert sample_rate_hz == RATE
        return SecondsListener()

    def decode_file(self, content: bytes) -> tuple[Any, int]:
        """As the real one does."""
        samples, rate = decode_audio(content)
        return to_mono(samples, rate, rate), rate


def sound(*levels: float) -> bytes:
    """A second of each level, as PCM16."""
    steps = np.repeat(np.array(levels, np.float32), RATE)
    return (steps * 32768).astype("<i2").tobytes()


def wav(content: bytes) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(content)
    return out.getvalue()


Recognize = Callable[..., list[Any]]


@pytest.fixture
def server() -> Iterator[ModelServer]:
    """Listens to utterances of four seconds."""
    speech: Any = SecondsSpeech()
    predictor = RecordingPredictor(speech, longest_s=4.0)
    recordings: Any = Servable(ModelName("ears", "3"), predictor, wav(sound(0.1)))
    running = ModelServer([SpeechService(recordings, predictor)])
    yield running
    running.stop(1)


@pytest.fixture
def recognize(server: ModelServer) -> Iterator[Recognize]:
    """Sends messages, and gives the answers."""
    with grpc.insecure_channel(server.address) as channel:
        stub: Any = pb_grpc.SpeechStub(channel)  # type: ignore[no-untyped-call]
        yield lambda messages: list(stub.Recognize(iter(messages), timeout=30))


def messages(content: bytes, size: int, form: pb.SoundFormat = FORMAT) -> Iterator[Any]:
    yield pb.RecognizeRequest(format=form)
    for start in range(0, len(content), size):
        yield pb.RecognizeRequest(sound=content[start : start + size])


@pytest.mark.parametrize("size", [3, 1001, 16_001, 10**6])
def test_partial_results_come_and_the_final_one_is_the_same_however_it_is_cut(
    recognize: Recognize, size: int
) -> None:
    content = sound(0.1, 0.3, 0.2)
    size = max(size, 331)  # pieces of odd sizes cut samples in their middle
    *partial, final = recognize(messages(content, size))
    assert (final.text, final.final, final.heard_s) == ("w1 w3 w2", True, 3.0)
    assert final.settled_characters == len(final.text) and final.model.name == "ears"
    for one in partial:
        assert not one.final and final.text.startswith(one.text[: one.settled_characters])
    if size < 10**5:
        assert [one.text for one in partial] == ["w1", "w1 w3", "w1 w3 w2"]


def test_without_partial_results_there_is_one_answer(recognize: Recognize) -> None:
    quiet = pb.SoundFormat(encoding=pb.SoundFormat.PCM16, sample_rate_hz=RATE)
    (final,) = recognize(messages(sound(0.1, 0.2), 999, quiet))
    assert (final.text, final.final) == ("w1 w2", True)


def test_a_file_is_read_whole(recognize: Recognize) -> None:
    (final,) = recognize(messages(wav(sound(0.2, 0.4)), 10_000, FILE))
    assert (final.text, final.final, final.heard_s) == ("w2 w4", True, 2.0)


@pytest.mark.parametrize(
    ("sent", "code", "said"),
    [
        ([], "REQUEST", "Set `format`"),
        ([pb.RecognizeRequest(sound=b"12")], "REQUEST", "Set `format`"),
        ([pb.RecognizeRequest(format=pb.SoundFormat())], "REQUEST", "PCM16 or FILE"),
        ([pb.RecognizeRequest(format=pb.SoundFormat(encoding="PCM16", sample_rate_hz=3999))],
         "REQUEST", "from 4,000"),
        ([pb.RecognizeRequest(format=pb.SoundFormat(encoding="PCM16", sample_rate_hz=15_991))],
         "REQUEST", "no rate that sound"),
        ([pb.RecognizeRequest(format=FORMAT)], "REQUEST", "no sound"),
        ([pb.RecognizeRequest(format=FORMAT, sound=b"1")], "REQUEST", "no sound"),
        ([pb.RecognizeRequest(format=FORMAT, sound=sound(0, 0, 0, 0, 0))], "TOO_LARGE", "4 s"),
        ([pb.RecognizeRequest(format=FILE, sound=wav(sound(0, 0, 0, 0, 0)))], "TOO_LARGE", "4 s"),
        ([pb.RecognizeRequest(format=FILE, sound=b"GIF89a")], "REQUEST", "neither FLAC"),
        ([pb.RecognizeRequest(format=FILE)], "REQUEST", "empty"),
    ],
)  # fmt: skip
def test_what_is_no_sound_is_refused(
    recognize: Recognize, sent: Iterable[Any], code: str, said: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        recognize(sent)
    error: Any = caught.value
    codes = [one.value for one in error.trailing_metadata() if one.key == ERROR_KEY]
    assert codes == [code] and said in error.details()
    assert recognize(messages(sound(0.1), 9999))[-1].text == "w1"


def test_whoever_speaks_while_the_server_ends_is_told_to_send_again(server: ModelServer) -> None:
    over, begun = threading.Event(), threading.Event()

    def endless() -> Iterator[Any]:
        yield pb.RecognizeRequest(format=FORMAT, sound=sound(0.1))
        begun.set()
        over.wait(30)

    with grpc.insecure_channel(server.address) as channel:
        stub: Any = pb_grpc.SpeechStub(channel)  # type: ignore[no-untyped-call]
        call = stub.Recognize(endless(), timeout=30)
        assert next(call).text == "w1" and begun.wait(30)
        server.stop(5)
        with pytest.raises(grpc.RpcError) as caught:
            list(call)
        over.set()
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.UNAVAILABLE and "again" in error.details()
