"""Models that answer the Open Inference Protocol by name and version."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from striate.core.errors import UnknownName
from striate.serve.common.tensors import ModelCard, TensorAnswer, TensorRequest
from striate.serve.common.types import ModelName
from striate.serve.observability.observer import Observer
from striate.serve.server.servable import Servable

Value = TypeVar("Value")
TensorServable = Servable[TensorRequest, TensorAnswer]


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A loaded model: its card, and what computes."""

    card: ModelCard
    servable: TensorServable

    @property
    def name(self) -> ModelName:
        """Name and version."""
        return self.servable.model


class Models(Protocol):
    """The models that a server answers for, loaded or not."""

    def names(self) -> tuple[str, ...]:
        """Every model's name once."""
        ...

    def versions(self, name: str) -> tuple[str, ...]:
        """The versions of a model; the last one answers callers that name none.

        Raises:
            UnknownName: no model of that name.
        """
        ...

    def card(self, name: str, version: str) -> ModelCard:
        """What a model takes and gives; it need not be loaded.

        Raises:
            UnknownName: no such model or version.
        """
        ...

    async def acquire(self, name: str, version: str) -> ServedModel:
        """A model, loaded where it is not; it stays until it is given back.

        Raises:
            UnknownName: no such model or version.
            StriateError: it cannot be loaded.
        """
        ...

    def release(self, model: ServedModel) -> None:
        """A call is done with a model."""
        ...

    def servables(self) -> Sequence[Servable[Any, Any]]:
        """What computes now."""
        ...

    def open(self, observer: Observer) -> None:
        """Begin, on the server's loop."""
        ...

    def close(self) -> None:
        """Free what is loaded beside `servables`."""
        ...


class FixedModels:
    """Models that are loaded from the start and stay.

    Args:
        models: at least one; of several versions of a name, the last one is the default.
    """

    def __init__(self, models: Sequence[ServedModel]) -> None:
        self._models: dict[str, dict[str, ServedModel]] = {}
        for model in models:
            self._models.setdefault(model.name.name, {})[model.name.version] = model

    def names(self) -> tuple[str, ...]:
        """Every model's name once."""
        return tuple(self._models)

    def versions(self, name: str) -> tuple[str, ...]:
        """The versions of a model."""
        return tuple(find_versions(self._models, name, ""))

    def card(self, name: str, version: str) -> ModelCard:
        """What a model takes and gives."""
        return self._find(name, version).card

    async def acquire(self, name: str, version: str) -> ServedModel:
        """A model."""
        return self._find(name, version)

    def release(self, model: ServedModel) -> None:
        """Nothing to do: models stay."""

    def servables(self) -> Sequence[Servable[Any, Any]]:
        """All of the models'."""
        return [model.servable for every in self._models.values() for model in every.values()]

    def open(self, observer: Observer) -> None:
        """Nothing to do: the server starts the servables."""

    def close(self) -> None:
        """Nothing is held beside the servables."""

    def _find(self, name: str, version: str) -> ServedModel:
        versions = find_versions(self._models, name, version)
        return versions[version or next(reversed(versions))]


def find_versions(
    models: Mapping[str, dict[str, Value]], name: str, version: str
) -> dict[str, Value]:
    """The versions of a model, `version` among them where it is given.

    Raises:
        UnknownName: no such model or version.
    """
    versions = models.get(name)
    if versions is None:
        raise UnknownName(f"There is no model named {name[:128]!r} here.", _known(models))
    if version and version not in versions:
        raise UnknownName(
            f"There is no version {version[:64]!r} of the model {name}.", _known(versions)
        )
    return versions


def _known(names: Iterable[str]) -> str:
    shown = list(names)
    return f"Known: {', '.join(shown[:8])}{', …' if len(shown) > 8 else ''}."
