"""A predictor behind a batcher, with the model's name and a question that shows it is alive."""

import asyncio
from collections.abc import Sequence
from typing import Generic

from striate.core.errors import BundleError
from striate.serve.common.limits import Batching, Limits
from striate.serve.common.types import ModelName
from striate.serve.observability.observer import Observer
from striate.serve.predictors.base import Batched, Bucketed, Immediate, Predictor, answer
from striate.serve.predictors.finite import require_finite_outputs
from striate.serve.server.batcher import Answer, Batcher, Request

AnyPredictor = Predictor[Request, Answer] | Immediate[Request, Answer] | Batched[Request, Answer]


class Servable(Generic[Request, Answer]):
    """Answers requests to one model on the server's loop.

    Args:
        model: name and version that answers carry.
        predictor: computes in threads, in batches; an `Immediate` one answers on the loop.
        probe: a small request that walks the whole way.
        limits: how much may wait.
        batching: how requests become batches.
    """

    def __init__(
        self,
        model: ModelName,
        predictor: AnyPredictor[Request, Answer],
        probe: Request,
        limits: Limits | None = None,
        batching: Batching | None = None,
    ) -> None:
        limits = limits or Limits()
        self.model = model
        self.predictor = predictor
        # Asked once: a protocol's isinstance costs a call that answers at once a tenth of its time.
        self._now = predictor.answer if isinstance(predictor, Immediate) else None
        self.immediate = self._now is not None
        self._bucket = predictor.bucket if isinstance(predictor, Bucketed) else None
        self._probe = probe
        self._batcher = Batcher(
            self._compute, batching or Batching(), limits.queued, limits.queued_bytes
        )

    @property
    def queued(self) -> int:
        """Requests that wait for a batch."""
        return self._batcher.waiting

    @property
    def busy(self) -> bool:
        """Whether anything waits or is computed."""
        return self._batcher.busy > 0

    def start(self, observer: Observer | None = None) -> None:
        """Begin to take requests on the running loop; `observer` is told of batches."""
        self._batcher.start(observer)

    def stop(self) -> None:
        """Stop; what still waits is cancelled."""
        self._batcher.stop()

    def now(self, request: Request) -> Answer:
        """The answer of an immediate predictor, on the spot."""
        assert self._now is not None
        answer = self._now(request)
        require_finite_outputs([answer])
        return answer

    def submit(
        self, request: Request, deadline: float | None = None, size: int = 1, nbytes: int = 0
    ) -> "asyncio.Future[Answer]":
        """Let a request be answered in a batch with others; see `Batcher.submit`."""
        bucket = None if self._bucket is None else self._bucket(request)
        return self._batcher.submit(request, deadline, size, nbytes, bucket)

    async def ask(
        self, request: Request, deadline: float | None = None, size: int = 1, nbytes: int = 0
    ) -> Answer:
        """The answer to one request.

        Raises:
            QueueFull: too many requests wait.
            TooLate: the deadline passed before it was computed.
            StriateError: what the predictor says of the request.
        """
        if self._now is not None:
            return self.now(request)
        return await self.submit(request, deadline, size, nbytes)

    async def probe(self) -> None:
        """Run a tiny real inference.

        Raises:
            BundleError: its numbers are not finite, as for any other request.
            Exception: whatever the predictor raises.
        """
        await self.ask(self._probe)

    def _compute(self, requests: Sequence[Request]) -> Sequence[Answer | Exception]:
        if isinstance(self.predictor, Batched):
            return [_finite(answer) for answer in self.predictor.answers(requests)]
        assert not isinstance(self.predictor, Immediate)
        return answer(self.predictor, requests)


def _finite(answer: Answer | Exception) -> Answer | Exception:
    try:
        require_finite_outputs([answer])
    except BundleError as error:
        return error
    return answer
