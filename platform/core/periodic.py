"""Work that goes on beside other work, again and again, until that ends."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def call_every(
    every_s: float,
    action: Callable[[], object],
    *,
    name: str,
    ignored: tuple[type[Exception], ...] = (),
    at_once: bool = False,
    at_ends: bool = False,
    least_rest: float = 0.0,
) -> Iterator[None]:
    """Call something from a thread, again and again while the block runs.

    The block's end waits for a call that is under way.

    Args:
        every_s: seconds between the end of a call and the next one.
        action: what is called.
        name: the thread's.
        ignored: errors after which it is called again as if nothing had been. Any other one ends
            the thread and is printed, and the block goes on.
        at_once: call it when the block begins as well.
        at_ends: call it when the block begins and once more when it ends as well.
        least_rest: rest at least so many times as long as a call took, in place of `every_s`.
    """
    done = threading.Event()

    def call() -> float:
        began_s = time.monotonic()
        with suppress(*ignored):
            action()
        return max(every_s, least_rest * (time.monotonic() - began_s))

    def run() -> None:
        rest_s = call() if at_once or at_ends else every_s
        while not done.wait(rest_s):
            rest_s = call()
        if at_ends:
            call()

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
