"""A Python caller's words, translations and recordings."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from striate.serve.client.caller import Caller
from striate.serve.protos.striate.v1 import language_pb2 as pb
from striate.serve.protos.striate.v1 import speech_pb2 as speech

LANGUAGE, SPEECH = "striate.v1.Language", "striate.v1.Speech"
PACKED = 64
"""Sentences of a message of a stream, at most; they are translated together."""
PIECE_BYTES = 32_000
"""Of a recording that is sent: a second of PCM16 at 16 kHz."""
Answer = TypeVar("Answer", bound=Message)


class LanguageCalls:
    """Words as vectors, sentences in another language: `Client.language`.

    The methods answer the messages of ``striate/v1/language.proto``, which says what each field is.
    Every method may raise what `Client.tag` does.

    Args:
        client: of the application.
    """

    def __init__(self, client: Caller) -> None:
        self._client = client

    def embed(self, texts: Sequence[str]) -> pb.EmbedResponse:
        """A vector for each text."""
        return self._call(pb.EmbedResponse, "Embed", pb.EmbedRequest(texts=texts))

    def nearest(
        self, word: str = "", vector: Sequence[float] = (), *, top_k: int = 10
    ) -> pb.NearestResponse:
        """The words nearest to a word, or to a vector."""
        message = pb.NearestRequest(word=word, vector=vector, top_k=top_k)
        return self._call(pb.NearestResponse, "Nearest", message)

    def analogy(self, a: str, b: str, c: str, *, top_k: int = 10) -> pb.NearestResponse:
        """What is to `c` as `b` is to `a`."""
        message = pb.AnalogyRequest(a=a, b=b, c=c, top_k=top_k)
        return self._call(pb.NearestResponse, "Analogy", message)

    def translate(self, texts: Sequence[str], beam: int = 0) -> pb.TranslateResponse:
        """Translate sentences.

        Args:
            texts: of a sentence each.
            beam: hypotheses that the search keeps; 0 takes the deployment's number.
        """
        message = pb.TranslateRequest(texts=texts, beam=beam)
        return self._call(pb.TranslateResponse, "Translate", message)

    def translate_stream(
        self, texts: Iterable[tuple[str, str]], beam: int = 0
    ) -> Iterator[pb.StreamedTranslation]:
        """Translate many sentences on one call, once; answers come as they are ready.

        Args:
            texts: each with a name of your choice, which comes back with its answer; taken by
                another thread, as the server takes them.
            beam: as in `translate`.
        """
        messages = (
            pb.TranslateStreamRequest(
                texts=[pb.StreamedText(id=name, text=text) for name, text in some], beam=beam
            )
            for some in _packed(texts)
        )
        for message in self._client.stream(LANGUAGE, "TranslateStream", messages):
            yield from message.answers

    def _call(self, kind: type[Answer], method: str, message: Any) -> Answer:
        """Call a method that answers a message of that kind."""
        answer: Answer = self._client.call(LANGUAGE, method, message)
        return answer


class SpeechCalls:
    """Recordings as text: `Client.speech`.

    Args:
        client: of the application.
    """

    def __init__(self, client: Caller) -> None:
        self._client = client

    def recognize_file(self, content: bytes) -> speech.RecognizeResponse:
        """What a WAV or FLAC file says; raises what `Client.tag` does."""
        form = speech.SoundFormat(encoding=speech.SoundFormat.FILE)
        (answer,) = self._recognize(form, _pieces(content))
        return answer

    def recognize(
        self, sound: Iterable[bytes], sample_rate_hz: int
    ) -> Iterator[speech.RecognizeResponse]:
        """What is said, while it is said: partial results, and the final one last.

        Args:
            sound: PCM16 of one channel, cut anywhere; taken by another thread as the server takes
                it.
            sample_rate_hz: of it.
        """
        form = speech.SoundFormat(
            encoding=speech.SoundFormat.PCM16, sample_rate_hz=sample_rate_hz, partial_results=True
        )
        return self._recognize(form, sound)

    def _recognize(
        self, form: speech.SoundFormat, sound: Iterable[bytes]
    ) -> Iterator[speech.RecognizeResponse]:
        def messages() -> Iterator[speech.RecognizeRequest]:
            yield speech.RecognizeRequest(format=form)
            for piece in sound:
                yield speech.RecognizeRequest(sound=piece)

        return self._client.stream(SPEECH, "Recognize", messages())


def _pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), PIECE_BYTES):
        yield content[start : start + PIECE_BYTES]


def _packed(texts: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """Texts of one message each."""
    some: list[tuple[str, str]] = []
    for one in texts:
        some.append(one)
        if len(some) == PACKED:
            yield some
            some = []
    if some:
        yield some
