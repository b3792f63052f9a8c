"""Checkpoints written while training goes on, by a thread that tries until the storage takes them.

The training thread only copies the state; hashing, syncing and renaming are the thread's. While
one is being written no other is taken, so that there is one copy of the state beside the state
itself. One that the storage refused waits for the next try, and a newer one takes its place.
"""

import atexit
import threading
import time
from collections.abc import Callable

from striate.core.errors import PlatformError
from striate.core.retry import Backoff
from striate.train.checkpoint.retry import reason_of
from striate.train.checkpoint.store import Checkpoint, CheckpointStore

BACKOFF = Backoff(first_s=0.5, longest_s=15.0)
IDLE_S = 60.0
LAST_S = 30.0
"""How long a process that ends waits for what is being written: Python aborts with a thread that is
still inside of torch then, and the command's own exit code is lost."""


class Saver:
    """Writes checkpoints of one run from a thread.

    Args:
        store: where they go.
        before: called before each write; raises `OSError` when what must be on the disk before
            the checkpoint (the metrics of its steps) is not.
        note: takes a step and one sentence for the user.
    """

    def __init__(
        self,
        store: CheckpointStore,
        before: Callable[[], None],
        note: Callable[[int, str], None],
    ) -> None:
        self._store = store
        self._before = before
        self._note = note
        self._waiting: Checkpoint | None = None
        self._broken: BaseException | None = None
        self._writing = self._claimed = self._hurried = self._closed = False
        self._refused_s: float | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def writing(self) -> bool:
        """Whether the thread is at it right now."""
        return self._writing

    def claim(self) -> bool:
        """Whether another checkpoint can be taken now: none is being written.

        Until the `submit` that must follow, the thread leaves the tensors of the last one alone.

        Raises:
            BaseException: what the thread met that no waiting mends.
        """
        with self._changed:
            self._raise_if_broken()
            self._claimed = not self._writing
            return self._claimed

    def submit(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, whose tensors may only be changed after the next `claim`."""
        with self._changed:
            assert self._claimed
            self._waiting, self._claimed = checkpoint, False
            self._writing = self._refused_s is None  # as good as: nothing newer takes its place
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="striate-saver", daemon=True)
                atexit.register(self._end)
                self._thread.start()
            self._changed.notify_all()

    def settle(self, within_s: float) -> None:
        """Wait until the thread is not writing right now: what it was at is written, or refused.

        A storage that does not answer is waited for no longer than this.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._writing, within_s)

    def flush(self, within_s: float) -> bool:
        """Wait until everything is written; whether it is.

        Raises:
            BaseException: what the thread met that no waiting mends.
        """
        with self._changed:
            self._hurried = True
            self._changed.notify_all()
            done = self._changed.wait_for(
                lambda: self._waiting is None or self._broken is not None, within_s
            )
            self._hurried = False
            self._raise_if_broken()
            return done

    def close(self) -> None:
        """End the thread; what is not written by now never is."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _end(self) -> None:
        """With the process: a run that failed has closed nothing."""
        thread = self._thread
        self.close()
        if thread is not None:
            thread.join(LAST_S)

    def _run(self) -> None:
        refusals = 0
        while (checkpoint := self._next()) is not None:
            try:
                refusal = self._try(checkpoint)
            except BaseException as error:  # the training thread raises it
                refusal, self._broken = None, error
            with self._changed:
                self._writing = False
                if refusal is None:
                    self._waiting = None
                self._changed.notify_all()
            refusals = 0 if refusal is None else refusals + 1
            if refusals:
                self._pause(BACKOFF.pause_s(refusals))

    def _next(self) -> Checkpoint | None:
        """The checkpoint to write, once there is one; None at the end, or when none comes.

        A run that failed closes nothing; its thread and its copy of the state go by themselves.
        """
        with self._changed:
            ready = self._changed.wait_for(
                lambda: self._closed or (self._waiting is not None and not self._claimed), IDLE_S
            )
            self._writing = ready and not self._closed
            if not self._writing:
                self._thread = None
                atexit.unregister(self._end)  # it holds the copy of the state
            return self._waiting if self._writing else None

    def _try(self, checkpoint: Checkpoint) -> str | None:
        """Write a checkpoint, or give back why it is refused; the first refusal is said."""
        step = checkpoint.step
        try:
            self._before()
            self._store.save(checkpoint)
        except (OSError, PlatformError) as error:
            reason = reason_of(error)
            if self._refused_s is None:
                self._refused_s = time.monotonic()
                text = f"The checkpoint of step {step} could not be written: {reason}"
                self._note(step, f"{text} Training goes on and tries again.")
            return reason
        if self._refused_s is not None:
            seconds, self._refused_s = time.monotonic() - self._refused_s, None
            text = f"The checkpoint of step {step} is written: the storage refused for"
            self._note(step, f"{text} {seconds:.1f} s.")
        return None

    def _pause(self, seconds: float) -> None:
        """Wait, less long when somebody waits for the end of it."""
        with self._changed:
            if self._hurried:
                self._changed.wait_for(lambda: self._closed, BACKOFF.first_s)
            else:
                self._changed.wait_for(lambda: self._closed or self._hurried, seconds)

    def _raise_if_broken(self) -> None:
        if self._broken is not None:
            raise self._broken
