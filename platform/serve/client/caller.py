"""What the parts of a client call services by."""

from collections.abc import Iterator
from typing import Any, Protocol


class Caller(Protocol):
    """Calls methods of declared services: `striate.serve.client.client.Client`."""

    region: str

    def call(
        self, service: str, method: str, request: Any, *, repeated: Any = None, once: bool = False
    ) -> Any:
        """Call a unary method."""

    def stream(self, service: str, method: str, request: Any) -> Iterator[Any]:
        """Call a streaming method."""
