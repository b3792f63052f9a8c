"""Micro-batches on an asyncio loop: requests gather in a bounded queue, threads compute.

`serve.batch` batches calls that come through Serve's own request path; a replica that serves gRPC
itself needs the same on its own loop. Nothing here is a task or a coroutine: a request costs one
future, a batch one hop back to the loop. A thread that has computed a batch takes the next one by
itself: by way of the loop, which has the answers to send first, it would idle a millisecond each.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from striate.core.errors import PayloadTooLarge, PlatformError
from striate.serve.common.isolate import isolate
from striate.serve.common.limits import Batching
from striate.serve.observability.observer import NoObserver, Observer
from striate.serve.server.bucket_queue import BucketQueue

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


_Batch = list[_Entry[Request, Answer]]
_Dropped = list[tuple[_Entry[Request, Answer], str]]  # and why


class Batcher(Generic[Request, Answer]):
    """Answers requests in batches, computed in threads and never on the event loop.

    A request whose caller has left or whose deadline has passed is dropped from the queue and not
    computed.

    Args:
        compute: answers a batch in its order; an answer that is an exception fails its request
            alone; where it raises one, it is asked again for the halves of the batch, so that it
            fails the requests that cause it.
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
        self._waiting: BucketQueue[_Entry[Request, Answer]] = BucketQueue()
        self._bytes = 0
        self._idle = batching.threads
        self._lock = threading.Lock()  # around the three above
        self._unsettled = 0
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
        """Requests that are not answered yet."""
        return self._unsettled

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
        with self._lock:
            left = self._waiting.clear()
            self._bytes = 0
        if self._timer is not None:
            self._timer.cancel()
        for entry in left:
            entry.answer.cancel()
        self._unsettled -= len(left)
        self._threads.shutdown(wait=False)

    def submit(
        self,
        request: Request,
        deadline: float | None = None,
        size: int = 1,
        nbytes: int = 0,
        bucket: Hashable = None,
    ) -> "asyncio.Future[Answer]":
        """Let one request be answered; cancel the future to take it back.

        Args:
            request: what `compute` takes.
            deadline: by `time.monotonic`; not computed when it passes before.
            size: samples in the request, all in one batch.
            nbytes: bytes that it holds while it waits.
            bucket: it shares a batch with requests of the same bucket alone.

        Raises:
            QueueFull: too many requests wait.
            PlatformError: the server does not run.
        """
        if self._loop is None or not self._open:
            raise PlatformError("The server is ending.", "Try again in a moment.")
        answer: asyncio.Future[Answer] = self._loop.create_future()
        entry = _Entry(request, size, nbytes, deadline, time.monotonic(), answer)
        with self._lock:
            full = len(self._waiting) >= self._queued or self._bytes + nbytes > self._queued_bytes
            if not full:
                alike = self._waiting.append(entry, bucket)
                self._bytes += nbytes
            idle = self._idle
        if full:
            self._observer.record_refusal("queue-full")
            raise QueueFull("The server has too many requests waiting.", "Try again in a moment.")
        self._unsettled += 1
        if idle:
            self._arm(self._loop, alike)
        return answer

    def _arm(self, loop: asyncio.AbstractEventLoop, alike: int) -> None:
        """Dispatch once this turn of the loop is over, so that what comes in it goes together."""
        wait_s = self._batching.max_wait_ms / 1000
        full = not wait_s or alike >= self._batching.max_size
        if self._timer is None:
            self._timer = (
                loop.call_soon(self._dispatch) if full else loop.call_later(wait_s, self._dispatch)
            )
        elif full and isinstance(self._timer, asyncio.TimerHandle):
            self._timer.cancel()
            self._timer = loop.call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._timer = None
        while True:
            with self._lock:
                batch, dropped = self._gather() if self._idle else ([], [])
                self._idle -= bool(batch)
            self._drop(dropped)
            if not batch:
                return
            self._threads.submit(self._work, batch)

    def _gather(self) -> tuple[_Batch[Request, Answer], _Dropped[Request, Answer]]:
        """The next batch, and who went before it and is not wanted any more; under the lock.

        A large request is a batch by itself.
        """
        dropped: _Dropped[Request, Answer] = []
        now = time.monotonic()

        def keep(entry: _Entry[Request, Answer]) -> bool:
            self._bytes -= entry.nbytes
            if entry.answer.done():
                dropped.append((entry, "gone"))
            elif entry.deadline is not None and entry.deadline <= now:
                dropped.append((entry, "late"))
            else:
                return True
            return False

        return self._waiting.take(self._batching.max_size, keep), dropped

    def _drop(self, dropped: _Dropped[Request, Answer]) -> None:
        for entry, reason in dropped:
            self._unsettled -= 1
            self._observer.record_refusal(reason)
            if reason == "late":
                _settle(entry.answer, TooLate("The deadline passed before an answer."))

    def _work(self, batch: _Batch[Request, Answer]) -> None:
        """Runs in a thread, for as long as something waits."""
        while batch:
            started = time.monotonic()
            answers = isolate(self._compute, [entry.request for entry in batch])
            took = time.monotonic() - started
            with self._lock:
                # While a timer runs, another thread is free, and what waits is to become more.
                following, dropped = self._gather() if self._timer is None else ([], [])
                self._idle += not following
            self._tell(self._finish, batch, answers, dropped, started, took)
            batch = following

    def _tell(self, callback: Callable[..., None], *arguments: object) -> None:
        """Call back on the loop, unless it has ended."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # closed, with all who waited
                self._loop.call_soon_threadsafe(callback, *arguments)

    def _finish(
        self,
        batch: _Batch[Request, Answer],
        answers: Sequence[Answer | Exception],
        dropped: _Dropped[Request, Answer],
        started: float,
        took: float,
    ) -> None:
        self._drop(dropped)
        self._unsettled -= len(batch)
        for entry, answer in zip(batch, answers, strict=True):
            _settle(entry.answer, answer)
        size = sum(entry.size for entry in batch)
        self._observer.record_batch(size, started - batch[0].since, took)


def _settle(future: "asyncio.Future[Answer]", answer: Answer | Exception) -> None:
    if future.done():  # the caller left
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
