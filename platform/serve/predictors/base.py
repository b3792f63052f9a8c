"""The predictor: what a model does to a request, knowing neither Ray nor gRPC."""

from collections.abc import Sequence
from typing import Protocol, Self, TypeVar, runtime_checkable

from torch import Tensor

from striate.core.bundle import Bundle

Request = TypeVar("Request", contravariant=True)
Answer = TypeVar("Answer", covariant=True)
R = TypeVar("R")
A = TypeVar("A")


class Predictor(Protocol[Request, Answer]):
    """Four steps; `answer` puts them together for a batch."""

    @classmethod
    def load(cls, bundle: Bundle, device: str) -> Self:
        """Make the predictor of a bundle on a device (``cpu``, ``cuda``, or a chip's name)."""
        ...

    def decode(self, request: Request) -> Tensor:
        """One sample from a request; raises `RequestError` for a payload that cannot be used."""
        ...

    def predict(self, batch: Tensor) -> Tensor:
        """One row of output for each sample of a batch."""
        ...

    def encode(self, output: Tensor, request: Request) -> Answer:
        """The answer from one row of output."""
        ...


@runtime_checkable
class Immediate(Protocol[Request, Answer]):
    """A predictor that costs next to nothing, and is asked on the event loop itself."""

    def answer(self, request: Request) -> Answer:
        """The answer, within microseconds; raises `RequestError` as `Predictor.decode` does."""
        ...


@runtime_checkable
class Batched(Protocol[Request, Answer]):
    """A predictor whose requests hold several samples each, and that joins them itself."""

    def answers(self, requests: Sequence[Request]) -> Sequence[Answer | Exception]:
        """In the order of `requests`, the answer or the exception of each."""
        ...


def answer(predictor: Predictor[R, A], requests: Sequence[R]) -> list[A | Exception]:
    """Answer a batch; a request that cannot be decoded fails alone.

    Returns:
        In the order of `requests`, the answer or the exception of each.
    """
    from torch import stack

    answers: dict[int, A | Exception] = {}
    samples: dict[int, Tensor] = {}
    for index, request in enumerate(requests):
        try:
            samples[index] = predictor.decode(request)
        except Exception as error:  # told apart by the status table
            answers[index] = error
    if samples:
        outputs = predictor.predict(stack(list(samples.values())))
        for index, output in zip(samples, outputs, strict=True):
            try:
                answers[index] = predictor.encode(output, requests[index])
            except Exception as error:
                answers[index] = error
    return [answers[index] for index in range(len(requests))]
