"""Striate's hooks in Ray Train's controller and workers: no step is lost that need not be.

Ray Train ends its workers without a word when it changes their number. Here they are asked first,
and wait with a fresh checkpoint when they are ended. While a node is being drained, its workers are
asked for a checkpoint at every look, so that its end costs as little as the time between two looks.
"""

import logging
import signal
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import ray

from striate.core import ray_private
from striate.train.distributed.near_store import keep_store_near
from striate.train.run import startup_times
from striate.train.run.stop_requests import REQUESTS, save_here, stop_here

logger = logging.getLogger(__name__)

REQUESTER_FILE = "requester"
ControllerCallback: Any
WorkerGroupCallback: Any
WorkerCallback: Any
ControllerCallback, WorkerGroupCallback, WorkerCallback = ray_private.train_callbacks()


class RunCallbacks(ControllerCallback, WorkerGroupCallback, WorkerCallback):  # type: ignore[misc]
    """One run's hooks; Ray sends copies to its controller and its workers.

    An error here would end the run, so none leaves: without the hooks the run is only less well
    kept.

    Args:
        folder: the run's.
        grace_s: seconds in which workers may write a checkpoint before their number changes.
    """

    def __init__(self, folder: Path, grace_s: float) -> None:
        self._folder = folder
        self._grace_s = grace_s
        self._group: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_group": None}

    def after_controller_start(self, train_run_context: Any) -> None:
        """In the controller: it is there; what a dead one before it held back is let go.

        Ray keeps the resources that a controller asked for from all others, until three minutes
        after its death: those of this very run too.
        """
        startup_times.mark(self._folder, "controller")
        mine = ray_private.requester_of(train_run_context)
        try:
            if (former := self._replaced(mine)) is not None:
                ray_private.release_resources(former)
        except Exception:  # then an elastic run waits a little longer
            logger.warning("The former controller's resources cannot be let go.", exc_info=True)

    def before_worker_group_start(self, worker_group_context: object) -> None:
        """In the controller: it begins to start workers."""
        startup_times.mark(self._folder, "choice of workers")

    def after_worker_group_start(self, worker_group: Any) -> None:
        """In the controller: the workers are there and connected with each other."""
        self._group = worker_group
        startup_times.mark(self._folder, "workers")

    def after_controller_state_update(self, previous_state: object, current_state: object) -> None:
        """In the controller: before a change of the workers' number, they save and end."""
        if ray_private.is_resizing(current_state):
            self._ask(stop_here, self._grace_s, wait_s=self._grace_s + 5)

    def after_worker_group_poll_status(self, worker_group_status: Any) -> None:
        """In the controller: while a node is drained, its workers save."""
        if ray_private.is_draining(worker_group_status):
            self._ask(save_here, wait_s=0)

    def before_worker_group_shutdown(self, worker_group: object) -> None:
        """In the controller: nobody is left to ask."""
        self._group = None

    def after_init_train_context(self) -> None:
        """In a worker, on its main thread: a first SIGTERM is answered with a checkpoint.

        The loop is imported already now, while the workers find each other, on loopback where
        they all are on one machine.
        """
        keep_store_near()
        threading.Thread(
            target=import_module, args=("striate.train.loop.train",), daemon=True
        ).start()
        former = signal.getsignal(signal.SIGTERM)

        def end_softly(number: int, frame: Any) -> None:
            if REQUESTS.training and not REQUESTS.stopping:
                REQUESTS.stop()
            elif callable(former):
                former(number, frame)

        signal.signal(signal.SIGTERM, end_softly)

    def _replaced(self, requester: str) -> str | None:
        """Put down by which name this controller asks for resources; the name before it."""
        path = self._folder / REQUESTER_FILE
        former = path.read_text(encoding="utf-8") if path.is_file() else None
        path.write_text(requester, encoding="utf-8")
        return former

    def _ask(self, question: Callable[..., object], *args: object, wait_s: float) -> None:
        """Call a function in all workers and wait for them, for some seconds at most."""
        if self._group is None:
            return
        try:
            answers = ray_private.call_workers(self._group, question, *args)
            ray.wait(answers, num_returns=len(answers), timeout=wait_s)
        except Exception:  # a worker that is gone; Ray finds out by itself
            logger.warning("The workers cannot be asked for a checkpoint.", exc_info=True)
