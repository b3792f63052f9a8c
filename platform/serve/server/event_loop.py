"""The event loop of a model server, and its share of gRPC's one poller.

`grpc.aio` has one poller for a process: whatever happens on any of its servers and channels wakes
every loop that ever made one, and the first to look passes on what belongs to another. A replica's
process has a second such loop, that of Serve's own server, which nobody calls here: each call to
the model woke both, for a quarter of its whole cost.
"""

import asyncio
import gc
import logging
import threading
from collections.abc import Callable
from typing import Any

import uvloop

_PATIENCE_S = 5.0
_log = logging.getLogger(__name__)


class ServerLoop(uvloop.Loop):
    """uvloop's loop, which knows what it waits for."""

    def __init__(self) -> None:
        super().__init__()
        self._read: list[Any] = []

    # uvloop's stubs type it by a variadic callback, which passing the arguments on cannot repeat.
    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:  # type: ignore[override]
        """Call back when there is something to read; gRPC's poller announces itself so."""
        self._read.append(fd)
        super().add_reader(fd, callback, *args)

    def take_over(self) -> None:
        """Let no other loop of this process wait for what this one waits for.

        From then on it passes on what belongs to another loop, and must not end before those.
        """
        for loop in _running_loops():
            if loop is self:
                continue
            if loop is _loop_here():  # it runs this very call, and would answer after it
                self._let_go(loop)
            elif not self._let_go_there(loop):
                _log.warning(
                    "A loop of this process has not answered in %.0f s and may still be woken"
                    " by every call: calls take a quarter longer until it does.", _PATIENCE_S,
                )  # fmt: skip

    def _let_go(self, loop: asyncio.AbstractEventLoop) -> None:
        for fd in self._read:
            loop.remove_reader(fd)

    def _let_go_there(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Let go in another loop's thread; whether it has happened before patience ended."""
        done = threading.Event()

        def act() -> None:
            self._let_go(loop)
            done.set()

        loop.call_soon_threadsafe(act)
        return done.wait(_PATIENCE_S)


def _loop_here() -> asyncio.AbstractEventLoop | None:
    """The loop that runs what this thread does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _running_loops() -> list[asyncio.AbstractEventLoop]:
    """Asyncio keeps no list of its loops.

    By their type: `isinstance` asks some libraries' objects for their class, and they warn.
    """
    base = asyncio.AbstractEventLoop
    return [each for each in gc.get_objects() if issubclass(type(each), base) and each.is_running()]
