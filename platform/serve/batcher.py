"""Micro-batches on an asyncio loop: requests gather in a bounded queue, threads compute.

`serve.batch` batches calls that come through Serve's own request path; a replica that serves gRPC
itself needs the same on its own loop. Nothing here is a task or a coroutine: a request costs one
future, a batch one hop to a thread and one back.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from striate.core.errors import PayloadTooLarge, PlatformError
from striate.serve.limits import Batching
from striate.serve.observer import NoObserver, Observer

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class QueueFull(PayloadTooLarge):
    """More requests wait than the server is set to hold."""

    code = "QUEUE_FULL"


class TooLate(PlatformError):
    """The caller's deadline passed before the request was computed."""

    code = "TOO_LATE"
    grpc_status = "DEADLINE_EXCEEDED"


@dataclass(eq=False, slots=True)
class _Entry(Generic[Request, Answer]):
    request: Request
    size: int
    nbytes: int
    deadline: float | None
    since: float
    answer: "asyncio.Future[Answer]"


class Batcher(Generic[Request, Answer]):
    """Answers requests in batches, computed in threads and never on the event loop.

    A request whose caller has left or whose deadline has passed is dropped from the queue and not
    computed.

    Args:
        compute: answers a batch in its order; an answer that is an exception fails its request
            alone, an exception that is raised fails the batch.
        batching: sizes and waits.
        queued: most requests waiting; one more raises `QueueFull`.
        queued_bytes: most bytes that waiting requests may hold, as their senders count them.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[Request]], Sequence[Answer | Exception]],
        batching: Batching,
        queued: int,
        queued_bytes: int = 2**29,
    ) -> None:
        self._compute = compute
        self._batching = batching
        self._queued = queued
        self._queued_bytes = queued_bytes
        self._observer: Observer = NoObserver()
        self._waiting: deque[_Entry[Request, Answer]] = deque()
        self._bytes = 0
        self._idle = batching.threads
        self._threads = ThreadPoolExecutor(batching.threads, thread_name_prefix="predict")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open = False
        self._timer: asyncio.Handle | None = None

    @property
    def waiting(self) -> int:
        """Requests that wait for a batch."""
        return len(self._waiting)

    @property
    def busy(self) -> int:
        """Requests that wait, and batches that are computed."""
        return len(self._waiting) + self._batching.threads - self._idle

    def start(self, observer: Observer | None = None) -> None:
        """Begin to take requests on the running loop.

        Args:
            observer: told of batches and of what is not computed.
        """
        self._observer = observer or self._observer
        self._loop = asyncio.get_running_loop()
        self._open = True

    def stop(self) -> None:
        """Stop; requests that still wait are cancelled, a batch in a thread is not waited for."""
        self._open = False
        if self._timer is not None:
            self._timer.cancel()
        while self._waiting:
            self._waiting.popleft().answer.cancel()
        self._bytes = 0
        self._threads.shutdown(wait=False)

    def submit(
        self, request: Request, deadline: float | None = None, size: int = 1, nbytes: int = 0
    ) -> "asyncio.Future[Answer]":
        """Let one request be answered; cancel the future to take it back.

        Args:
            request: what `compute` takes.
            deadline: by `time.monotonic`; not computed when it passes before.
            size: samples in the request, all in one batch.
            nbytes: bytes that it holds while it waits.

        Raises:
            QueueFull: too many requests wait.
            PlatformError: the server does not run.
        """
        if self._loop is None or not self._open:
            raise PlatformError("The server is ending.", "Try again in a moment.")
        if len(self._waiting) >= self._queued or self._bytes + nbytes > self._queued_bytes:
            self._observer.rejected("queue-full")
            raise QueueFull("The server has too many requests waiting.", "Try again in a moment.")
        answer: asyncio.Future[Answer] = self._loop.create_future()
        now = time.monotonic()
        self._waiting.append(_Entry(request, size, nbytes, deadline, now, answer))
        self._bytes += nbytes
        if self._idle:
            self._arm(self._loop)
        return answer

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        """Dispatch once this turn of the loop is over, so that what comes in it goes together."""
        wait_s = self._batching.max_wait_ms / 1000
        full = not wait_s or len(self._waiting) >= self._batching.max_size
        if self._timer is None:
            self._timer = (
                loop.call_soon(self._dispatch) if full else loop.call_later(wait_s, self._dispatch)
            )
        elif full and isinstance(self._timer, asyncio.TimerHandle):
            self._timer.cancel()
            self._timer = loop.call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._timer = None
        while self._idle and (batch := self._gather()):
            self._idle -= 1
            self._threads.submit(self._work, batch)

    def _gather(self) -> list[_Entry[Request, Answer]]:
        """The next batch of those that are still wanted; a large request is one by itself."""
        batch: list[_Entry[Request, Answer]] = []
        size, most, now = 0, self._batching.max_size, time.monotonic()
        while self._waiting and (not batch or size + self._waiting[0].size <= most):
            entry = self._waiting.popleft()
            self._bytes -= entry.nbytes
            if entry.answer.done():
                self._observer.rejected("gone")
            elif entry.deadline is not None and entry.deadline <= now:
                self._observer.rejected("late")
                entry.answer.set_exception(TooLate("The deadline passed before an answer."))
            else:
                batch.append(entry)
                size += entry.size
        return batch

    def _work(self, batch: list[_Entry[Request, Answer]]) -> None:
        """Runs in a thread."""
        started = time.monotonic()
        answers: Sequence[Answer | Exception]
        try:
            answers = self._compute([entry.request for entry in batch])
        except Exception as error:
            answers = [error] * len(batch)
        took = time.monotonic() - started
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._finish, batch, answers, started, took)

    def _finish(
        self,
        batch: list[_Entry[Request, Answer]],
        answers: Sequence[Answer | Exception],
        started: float,
        took: float,
    ) -> None:
        self._idle += 1
        if self._waiting and self._timer is None and self._open:
            self._dispatch()  # what waited while this was computed is the next batch
        for entry, answer in zip(batch, answers, strict=True):
            _settle(entry.answer, answer)
        size = sum(entry.size for entry in batch)
        self._observer.batch(size, started - batch[0].since, took)


def _settle(future: "asyncio.Future[Answer]", answer: Answer | Exception) -> None:
    if future.done():  # the caller left
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
