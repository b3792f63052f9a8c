"""What a run leaves behind as it goes: spool, checkpoints, filters, bundle. Rank 0 writes."""

import json
import os
import time
from collections.abc import Callable, Mapping

from safetensors.torch import save
from torch import Tensor, nn

from striate.core.bundle import Bundle
from striate.core.errors import PlatformError
from striate.core.files import write_atomic
from striate.train.checkpoint.retry import retry_until
from striate.train.checkpoint.store import Checkpoint
from striate.train.distributed.parallel import gather_tensor
from striate.train.distributed.world import World
from striate.train.loop.bundle_spec import bundle_assets, bundle_spec
from striate.train.loop.checkpointing import Checkpointer
from striate.train.loop.evaluate import Evaluation
from striate.train.loop.state import TrainState
from striate.train.run import startup_times
from striate.train.run.attempts import Ledger
from striate.train.run.folder import Run
from striate.train.run.spec import RunOutcome
from striate.train.tasks.base import Tally
from striate.train.tracking.metric_log import MetricLog
from striate.train.tracking.metric_names import (
    SKIPPED,
)
from striate.train.tracking.reporter import (
    Reporter,
)


class Recorder:
    """The run's folder as seen from one worker; on ranks other than 0 most calls do nothing.

    Nothing here ends a run because the storage is full or away for a while: that is said in a
    note and tried again. Only the finished model must be written.
    """

    def __init__(self, run: Run, place: World) -> None:
        self.run = run
        self.place = place
        self._spool = MetricLog(run.folder.spool) if place.first else None
        self._reporter = Reporter(place, self._spool, run.spec.recipe.batch_size)
        self._keeper = Checkpointer(
            run, place, self._durable, self._reporter.note, self._reporter.metrics
        )
        self._ledger = Ledger(run.folder.path)
        self._startup: dict[str, float] = {}
        pid = json.dumps({"pid": os.getpid(), "rank": place.rank})
        self._attempt(
            0,
            "The process ids of the workers",
            lambda: write_atomic(run.folder.workers / f"rank-{place.rank}.json", pid.encode()),
        )

    def restore(self, state: TrainState) -> None:
        """Bring every rank to the checkpoint that rank 0 finds; none leaves `state` fresh.

        Raises:
            CheckpointError: there are checkpoints, and none is good.
        """
        payload = self.place.from_first(self._keeper.load() if self.place.first else b"")
        if payload:
            state.restore(Checkpoint.from_bytes(payload))
            self._reporter.note(state.step, f"Restored from the checkpoint of step {state.step}.")
        if self.place.first:
            self._attempt(state.step, "The start", lambda: self._enter(state.step))
            startup_times.mark(self.run.folder.path, "model and checkpoint")
        self._keeper.begin(state.step)
        self._reporter.rest()

    def loss(self, loss: Tensor) -> None:
        """Hold one step's loss until the next report."""
        self._reporter.add(loss)

    def report(
        self, step: int, rate: float, waited_s: float, damaged: Mapping[str, str] | None = None
    ) -> dict[int, float]:
        """Write all losses held, and how many samples were damaged; every rank must call.

        Args:
            step: optimiser steps done.
            rate: learning rate of the last step.
            waited_s: seconds waited for data since the start of the stream.
            damaged: name → reason of the samples that others stood in for, on this rank.

        Returns:
            Step → loss over the whole batch, for each step since the last report.
        """
        return self._reporter.flush(step, rate, waited_s, damaged or {})

    def skip(self, state: TrainState, text: str) -> None:
        """Say that a step was skipped, and how many have been."""
        self._reporter.metrics(state.step, {SKIPPED: float(state.skipped)})
        self._reporter.note(state.step, text)

    def saves_at(self, step: int) -> bool:
        """Whether a checkpoint may be due after `step` steps; the same on every rank, each of
        which must ask after every step."""
        self._ledger.reached(step)
        if not self._startup and self.place.first:
            self._startup = self._started(step)
        return self._keeper.due(step)

    def checkpoint(self, state: TrainState) -> None:
        """Take the checkpoint that is due; every rank must call.

        Raises:
            TrainingStopped: the run was asked to end, and has its checkpoint.
        """
        self._keeper.take(state)
        self._reporter.rest()

    def evaluation(self, state: TrainState, counts: Tally) -> None:
        """Report an evaluation, and keep the first layer's weights as they are now."""
        metrics = {f"test/{name}": value for name, value in counts.metrics().items()}
        self._reporter.metrics(state.step, metrics)
        weights = first_layer(state.network)
        weights = None if weights is None else gather_tensor(weights)
        if self.place.first and weights is not None:
            content = save({"weight": weights.detach().float().cpu().contiguous()})
            path = self.run.folder.filters / f"step-{state.step:08d}.safetensors"
            self._attempt(
                state.step,
                f"The first layer at step {state.step}",
                lambda: write_atomic(path, content),
            )
        self._reporter.rest()

    def finish(self, state: TrainState, evaluation: Evaluation, seconds: float) -> None:
        """Write the bundle and what the run came to; every rank must call.

        Raises:
            PlatformError: the disk has no room.
            OSError: the storage refuses in another way.
        """
        weights = state.weights()
        if self._spool is None:
            return
        self._keeper.finish(state.step)
        counts = evaluation.tally
        metrics = counts.metrics()
        spec = bundle_spec(self.run.spec, state.network, metrics)
        assets = bundle_assets(self.run.spec)
        self._patiently(
            state.step, lambda: Bundle.write(self.run.folder.bundle, spec, weights, assets)
        )
        outcome = RunOutcome(
            metrics=metrics,
            confusion=[] if counts.confusion is None else counts.confusion.long().tolist(),
            mistakes=evaluation.mistakes.worst,
            steps=state.step,
            seconds=seconds,
            restarts=self._ledger.restarts,
            repeated_steps=self._ledger.repeated_steps,
            checkpoint_blocked_share=self._keeper.blocked_share,
            startup=self._startup,
        )
        content = outcome.model_dump_json(indent=1).encode()
        self._patiently(state.step, self._durable)
        self._spool.close()
        self._patiently(state.step, lambda: write_atomic(self.run.folder.outcome, content))

    def _enter(self, step: int) -> None:
        """Count this start of the run."""
        self.run.folder.stopped.unlink(missing_ok=True)
        self._ledger = Ledger.begun(self.run.folder.path, time.time(), self.place.world, step)
        counts = {
            "train/workers": float(self.place.world),
            "train/restarts": float(self._ledger.restarts),
            "train/repeated_steps": float(self._ledger.repeated_steps),
        }
        self._reporter.metrics(step, counts)

    def _started(self, step: int) -> dict[str, float]:
        """After the first step: where the time since the command went; said once a command."""
        if before := startup_times.parts_of(self.run.folder.path):
            return before
        startup_times.mark(self.run.folder.path, startup_times.FIRST_STEP)
        if parts := startup_times.parts_of(self.run.folder.path):
            self._reporter.note(step, startup_times.sentence(parts))
            metrics = {f"startup/{name.replace(' ', '_')}_s": s for name, s in parts.items()}
            self._reporter.metrics(step, {**metrics, "startup/total_s": sum(parts.values())})
        return parts

    def _durable(self) -> None:
        if self._spool is not None:
            self._spool.sync()

    def _patiently(self, step: int, write: Callable[[], object]) -> None:
        """Write what must be written, as long as the recipe has patience with the storage."""

        def said(reason: str) -> None:
            self._reporter.note(step, f"The storage refuses: {reason} It is tried again.")

        retry_until(write, self.run.spec.recipe.checkpoint.patience_s, said)

    def _attempt(self, step: int, what: str, write: Callable[[], None]) -> None:
        try:
            write()
        except (OSError, PlatformError) as error:
            reason = error.message if isinstance(error, PlatformError) else f"{error}."
            text = f"{what} could not be written: {reason} Training goes on and tries again."
            self._reporter.note(step, text)


def first_layer(model: nn.Module) -> Tensor | None:
    """The kernels (out, in, height, width) of the first convolution, or None without one.

    Of a kernel over frames, (out, in, frames, height, width), the frames are side by side.
    """
    for kernels in model.parameters():
        if kernels.ndim == 5:
            return kernels.transpose(2, 3).flatten(3)
        if kernels.ndim == 4:
            return kernels
        if kernels.ndim == 3:  # one kernel a connection, as in LeNet's first layer
            return kernels.unsqueeze(1)
    return None
