"""Many models in one replica: loaded when they are called, the least recently used one given up.

All of the state belongs to the server's loop; models load in threads. Each model has a load of its
own that its callers wait for together, so that one which loads delays no other.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from striate.core.errors import UsageError
from striate.serve.common.tensors import ModelCard
from striate.serve.common.types import ModelName
from striate.serve.observability.observer import NoObserver, Observer
from striate.serve.server.models import ServedModel, find_versions
from striate.serve.server.servable import Servable

LOADS_AT_ONCE = 2


@dataclass(frozen=True)
class CachedModel:
    """A model that can be loaded.

    Attributes:
        model: its name and version.
        card: what it takes and gives; known without loading it.
        nbytes: size of its weights, which stands for the memory that it takes.
        load: loads it; runs in a thread.
    """

    model: ModelName
    card: ModelCard
    nbytes: int
    load: Callable[[], ServedModel]


@dataclass(eq=False)
class _Held:
    model: ServedModel
    nbytes: int
    users: int = 0


class ModelCache:
    """The models of a list, as many loaded at a time as fit.

    A model that is called stays until its calls are done, so there can be more than fit for a
    moment.

    Args:
        entries: the models; of several versions of a name, the last one is the default.
        most: how many are kept loaded.
        most_bytes: how many bytes of weights are kept loaded.
        warm: load the first ones that fit at once, in this thread.
        failed_s: how long a model that could not be loaded is refused without another try.

    Raises:
        UsageError: a model is listed twice, or none is.
        StriateError: one of the first cannot be loaded.
    """

    def __init__(
        self,
        entries: Sequence[CachedModel],
        most: int,
        most_bytes: int,
        warm: bool = True,
        failed_s: float = 5.0,
    ) -> None:
        if not entries:
            raise UsageError("No model is given.", "Give at least one.")
        self._entries: dict[str, dict[str, CachedModel]] = {}
        for entry in entries:
            versions = self._entries.setdefault(entry.model.name, {})
            if entry.model.version in versions:
                raise UsageError(f"The model {'/'.join(entry.model)} is given twice.")
            versions[entry.model.version] = entry
        self._most, self._most_bytes, self._failed_s = most, most_bytes, failed_s
        self._held: OrderedDict[ModelName, _Held] = OrderedDict()
        self._loading: dict[ModelName, asyncio.Task[Exception | None]] = {}
        self._failed: dict[ModelName, tuple[float, Exception]] = {}
        self._threads = ThreadPoolExecutor(LOADS_AT_ONCE, thread_name_prefix="load")
        self._observer: Observer = NoObserver()
        if warm:
            self._warm(entries)

    @property
    def loaded(self) -> tuple[ModelName, ...]:
        """The models that are loaded, the least recently used first."""
        return tuple(self._held)

    def names(self) -> tuple[str, ...]:
        """Every model's name once."""
        return tuple(self._entries)

    def versions(self, name: str) -> tuple[str, ...]:
        """The versions of a model."""
        return tuple(find_versions(self._entries, name, ""))

    def card(self, name: str, version: str) -> ModelCard:
        """What a model takes and gives."""
        return self._find(name, version).card

    async def acquire(self, name: str, version: str) -> ServedModel:
        """A model, loaded and probed where it is not at hand."""
        entry = self._find(name, version)
        while (held := self._held.get(entry.model)) is None:
            self._raise_if_failed(entry.model)
            if entry.model not in self._loading:
                self._loading[entry.model] = asyncio.create_task(self._load(entry))
            error = await asyncio.shield(self._loading[entry.model])  # others wait for it too
            if error is not None:
                raise error
        held.users += 1
        self._held.move_to_end(entry.model)
        return held.model

    def release(self, model: ServedModel) -> None:
        """A call is done; what is too much is given up."""
        held = self._held.get(model.name)
        if held is not None and held.model is model:
            held.users -= 1
        self._evict()

    def servables(self) -> Sequence[Servable[Any, Any]]:
        """Those of the loaded models."""
        return [held.model.servable for held in self._held.values()]

    def open(self, observer: Observer) -> None:
        """Tell `observer` of the batches of models that are loaded from now on."""
        self._observer = observer

    def close(self) -> None:
        """Load no more."""
        for task in self._loading.values():
            task.cancel()
        self._threads.shutdown(wait=False)

    def _find(self, name: str, version: str) -> CachedModel:
        versions = find_versions(self._entries, name, version)
        return versions[version or next(reversed(versions))]

    def _warm(self, entries: Sequence[CachedModel]) -> None:
        size = 0
        for entry in entries[: self._most]:
            size += entry.nbytes
            if size > self._most_bytes and self._held:
                break
            self._held[entry.model] = _Held(entry.load(), entry.nbytes)

    async def _load(self, entry: CachedModel) -> Exception | None:
        """Load one model, which is at hand afterwards; or why it cannot be used."""
        loop = asyncio.get_running_loop()
        try:
            model = await loop.run_in_executor(self._threads, entry.load)
            model.servable.start(self._observer)
            try:
                await model.servable.probe()
            except BaseException:
                model.servable.stop()
                raise
            self._held[entry.model] = _Held(model, entry.nbytes)
            self._evict(but=entry.model)
        except Exception as error:
            self._failed[entry.model] = (time.monotonic() + self._failed_s, error)
            return error
        else:
            return None
        finally:
            del self._loading[entry.model]

    def _raise_if_failed(self, model: ModelName) -> None:
        if model not in self._failed:
            return
        until, error = self._failed[model]
        if time.monotonic() < until:
            raise error
        del self._failed[model]

    def _evict(self, but: ModelName | None = None) -> None:
        """Give up models that nobody uses until the others fit."""
        for name, held in list(self._held.items()):
            size = sum(every.nbytes for every in self._held.values())
            if len(self._held) <= self._most and size <= self._most_bytes:
                return
            if name != but and not held.users and not held.model.servable.busy:
                del self._held[name]
                held.model.servable.stop()
