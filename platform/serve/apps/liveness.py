"""Whether a replica is well: it answers a small real question, or it is visibly at work."""

import asyncio
from collections.abc import Awaitable, Callable

from striate.serve.server.batcher import QueueFull


class LivenessCheck:
    """Checks one replica, again and again.

    A replica whose queue is full, or so long that the question is not reached in time, is busy and
    not ill as long as it goes on answering calls: ending it would hand its load to the others, and
    end them next. One that answers nothing from one check to the next is ill.

    Args:
        probe: asks the question; raises when the answer is no good.
        answered: how many calls have been answered well so far.
        timeout_s: how long the question may take.
    """

    def __init__(
        self, probe: Callable[[], Awaitable[None]], answered: Callable[[], int], timeout_s: float
    ) -> None:
        self._probe = probe
        self._answered = answered
        self._timeout_s = timeout_s
        self._before = 0
        self.passed = False
        """Whether the question was ever answered."""

    async def check(self) -> None:
        """Return when the replica is well.

        Raises:
            Exception: what the question met with.
        """
        before, self._before = self._before, self._answered()
        try:
            await asyncio.wait_for(self._probe(), self._timeout_s)
        except (QueueFull, TimeoutError):
            if not self.passed or self._answered() <= before:
                raise
        self.passed = True
