"""Many models in one replica: loading, giving up, and what one does to the others."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.core.bundle import OUTPUT
from striate.core.errors import BundleError, UnknownName, UsageError
from striate.serve.common.limits import Batching, Limits
from striate.serve.common.tensors import IMAGE, ModelCard, TensorAnswer, TensorRequest
from striate.serve.common.types import ModelName
from striate.serve.server.model_cache import CachedModel, ModelCache
from striate.serve.server.models import ServedModel, TensorServable
from striate.serve.server.servable import Servable

pytestmark = pytest.mark.unit
CARD = ModelCard((), ())
REQUEST = TensorRequest({IMAGE: [b"x"]}, 1)


@dataclass
class Shop:
    """Makes models, counts what it loads, and holds or fails the loads of some."""

    loads: list[str] = field(default_factory=list)
    slow: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    unsound: set[str] = field(default_factory=set)
    go: threading.Event = field(default_factory=threading.Event)

    def entry(self, name: str, nbytes: int = 1) -> CachedModel:
        return CachedModel(ModelName(name, "1"), CARD, nbytes, lambda: self.load(name))

    def load(self, name: str) -> ServedModel:
        self.loads.append(name)
        if name in self.broken:
            raise BundleError(f"The bundle {name} is damaged.")
        if name in self.slow:
            assert self.go.wait(20)
        answers = Answers(np.nan if name in self.unsound else 1.0)
        servable: TensorServable = Servable(
            ModelName(name, "1"), answers, REQUEST, Limits(), Batching()
        )
        return ServedModel(CARD, servable)


class Answers:
    """Answers with one number."""

    def __init__(self, number: float) -> None:
        self._number = number

    def answers(self, requests: Sequence[TensorRequest]) -> list[TensorAnswer | Exception]:
        return [{OUTPUT: np.full(1, self._number)} for _ in requests]


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 30))


async def called(cache: ModelCache, name: str) -> None:
    """One call, from beginning to end."""
    model = await cache.acquire(name, "")
    try:
        await model.servable.ask(REQUEST)
    finally:
        cache.release(model)


def names(cache: ModelCache) -> list[str]:
    return [model.name for model in cache.loaded]


def test_the_least_recently_used_model_goes() -> None:
    async def scenario() -> None:
        shop = Shop()
        cache = ModelCache([shop.entry(n) for n in "abc"], 2, 100, warm=False)
        for name in "abacab":
            await called(cache, name)
        assert shop.loads == ["a", "b", "c", "b"]
        assert names(cache) == ["a", "b"]

    run(scenario())


def test_the_first_that_fit_are_loaded_from_the_start() -> None:
    shop = Shop()
    entries = [shop.entry("a", 60), shop.entry("b", 30), shop.entry("c", 30)]
    assert names(ModelCache(entries, 3, 100)) == ["a", "b"]
    assert names(ModelCache(entries, 1, 100)) == ["a"]
    assert names(ModelCache(entries, 3, 10)) == ["a"]  # one always stays, however large
    shop.broken.add("a")
    with pytest.raises(BundleError, match="damaged"):
        ModelCache(entries, 3, 100)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=12), st.integers(1, 4), st.data())
def test_no_more_stays_than_fits(calls: list[str], most: int, data: st.DataObject) -> None:
    sizes = {name: data.draw(st.integers(1, 50), label=name) for name in "abcd"}

    async def scenario() -> None:
        shop = Shop()
        entries = [shop.entry(name, size) for name, size in sizes.items()]
        cache = ModelCache(entries, most, 60, warm=False)
        for name in calls:
            await called(cache, name)
            assert names(cache)[-1] == name
            assert len(cache.loaded) <= most
            assert sum(sizes[held] for held in names(cache)) <= 60

    run(scenario())


def test_a_model_that_loads_delays_no_other_and_loads_once() -> None:
    async def scenario() -> None:
        shop = Shop(slow={"slow"})
        cache = ModelCache([shop.entry("slow"), shop.entry("fast")], 2, 100, warm=False)
        waiting = [asyncio.create_task(called(cache, "slow")) for _ in range(5)]
        await asyncio.sleep(0)
        await called(cache, "fast")
        waiting[0].cancel()  # one that leaves takes nothing from the others
        assert not any(task.done() for task in waiting[1:])
        shop.go.set()
        await asyncio.gather(*waiting[1:])
        assert sorted(shop.loads) == ["fast", "slow"]

    run(scenario())


def test_a_model_in_use_stays_until_its_calls_are_done() -> None:
    async def scenario() -> None:
        shop = Shop()
        cache = ModelCache([shop.entry("a"), shop.entry("b")], 1, 100, warm=False)
        model = await cache.acquire("a", "")
        await called(cache, "b")
        assert "a" in names(cache)
        assert await model.servable.ask(REQUEST)
        cache.release(model)
        assert len(cache.loaded) == 1

    run(scenario())


@pytest.mark.parametrize("defect", ["broken", "unsound"])
def test_a_model_that_cannot_be_used_fails_alone_and_may_come_back(defect: str) -> None:
    async def scenario() -> None:
        shop = Shop()
        getattr(shop, defect).add("bad")
        entries = [shop.entry("bad"), shop.entry("good")]
        cache = ModelCache(entries, 2, 100, warm=False, failed_s=3600)
        for _ in range(3):
            with pytest.raises(BundleError):
                await called(cache, "bad")
        assert shop.loads == ["bad"]  # it is not tried again at every call
        await called(cache, "good")
        eager = ModelCache(entries, 2, 100, warm=False, failed_s=0)
        with pytest.raises(BundleError):
            await called(eager, "bad")
        getattr(shop, defect).clear()
        await called(eager, "bad")
        assert names(eager) == ["bad"]

    run(scenario())


def test_names_and_versions() -> None:
    shop = Shop()
    older, newer = (
        shop.entry("a"),
        CachedModel(ModelName("a", "2"), CARD, 1, lambda: shop.load("a")),
    )
    cache = ModelCache([older, newer, shop.entry("b")], 1, 100, warm=False)
    assert cache.names() == ("a", "b")
    assert cache.versions("a") == ("1", "2")
    with pytest.raises(UnknownName, match="no version '3' of the model a"):
        cache.card("a", "3")
    with pytest.raises(UnknownName, match="no model named 'c'"):
        cache.card("c", "")
    with pytest.raises(UsageError, match="twice"):
        ModelCache([older, older], 1, 100, warm=False)
    with pytest.raises(UsageError, match="No model"):
        ModelCache([], 1, 100)
