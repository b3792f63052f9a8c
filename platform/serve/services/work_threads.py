"""Threads for what waits for a store or computes long, so that the event loop does not."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from striate.serve.server.batcher import QueueFull

THREADS = 8
"""Functions that run at a time."""
Params = ParamSpec("Params")
Result = TypeVar("Result")


class WorkThreads:
    """Runs functions in threads, and refuses more of them than may wait.

    Args:
        name: of the threads.
        queued: functions that may wait or run.
    """

    def __init__(self, name: str, queued: int) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=name)
        self._queued, self._waiting = queued, 0

    async def run(
        self, work: Callable[Params, Result], *args: Params.args, **kwargs: Params.kwargs
    ) -> Result:
        """What a function returns, from a thread; it is called on the loop.

        Raises:
            QueueFull: too many wait.
            Exception: its own.
        """
        if self._waiting >= self._queued:
            raise QueueFull("The server has too many requests waiting.", "Try again in a moment.")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Wait for what runs, and end the threads."""
        self._threads.shutdown()
