"""Micro-batches on an asyncio loop: requests gather in a bounded queue, threads compute.

`serve.batch` batches calls that come through Serve's own request path; a replica that serves gRPC
itself needs the same on its own loop.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from striate.core.errors import PayloadTooLarge
from striate.serve.limits import Batching

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class QueueFull(PayloadTooLarge):
    """More requests wait than the server is set to hold."""

    code = "QUEUE_FULL"


class Batcher(Generic[Request, Answer]):
    """Answers requests in batches, computed in threads and never on the event loop.

    Args:
        compute: answers a batch in its order; an answer that is an exception fails its request
            alone, an exception that is raised fails the batch.
        batching: sizes and waits.
        queued: most requests waiting; one more raises `QueueFull`.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[Request]], Sequence[Answer | Exception]],
        batching: Batching,
        queued: int,
    ) -> None:
        self._compute = compute
        self._batching = batching
        self._queued = queued
        self._waiting: asyncio.Queue[tuple[Request, asyncio.Future[Answer]]] = asyncio.Queue()
        self._threads = ThreadPoolExecutor(batching.threads, thread_name_prefix="predict")
        self._workers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to take requests on the running loop."""
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._batching.threads)]

    async def stop(self) -> None:
        """Stop; requests that still wait are cancelled."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        while not self._waiting.empty():
            self._waiting.get_nowait()[1].cancel()
        self._threads.shutdown(wait=False)

    async def submit(self, request: Request) -> Answer:
        """The answer to one request.

        Raises:
            QueueFull: too many requests wait.
        """
        if self._waiting.qsize() >= self._queued:
            raise QueueFull("The server has too many requests waiting.", "Try again in a moment.")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((request, answer))
        return await answer

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._gather()
            requests = [request for request, _ in batch]
            try:
                answers = await loop.run_in_executor(self._threads, self._compute, requests)
            except Exception as error:
                answers = [error] * len(batch)
            for (_, future), answer in zip(batch, answers, strict=True):
                _settle(future, answer)

    async def _gather(self) -> list[tuple[Request, "asyncio.Future[Answer]"]]:
        """The next batch: what waits now, or what comes within the wait; callers gone are left."""
        batch = [await self._waiting.get()]
        until = asyncio.get_running_loop().time() + self._batching.max_wait_ms / 1000
        while len(batch) < self._batching.max_size:
            if self._waiting.empty():
                left = until - asyncio.get_running_loop().time()
                if left <= 0:
                    break
                try:
                    batch.append(await asyncio.wait_for(self._waiting.get(), left))
                except TimeoutError:
                    break
            else:
                batch.append(self._waiting.get_nowait())
        alive = [entry for entry in batch if not entry[1].done()]
        return alive or await self._gather()


def _settle(future: "asyncio.Future[Answer]", answer: Answer | Exception) -> None:
    if future.done():  # the caller left
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
