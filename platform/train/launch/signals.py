"""Ctrl-C and SIGTERM in the process that drives a run: a checkpoint first, then the end."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from striate.train.run.folder import RunFolder
from striate.train.run.stop_requests import REQUESTS

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_on_signals(folder: RunFolder, tell: Callable[[str], None]) -> Iterator[None]:
    """While the block runs, a first signal asks the workers to end with a checkpoint.

    A second one ends the block at once with `KeyboardInterrupt`. In another thread than the main
    one, which no signal reaches, this does nothing.

    Args:
        folder: the run's.
        tell: takes one sentence for the user.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        REQUESTS.stop()
        with contextlib.suppress(OSError):
            folder.stop_request.touch()
        name = signal.Signals(number).name
        tell(f"{name}: the run ends after a checkpoint; a second one ends it without.")

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
