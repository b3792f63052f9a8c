"""What a server tells of itself while it works, to whoever counts: metrics, load reports, tests."""

import threading
from collections import Counter
from typing import Protocol


class Observer(Protocol):
    """Told of every call, batch and refusal, on the server's loop; it must return at once."""

    def record_call(
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

    def record_message(
        self, service: str, method: str, code: str, model: str, version: str
    ) -> None:
        """One message of a stream was answered, with the status that it would have had alone."""

    def record_batch(self, size: int, queue_seconds: float, compute_seconds: float) -> None:
        """A batch was computed.

        Args:
            size: samples in it.
            queue_seconds: how long its oldest request had waited.
            compute_seconds: decoding, the network, and encoding.
        """

    def record_refusal(self, reason: str) -> None:
        """A request was not computed.

        Args:
            reason: ``queue-full``, ``late`` (its deadline passed while it waited), ``gone`` (its
                caller left), or ``edge-key`` (it did not come through the edge).
        """

    def record_event(self, hook: str, outcome: str, count: int) -> None:
        """Something became of events for webhooks; told from a thread of theirs.

        Args:
            hook: the webhook's name; empty for what was dropped.
            outcome: of an attempt ``delivered``, ``failed`` (it is tried again) or ``dead`` (it is
                not), or ``dropped`` (there was no room to keep it).
            count: events.
        """


class NoObserver:
    """Counts nothing."""

    def record_call(
        self, service: str, method: str, code: str, seconds: float, model: str, version: str
    ) -> None:
        """Do nothing."""

    def record_message(
        self, service: str, method: str, code: str, model: str, version: str
    ) -> None:
        """Do nothing."""

    def record_batch(self, size: int, queue_seconds: float, compute_seconds: float) -> None:
        """Do nothing."""

    def record_refusal(self, reason: str) -> None:
        """Do nothing."""

    def record_event(self, hook: str, outcome: str, count: int) -> None:
        """Do nothing."""


class Observers:
    """Tells several observers, in turn; more may join while it works."""

    def __init__(self, *observers: Observer) -> None:
        self._told = list(observers)
        self._events: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()  # around events: they come from threads of their own

    def add(self, observer: Observer) -> None:
        """Tell this one too from now on, and of the events that there were before.

        What waited for webhooks goes out as soon as a server begins.
        """
        with self._lock:
            for (hook, outcome), count in self._events.items():
                observer.record_event(hook, outcome, count)
            self._told.append(observer)

    def record_call(
        self, service: str, method: str, code: str, seconds: float, model: str, version: str
    ) -> None:
        """Pass on."""
        for observer in self._told:
            observer.record_call(service, method, code, seconds, model, version)

    def record_message(
        self, service: str, method: str, code: str, model: str, version: str
    ) -> None:
        """Pass on."""
        for observer in self._told:
            observer.record_message(service, method, code, model, version)

    def record_batch(self, size: int, queue_seconds: float, compute_seconds: float) -> None:
        """Pass on."""
        for observer in self._told:
            observer.record_batch(size, queue_seconds, compute_seconds)

    def record_refusal(self, reason: str) -> None:
        """Pass on."""
        for observer in self._told:
            observer.record_refusal(reason)

    def record_event(self, hook: str, outcome: str, count: int) -> None:
        """Pass on."""
        with self._lock:
            self._events[hook, outcome] += count
            for observer in self._told:
                observer.record_event(hook, outcome, count)
