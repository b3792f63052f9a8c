"""What a server needs to know of a service."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from striate.serve.common.types import ModelName
from striate.serve.observability.observer import Observer
from striate.serve.server.handlers import Method
from striate.serve.server.servable import Servable


class Service(Protocol):
    """A gRPC service around one or several servables.

    Attributes:
        name: its full gRPC name, for example ``striate.v1.PhotoTagging``.
        model: the model that answers; empty names for a service of several.
    """

    name: str
    model: ModelName

    @property
    def models(self) -> tuple[str, ...]:
        """Names that it answers for in the Open Inference Protocol; empty for others."""
        ...

    def methods(self) -> Mapping[str, Method]:
        """Its methods by name."""
        ...

    def servables(self) -> Sequence[Servable[Any, Any]]:
        """What computes its answers now; the server starts, probes and stops each once."""
        ...

    def open(self, observer: Observer, serving: Callable[[], bool]) -> None:
        """Begin, on the server's loop.

        Args:
            observer: told of what the service does by itself.
            serving: whether the whole server is ready.
        """
        ...

    def drain(self) -> None:
        """Take no more work from streams that are open; answer what was read."""
        ...

    def close(self) -> None:
        """Free what the service holds beside its servables."""
        ...
