"""Long work in a thread of its own: what is short need not wait for it, nor share its threads."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from striate.serve.server.batcher import QueueFull

Params = ParamSpec("Params")
Result = TypeVar("Result")


class OneAtATime:
    """Does one thing at a time; another one is refused, and does not wait.

    Args:
        verb: what it does, as callers know it.
    """

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=verb)
        self._busy = threading.Lock()

    async def run(
        self, work: Callable[Params, Result], *args: Params.args, **kwargs: Params.kwargs
    ) -> Result:
        """What a function returns; it goes on to its end even where nobody waits for it any more.

        Raises:
            QueueFull: one is under way.
            Exception: its own.
        """
        if not self._busy.acquire(blocking=False):
            raise QueueFull(f"Another {self._verb} is under way.", "Try again when it has ended.")
        try:
            done = self._thread.submit(work, *args, **kwargs)
        except RuntimeError:  # it is closed
            self._busy.release()
            raise
        done.add_done_callback(lambda _: self._busy.release())
        return await asyncio.wrap_future(done)

    def close(self) -> None:
        """Wait for what is under way, and end the thread."""
        self._thread.shutdown()
