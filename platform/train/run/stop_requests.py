"""What a process that trains is asked by others: to write a checkpoint, or to end with one.

Signals, Ray Train's controller and the driver ask, from threads of their own; the loop looks
between two steps and answers. One process trains one run at a time.
"""

import threading


class LoopRequests:
    """Requests to the loop of this process, and whether it still runs."""

    def __init__(self) -> None:
        self._training = threading.Event()
        self._ended = threading.Event()
        self._save = threading.Event()
        self._stop = threading.Event()

    def begin(self) -> None:
        """A run starts in this process; nothing is asked yet."""
        for event in (self._save, self._stop, self._ended):
            event.clear()
        self._training.set()

    def end(self) -> None:
        """The run is over in this process, however it ended."""
        self._training.clear()
        self._ended.set()

    @property
    def training(self) -> bool:
        """Whether a run goes on in this process."""
        return self._training.is_set()

    @property
    def stopping(self) -> bool:
        """Whether the run is asked to end."""
        return self._stop.is_set()

    def save(self) -> None:
        """Ask for a checkpoint."""
        self._save.set()

    def stop(self) -> None:
        """Ask for a checkpoint, and for the end after it."""
        self._stop.set()

    def take_save(self) -> bool:
        """Whether a checkpoint is asked for; asked and answered once."""
        asked = self._save.is_set()
        self._save.clear()
        return asked

    def stop_and_wait(self, within_s: float) -> bool:
        """Ask for the end and wait for it; whether it came."""
        if not self.training:
            return True
        self.stop()
        return self._ended.wait(within_s)


REQUESTS = LoopRequests()
"""This process's own: a signal handler and a remote call reach the loop through nothing else."""


def save_here() -> None:
    """Ask the process that this is called in for a checkpoint."""
    REQUESTS.save()


def stop_here(within_s: float) -> bool:
    """Ask the process that this is called in to end its run with a checkpoint; whether it did."""
    return REQUESTS.stop_and_wait(within_s)
