"""When a run's checkpoints are taken, and what becomes of them; rank 0 writes."""

import collections
import json
import time

from striate.core.errors import CheckpointError, PlatformError, TrainingStopped
from striate.core.files import write_atomic
from striate.train.checkpoint.async_writer import Saver
from striate.train.checkpoint.retry import retry_until
from striate.train.checkpoint.store import Checkpoint, CheckpointStore, HostBuffers
from striate.train.distributed.consensus import Agreement
from striate.train.distributed.world import World
from striate.train.loop.state import TrainState
from striate.train.run.folder import Run
from striate.train.run.stop_requests import REQUESTS
from striate.train.tracking.reporter import Reporter

BLOCKED_SHARE = "train/checkpoint_blocked_share"


class Checkpointer:
    """Takes checkpoints of a run on its training thread, and writes them from another.

    A checkpoint is due after every so many steps and seconds, after the best evaluation so far,
    at the end, and when one is asked for. While the one before is still being written, the next
    is put off, not waited for; only the best so far and the last wait. It is on the disk after the
    metrics of its steps, which the reporter brings there.

    Args:
        run: whose checkpoints.
        world: this worker.
        reporter: takes metrics, and sentences for the user.
    """

    def __init__(self, run: Run, world: World, reporter: Reporter) -> None:
        config = run.spec.recipe.checkpoint
        self._run, self._folder, self._world = run.spec, run.folder, world
        self._reporter = reporter
        self._store = CheckpointStore(run.folder.checkpoints, config.keep, config.keep_best)
        self._saver = Saver(self._store, reporter.sync, reporter.note) if world.first else None
        self._buffers = HostBuffers()
        self._agreement = Agreement(world, 0, time.monotonic())
        self._wanted = self._stopping = self._put_off = False
        self._blocked_s = 0.0
        self._began_s = self._saved_s = time.monotonic()

    def restore(self, state: TrainState) -> None:
        """Bring every worker to the checkpoint that rank 0 finds; none leaves `state` fresh.

        Raises:
            CheckpointError: there are checkpoints, and none is good; or their storage is away.
        """
        payload = self._world.from_first(self._load() if self._world.first else b"")
        if payload:
            state.restore(Checkpoint.from_bytes(payload))
            text = f"Restored from the checkpoint of step {state.step}."
            self._reporter.note(state.step, text)

    def begin(self, step: int) -> None:
        """Training starts now, with `step` steps done."""
        self._began_s = self._saved_s = time.monotonic()
        self._agreement = Agreement(self._world, step, self._began_s)

    def due(self, step: int) -> bool:
        """Whether a checkpoint may be due after `step` steps: `take` knows.

        The same on every worker, each of which must ask after every step.
        """
        config, last = self._run.recipe.checkpoint, step == self._run.total_steps
        self._wanted = step % config.every_steps == 0 or last
        if self._agreement.due(step):
            now_s = time.monotonic()
            stop = REQUESTS.stopping or (self._world.first and self._folder.stop_request.exists())
            save = REQUESTS.take_save() or self._late(now_s)
            decision = self._agreement.take(step, now_s, save=save, stop=stop)
            self._wanted |= decision.save or decision.stop
            self._stopping |= decision.stop and not last
        return self._wanted or (config.keep_best and self._run.evaluates_at(step))

    def take(self, state: TrainState) -> None:
        """Take the checkpoint that is due; every worker must call.

        Raises:
            TrainingStopped: the run was asked to end, and has its checkpoint.
        """
        best = self._is_best(state)
        if self._wanted or best:
            began_s = time.monotonic()
            if best and self._saver is not None:
                self._saver.settle(self._run.recipe.scaling.grace_s)
            self._capture(state)
            self._blocked_s += time.monotonic() - began_s
            self._reporter.metrics(state.step, {BLOCKED_SHARE: self.blocked_share})
        if self._stopping:
            self._end(state)

    @property
    def blocked_share(self) -> float:
        """Share of the time since `begin` in which training waited for checkpoints."""
        return self._blocked_s / max(time.monotonic() - self._began_s, 1e-9)

    def finish(self, step: int) -> None:
        """Wait until everything is written, as long as the recipe has patience."""
        if self._saver is not None:
            within_s = self._run.recipe.checkpoint.patience_s
            if not self._saver.flush(within_s):
                self._reporter.note(
                    step, f"The last checkpoint is not written after {within_s:g} s."
                )
            self._saver.close()

    def _load(self) -> bytes:
        """The newest good checkpoint, to be sent to the other workers, or nothing."""
        self._store.sweep()
        try:
            checkpoint, complaints = retry_until(
                self._store.load_latest,
                self._run.recipe.checkpoint.patience_s,
                lambda reason: self._reporter.note(
                    0, f"The checkpoints cannot be read yet: {reason}"
                ),
            )
        except OSError as error:
            raise CheckpointError(
                f"The storage of the run's checkpoints does not answer: {error}.",
                "Resume the run when it does.",
            ) from error
        for complaint in complaints:
            assert checkpoint is not None
            text = f"{complaint} The run goes on from step {checkpoint.step}."
            self._reporter.note(checkpoint.step, text)
        return checkpoint.to_bytes() if checkpoint else b""

    def _late(self, now_s: float) -> bool:
        """Whether rank 0 finds that too much time has gone since the last checkpoint."""
        every_s = self._run.recipe.checkpoint.every_s
        if self._saver is None or self._saver.writing:
            return False
        return self._put_off or (every_s is not None and now_s - self._saved_s >= every_s)

    def _is_best(self, state: TrainState) -> bool:
        if not (self._run.recipe.checkpoint.keep_best and self._run.evaluates_at(state.step)):
            return False
        return bool(state.history) and state.history[-1] > max(
            state.history[:-1], default=float("-inf")
        )

    def _capture(self, state: TrainState) -> None:
        if self._stopping or state.step == self._run.total_steps:
            self._flush()
        if self._saver is None or not self._saver.claim():
            self._put_off = self._saver is not None
            if state.sharded:  # the others gather what rank 0 may keep
                collections.deque(state.tensors(), maxlen=0)
            return
        evaluated = self._run.evaluates_at(state.step) and bool(state.history)
        document = {
            **state.document(),
            "run_id": self._run.run_id,
            "recipe": self._run.recipe.name,
            "score": state.history[-1] if evaluated else None,
        }
        tensors = self._buffers.fill(state.tensors())
        self._saver.submit(Checkpoint(state.step, tensors, document))
        self._put_off, self._saved_s = False, time.monotonic()

    def _flush(self) -> bool:
        return self._saver is None or self._saver.flush(self._run.recipe.scaling.grace_s)

    def _end(self, state: TrainState) -> None:
        step, total = state.step, self._run.total_steps
        if not self._flush():
            self._reporter.note(step, f"The checkpoint of step {step} is not written.")
        if self._saver is not None:
            self._saver.close()
            self._reporter.note(step, f"Stopped after step {step} of {total}, as asked.")
            document = json.dumps({"step": step})
            try:
                write_atomic(self._folder.stopped, document.encode())
            except (OSError, PlatformError) as error:
                self._reporter.note(step, f"That the run was stopped could not be written: {error}")
        raise TrainingStopped(
            f"The run {self._run.run_id} was stopped after step {step} of {total}.",
            f"Go on with it: `striate train --resume {self._run.run_id}`.",
        )
