"""What a server tells of itself while it works, to whoever counts: metrics, load reports, tests."""

from typing import Protocol


class Observer(Protocol):
    """Told of every call, batch and refusal, on the server's loop; it must return at once."""

    def request(
        self, service: str, method: str, code: str, seconds: float, model: str, version: str
    ) -> None:
        """A call ended.

        Args:
            service: full name of the gRPC service.
            method: the method's name.
            code: name of the status, for example ``OK``.
            seconds: from the call's arrival to its end; a stream's whole life.
            model: the model that answered, empty where none did.
            version: its version.
        """

    def answered(self, service: str, method: str, code: str, model: str, version: str) -> None:
        """One message of a stream was answered, with the status that it would have had alone."""

    def batch(self, size: int, queue_seconds: float, compute_seconds: float) -> None:
        """A batch was computed.

        Args:
            size: samples in it.
            queue_seconds: how long its oldest request had waited.
            compute_seconds: decoding, the network, and encoding.
        """

    def rejected(self, reason: str) -> None:
        """A request was not computed.

        Args:
            reason: ``queue-full``, ``late`` (its deadline passed while it waited), ``gone`` (its
                caller left), or ``edge-key`` (it did not come through the edge).
        """


class NoObserver:
    """Counts nothing."""

    def request(
        self, service: str, method: str, code: str, seconds: float, model: str, version: str
    ) -> None:
        """Do nothing."""

    def answered(self, service: str, method: str, code: str, model: str, version: str) -> None:
        """Do nothing."""

    def batch(self, size: int, queue_seconds: float, compute_seconds: float) -> None:
        """Do nothing."""

    def rejected(self, reason: str) -> None:
        """Do nothing."""
