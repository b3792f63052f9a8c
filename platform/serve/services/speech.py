"""`striate.v1.Speech`: speech as text."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from striate.serve.common.limits import Limits
from striate.serve.observability.observer import Observer
from striate.serve.predictors.recordings import RecordingPredictor
from striate.serve.protos.striate.v1 import speech_pb2 as pb
from striate.serve.server.handlers import Call, Method, StreamMethod
from striate.serve.server.servable import Servable
from striate.serve.services.question_messages import model_message
from striate.serve.services.recognition import RecognizeCall, Recordings
from striate.serve.services.work_threads import WorkThreads

SERVICE = pb.DESCRIPTOR.services_by_name["Speech"].full_name


class SpeechService:
    """The service around a network of speech and its decoder.

    Args:
        recordings: reads whole files, and shows that the network is alive.
        predictor: what reads them, and listens to streams.
        limits: what is accepted.
    """

    name = SERVICE
    models: tuple[str, ...] = ()

    def __init__(
        self,
        recordings: Recordings,
        predictor: RecordingPredictor,
        limits: Limits | None = None,
    ) -> None:
        self.model = recordings.model
        self._recordings, self._predictor = recordings, predictor
        self._limits = limits or Limits()
        self._threads = WorkThreads("speech", self._limits.queued)
        self._calls: set[RecognizeCall] = set()

    def methods(self) -> Mapping[str, Method]:
        """`Recognize`."""
        return {"Recognize": StreamMethod(self._recognize)}

    def servables(self) -> Sequence[Servable[Any, Any]]:
        """What reads whole files."""
        return (self._recordings,)

    def open(self, observer: Observer, serving: Callable[[], bool]) -> None:
        """Nothing is held beside the network."""

    def drain(self) -> None:
        """Callers who still speak are told to send again."""
        for call in self._calls:
            call.drain()

    def close(self) -> None:
        """End the threads."""
        self._threads.close()

    async def _recognize(self, call: Call) -> None:
        recognition = RecognizeCall(
            self._recordings,
            self._predictor,
            self._threads,
            self._limits.image_bytes,
            model_message(self.model),
            call,
        )
        self._calls.add(recognition)
        try:
            await recognition.run()
        finally:
            self._calls.discard(recognition)
