"""One call of `Recognize`: sound is heard as it comes, and the text goes back meanwhile."""

import asyncio
import math
from collections.abc import AsyncIterator

import numpy as np
from grpc.aio import EOF

from striate.core.errors import PayloadTooLarge, PlatformError, RequestError
from striate.data.transforms.audio.load import RATE_HZ
from striate.serve.predictors.recordings import RecordingPredictor
from striate.serve.predictors.speech import HeardSpeech
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as tagging
from striate.serve.protos.striate.v1 import speech_pb2 as pb
from striate.serve.server.handlers import Call, parser
from striate.serve.server.servable import Servable
from striate.serve.services.work_threads import WorkThreads

Recordings = Servable[bytes, HeardSpeech]
LEAST_HZ, MOST_HZ = 4000, 192_000
SHARED_HZ = 25
"""What a rate shares with `RATE_HZ` at least, as 11,025 Hz do: between rates that share nothing,
filters have millions of taps."""
_FULL_SCALE = 32768.0
_parse = parser(pb.RecognizeRequest)


class RecognizeCall:
    """Answers one call.

    Args:
        recordings: reads whole files.
        predictor: what reads them, and listens to streams.
        threads: in which it listens.
        most_bytes: of a file.
        model: what answers carry.
        call: the call.
    """

    def __init__(
        self,
        recordings: Recordings,
        predictor: RecordingPredictor,
        threads: WorkThreads,
        most_bytes: int,
        model: tagging.Model,
        call: Call,
    ) -> None:
        self._recordings, self._predictor, self._threads = recordings, predictor, threads
        self._most_bytes = most_bytes
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
                f"sample_rate_hz is {rate:,}; it goes from {LEAST_HZ:,} to {MOST_HZ:,}."
            )
        if math.gcd(rate, RATE_HZ) < SHARED_HZ:
            raise RequestError(
                f"sample_rate_hz is {rate:,}, which is no rate that sound is recorded at.",
                "Resample it to 16,000.",
            )
        recognizer = self._predictor.speech.listen(rate)
        heard, told = 0, ""
        async for piece in _whole_samples(first.sound, rest):
            samples = np.frombuffer(piece, "<i2").astype(np.float32) / _FULL_SCALE
            heard += len(samples)
            self._predictor.check_length(heard / rate)
            found = await self._threads.run(recognizer.accept, samples)
            if first.format.partial_results and found.text != told:
                told = found.text
                await self._write(found, final=False)
        if heard == 0:
            raise RequestError("The call brought no sound.")
        await self._write(await self._threads.run(recognizer.finish), final=True)

    async def _hear_file(
        self, first: pb.RecognizeRequest, rest: AsyncIterator[pb.RecognizeRequest]
    ) -> None:
        content = bytearray(first.sound)
        async for message in rest:
            content += message.sound
            if len(content) > self._most_bytes:
                raise PayloadTooLarge(f"The file has more than {self._most_bytes:,} bytes.")
        found = await self._recordings.ask(bytes(content), self._call.deadline, 1, len(content))
        await self._write(found, final=True)

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

    async def _write(self, heard: HeardSpeech, *, final: bool) -> None:
        answer = pb.RecognizeResponse(
            text=heard.text,
            settled_characters=len(heard.text) if final else heard.settled,
            final=final,
            heard_s=heard.seconds,
            model=self._model,
        )
        await self._call.context.write(answer.SerializeToString())


async def _whole_samples(
    first: bytes, rest: AsyncIterator[pb.RecognizeRequest]
) -> AsyncIterator[bytes]:
    """Pieces of whole samples; one that is cut in its middle waits for its other half."""
    left = first
    while True:
        whole = len(left) - len(left) % 2
        if whole:
            yield left[:whole]
        left = left[whole:]
        message = await anext(rest, None)
        if message is None:
            return
        left += message.sound
