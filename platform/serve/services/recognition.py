"""One call of `Recognize`: sound is heard as it comes, and the text goes back meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

import numpy as np
from grpc.aio import EOF
from numpy.typing import NDArray

from striate.core.errors import PayloadTooLarge, PlatformError, RequestError
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as tagging
from striate.serve.protos.striate.v1 import speech_pb2 as pb
from striate.serve.server.handlers import Call, parser
from striate.serve.services.work_threads import WorkThreads

LEAST_HZ, MOST_HZ = 4000, 192_000
_FULL_SCALE = 32768.0
_parse = parser(pb.RecognizeRequest)


class HeardText(Protocol):
    """What was heard so far; the first `settled` characters of `text` change no more."""

    text: str
    settled: int


class SpeechListener(Protocol):
    """Hears one utterance."""

    def accept(self, samples: NDArray[np.float32]) -> HeardText:
        """Hear more of it: samples of -1 to 1."""
        ...

    def finish(self) -> HeardText:
        """It has ended."""
        ...


class SpeechReader(Protocol):
    """Begins to hear utterances."""

    def listen(self, sample_rate_hz: int) -> SpeechListener:
        """Begin to hear samples of that rate."""
        ...

    def decode_file(self, content: bytes) -> tuple[NDArray[np.float32], int]:
        """The samples of a WAV or FLAC file, and their rate; raises `RequestError` for none."""
        ...


class Recognition:
    """Answers one call.

    Args:
        reader: begins to hear.
        threads: in which it hears.
        longest_s: seconds of sound that a call may bring.
        most_bytes: of a file.
        model: what answers carry.
        call: the call.
    """

    def __init__(
        self,
        reader: SpeechReader,
        threads: WorkThreads,
        longest_s: float,
        most_bytes: int,
        model: tagging.Model,
        call: Call,
    ) -> None:
        self._reader, self._threads = reader, threads
        self._longest_s, self._most_bytes = longest_s, most_bytes
        self._model, self._call = model, call
        self._ending = asyncio.Event()

    def drain(self) -> None:
        """The server ends: no more is heard."""
        self._ending.set()

    async def run(self) -> None:
        """Hear until the caller has sent all, and answer.

        Raises:
            RequestError: no message says what the sound is, or it is none.
            PayloadTooLarge: it is too long.
            PlatformError: the server ends.
        """
        messages = self._messages()
        first = await anext(messages, None)
        if first is None or not first.HasField("format"):
            raise RequestError("The first message does not say what the sound is.", "Set `format`.")
        encoding = first.format.encoding
        if encoding == pb.SoundFormat.PCM16:
            await self._hear(first, messages)
        elif encoding == pb.SoundFormat.FILE:
            await self._hear_file(first, messages)
        else:
            raise RequestError("The sound's encoding is not known.", "Say PCM16 or FILE.")

    async def _hear(
        self, first: pb.RecognizeRequest, rest: AsyncIterator[pb.RecognizeRequest]
    ) -> None:
        rate = first.format.sample_rate_hz
        if not LEAST_HZ <= rate <= MOST_HZ:
            raise RequestError(
                f"sample_rate_hz is {rate}; it goes from {LEAST_HZ:,} to {MOST_HZ:,}."
            )
        listener = self._reader.listen(rate)
        left, heard, told = first.sound, 0, ""
        async for piece in _with(left, rest):
            whole = len(piece) - len(piece) % 2
            samples = np.frombuffer(piece[:whole], "<i2").astype(np.float32) / _FULL_SCALE
            heard += len(samples)
            self._check_length(heard / rate)
            found = await self._threads.run(listener.accept, samples)
            if first.format.partial_results and found.text != told:
                told = found.text
                await self._write(found, heard / rate, final=False)
        if heard == 0:
            raise RequestError("The call brought no sound.")
        await self._write(await self._threads.run(listener.finish), heard / rate, final=True)

    async def _hear_file(
        self, first: pb.RecognizeRequest, rest: AsyncIterator[pb.RecognizeRequest]
    ) -> None:
        content = bytearray(first.sound)
        async for message in rest:
            content += message.sound
            if len(content) > self._most_bytes:
                raise PayloadTooLarge(f"The file has more than {self._most_bytes:,} bytes.")
        samples, rate = await self._threads.run(self._reader.decode_file, bytes(content))
        self._check_length(len(samples) / rate)

        def hear() -> HeardText:
            listener = self._reader.listen(rate)
            listener.accept(samples)
            return listener.finish()

        await self._write(await self._threads.run(hear), len(samples) / rate, final=True)

    def _check_length(self, seconds: float) -> None:
        if seconds > self._longest_s:
            raise PayloadTooLarge(
                f"The sound is longer than {self._longest_s:g} s.", "Send it in shorter utterances."
            )

    async def _messages(self) -> AsyncIterator[pb.RecognizeRequest]:
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            while True:
                reading = asyncio.ensure_future(self._call.context.read())
                await asyncio.wait((reading, ending), return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    reading.cancel()
                    raise PlatformError("The server is ending.", "Send the utterance again.")
                raw = reading.result()
                if raw is EOF:
                    return
                yield _parse(raw)
        finally:
            ending.cancel()

    async def _write(self, heard: HeardText, seconds: float, *, final: bool) -> None:
        answer = pb.RecognizeResponse(
            text=heard.text,
            settled_characters=len(heard.text) if final else heard.settled,
            final=final,
            heard_s=seconds,
            model=self._model,
        )
        await self._call.context.write(answer.SerializeToString())


async def _with(first: bytes, rest: AsyncIterator[pb.RecognizeRequest]) -> AsyncIterator[bytes]:
    """Pieces of whole samples; what is cut in the middle of one waits for its other half."""
    left = first
    if len(left) > 1:
        yield left
        left = left[len(left) - len(left) % 2 :]
    async for message in rest:
        left += message.sound
        if len(left) > 1:
            yield left
            left = left[len(left) - len(left) % 2 :]
