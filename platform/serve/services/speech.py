"""`striate.v1.Speech`: speech as text."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from striate.serve.common.limits import Limits
from striate.serve.common.types import ModelName
from striate.serve.observability.observer import Observer
from striate.serve.protos.striate.v1 import speech_pb2 as pb
from striate.serve.server.handlers import Call, Method, StreamMethod
from striate.serve.server.servable import Servable
from striate.serve.services.question_messages import model_message
from striate.serve.services.recognition import Recognition, SpeechReader
from striate.serve.services.work_threads import WorkThreads

SERVICE = pb.DESCRIPTOR.services_by_name["Speech"].full_name


class SpeechService:
    """The service around a network of speech and its decoder.

    Args:
        model: name and version that answers carry.
        reader: begins to hear utterances.
        probe: answers a small request, to show that it is alive.
        longest_s: seconds of sound that a call may bring.
        limits: what is accepted.
    """

    name = SERVICE
    models: tuple[str, ...] = ()

    def __init__(
        self,
        model: ModelName,
        reader: SpeechReader,
        probe: Servable[Any, Any],
        longest_s: float,
        limits: Limits | None = None,
    ) -> None:
        self.model = model
        self._reader, self._probe, self._longest_s = reader, probe, longest_s
        self._limits = limits or Limits()
        self._threads = WorkThreads("speech", self._limits.queued)
        self._calls: set[Recognition] = set()

    def methods(self) -> Mapping[str, Method]:
        """`Recognize`."""
        return {"Recognize": StreamMethod(self._recognize)}

    def servables(self) -> Sequence[Servable[Any, Any]]:
        """What shows that the network computes."""
        return (self._probe,)

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
        recognition = Recognition(
            self._reader,
            self._threads,
            self._longest_s,
            self._limits.image_bytes,
            model_message(self.model),
            call,
        )
        self._calls.add(recognition)
        try:
            await recognition.run()
        finally:
            self._calls.discard(recognition)
