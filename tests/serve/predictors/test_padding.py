"""Samples of several sizes: rounded lengths, padding, and what a predictor chooses of them."""

import asyncio
from collections.abc import Hashable, Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor

from striate.core.bundle import Bundle
from striate.core.errors import RequestError
from striate.serve.common.limits import Batching
from striate.serve.common.types import ModelName
from striate.serve.predictors.base import answer
from striate.serve.predictors.padding import MOST_PADDING, pad, pad_mask, round_up
from striate.serve.server.servable import Servable

pytestmark = pytest.mark.unit


@given(st.lists(st.integers(1, 100_000), min_size=1))
def test_padding_to_the_longest_of_a_bucket_is_a_bounded_share(lengths: list[int]) -> None:
    buckets: dict[int, list[int]] = {}
    for length in lengths:
        buckets.setdefault(round_up(length), []).append(length)
    for bucket, alike in buckets.items():
        assert max(alike) <= bucket == round_up(bucket)
        padded = max(alike) * len(alike)
        assert (padded - sum(alike)) / padded < MOST_PADDING


def test_there_are_few_buckets() -> None:
    assert len({round_up(length) for length in range(1, 1025)}) == 36


@given(st.lists(hnp.array_shapes(min_dims=2, max_dims=2, max_side=5), min_size=1, max_size=5))
def test_the_mask_tells_every_value_from_padding(shapes: list[tuple[int, ...]]) -> None:
    samples = [torch.rand(shape) + 1 for shape in shapes]
    batch, mask = pad(samples), pad_mask(shapes)
    assert batch.shape == mask.shape
    assert not batch[~mask].any()
    for sample, row, there in zip(samples, batch, mask, strict=True):
        assert torch.equal(row[there].reshape(sample.shape), sample)


class Mean:
    """The mean of numbers, any number of them; keeps the shapes that it was given."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    @classmethod
    def load(cls, bundle: Bundle, device: str) -> "Mean":
        raise NotImplementedError

    def decode(self, request: Sequence[float]) -> Tensor:
        if not request:
            raise RequestError("There are no numbers.")
        return torch.tensor(request, dtype=torch.float64)

    def predict(self, batch: Tensor) -> Tensor:
        self.shapes.append(tuple(batch.shape))
        if batch.shape[1] == 13:
            raise ArithmeticError("13 is not for me")
        return batch.mean(1)

    def encode(self, output: Tensor, request: Sequence[float]) -> float:
        return float(output)


class BucketedMean(Mean):
    """Computes numbers of a length together."""

    def bucket(self, request: Sequence[float]) -> Hashable:
        return len(request)


class PaddedMean(Mean):
    """Computes numbers of about a length together, padded."""

    def bucket(self, request: Sequence[float]) -> Hashable:
        return round_up(len(request))

    def predict_padded(self, batch: Tensor, mask: Tensor) -> Tensor:
        self.shapes.append(tuple(batch.shape))
        return batch.sum(1) / mask.sum(1)


def means(predictor: Mean, requests: Sequence[list[float]], batching: Batching) -> list[object]:
    """The answers of a servable, when all the requests come at once."""
    servable = Servable(ModelName("mean", "1"), predictor, [1.0], batching=batching)

    async def scenario() -> list[object]:
        servable.start()
        calls = [servable.submit(request) for request in requests]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        servable.stop()
        return list(answers)

    return asyncio.run(scenario())


LENGTHS = [4, 9, 4, 4, 17, 9, 10, 20, 4]
REQUESTS = [[float(length + place) for place in range(length)] for length in LENGTHS]
ANSWERS = [sum(request) / len(request) for request in REQUESTS]


def test_a_bucketed_predictor_gets_batches_of_one_size() -> None:
    predictor = BucketedMean()
    answers = means(predictor, REQUESTS, Batching(threads=1, max_size=3))
    assert answers == pytest.approx(ANSWERS)
    # the oldest first, each with those of its size; the fourth of a size came too late for three
    assert predictor.shapes == [(3, 4), (2, 9), (1, 17), (1, 10), (1, 20), (1, 4)]


def test_a_padded_predictor_gets_batches_of_about_a_size() -> None:
    predictor = PaddedMean()
    answers = means(predictor, REQUESTS, Batching(threads=1, max_size=4))
    assert answers == pytest.approx(ANSWERS)
    assert predictor.shapes == [(4, 4), (3, 10), (2, 20)]


def test_a_predictor_that_says_nothing_computes_each_size_for_itself() -> None:
    predictor = Mean()
    answers = means(predictor, REQUESTS, Batching(threads=1))
    assert answers == pytest.approx(ANSWERS)
    assert predictor.shapes == [(4, 4), (2, 9), (1, 17), (1, 10), (1, 20)]


def test_a_size_that_cannot_be_computed_fails_alone() -> None:
    answers = answer(Mean(), [[1.0] * 5, [1.0] * 13, [], [2.0] * 5])
    assert (answers[0], answers[3]) == (1.0, 2.0)
    assert isinstance(answers[1], ArithmeticError)
    assert isinstance(answers[2], RequestError)
