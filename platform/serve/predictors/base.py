"""The predictor: what a model does to a request, knowing neither Ray nor gRPC."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Protocol, Self, TypeVar, runtime_checkable

from torch import Size, Tensor, stack

from striate.core.bundle import Bundle
from striate.serve.common.isolate import isolate
from striate.serve.predictors.finite import require_finite_inputs, require_finite_outputs
from striate.serve.predictors.padding import pad, pad_mask

Request_contra = TypeVar("Request_contra", contravariant=True)
Answer_co = TypeVar("Answer_co", covariant=True)
R = TypeVar("R")
A = TypeVar("A")


class Predictor(Protocol[Request_contra, Answer_co]):
    """Four steps; `answer` puts them together for a batch."""

    @classmethod
    def load(cls, bundle: Bundle, device: str) -> Self:
        """Make the predictor of a bundle on a device (``cpu``, ``cuda``, or a chip's name)."""
        ...

    def decode(self, request: Request_contra) -> Tensor:
        """One sample from a request; raises `RequestError` for a payload that cannot be used."""
        ...

    def predict(self, batch: Tensor) -> Tensor:
        """One row of output for each sample of a batch."""
        ...

    def encode(self, output: Tensor, request: Request_contra) -> Answer_co:
        """The answer from one row of output."""
        ...


@runtime_checkable
class Immediate(Protocol[Request_contra, Answer_co]):
    """A predictor that costs next to nothing, and is asked on the event loop itself."""

    def answer(self, request: Request_contra) -> Answer_co:
        """The answer, within microseconds; raises `RequestError` as `Predictor.decode` does."""
        ...


@runtime_checkable
class Batched(Protocol[Request_contra, Answer_co]):
    """A predictor whose requests hold several samples each, and that joins them itself."""

    def answers(self, requests: Sequence[Request_contra]) -> Sequence[Answer_co | Exception]:
        """In the order of `requests`, the answer or the exception of each."""
        ...


@runtime_checkable
class Bucketed(Protocol[Request_contra]):
    """A predictor whose samples differ in size, and that says which requests share a batch.

    A bucket for each size wastes nothing; one for each rounded size, as
    `striate.serve.predictors.padding.round_up` gives, makes larger batches with some padding.
    """

    def bucket(self, request: Request_contra) -> Hashable:
        """The bucket of a request, within microseconds: it is asked on the event loop."""
        ...


@runtime_checkable
class Padded(Protocol):
    """A predictor whose samples differ in size, and that computes them in one padded batch."""

    def predict_padded(self, batch: Tensor, mask: Tensor) -> Tensor:
        """One row of output for each sample of a batch that is padded with zeros.

        Args:
            batch: (N, …), every dimension as large as the largest sample's.
            mask: bool, of the same shape; true where a sample has values.
        """
        ...


def answer(predictor: Predictor[R, A], requests: Sequence[R]) -> list[A | Exception]:
    """Answer a batch; a request that cannot be decoded or computed fails alone.

    Samples of several sizes are padded by a predictor that is `Padded`; by another one, those of
    each size are computed for themselves, and fail for themselves.

    Returns:
        In the order of `requests`, the answer or the exception of each.
    """
    answers: dict[int, A | Exception] = {}
    samples: dict[int, Tensor] = {}
    for index, request in enumerate(requests):
        try:
            samples[index] = _sample(predictor, request)
        except Exception as error:  # told apart by the status table
            answers[index] = error
    for places in _together(predictor, samples):
        outputs = isolate(lambda batch: _outputs(predictor, batch), [samples[i] for i in places])
        for index, output in zip(places, outputs, strict=True):
            answers[index] = _answer(predictor, output, requests[index])
    return [answers[index] for index in range(len(requests))]


def _sample(predictor: Predictor[R, A], request: R) -> Tensor:
    sample = predictor.decode(request)
    require_finite_inputs({"The request": sample})
    return sample


def _answer(predictor: Predictor[R, A], output: Tensor | Exception, request: R) -> A | Exception:
    if isinstance(output, Exception):
        return output
    try:
        require_finite_outputs([output])
        return predictor.encode(output, request)
    except Exception as error:
        return error


def _together(predictor: Predictor[R, A], samples: Mapping[int, Tensor]) -> Iterable[list[int]]:
    """Which samples go into one batch: all, or those of each shape."""
    groups: dict[Size, list[int]] = {}
    for index, sample in samples.items():
        groups.setdefault(sample.shape, []).append(index)
    if len(groups) > 1 and isinstance(predictor, Padded):
        return [list(samples)]
    return groups.values()


def _outputs(predictor: Predictor[R, A], samples: Sequence[Tensor]) -> Sequence[Tensor]:
    if len({sample.shape for sample in samples}) == 1:
        return list(predictor.predict(stack(list(samples))))
    assert isinstance(predictor, Padded)
    shapes = [tuple(sample.shape) for sample in samples]
    return list(predictor.predict_padded(pad(samples), pad_mask(shapes)))
