"""What a run leaves behind as it goes: spool, checkpoints, filters, bundle. Rank 0 writes."""

import json
import os
from collections.abc import Callable, Mapping
from importlib.metadata import version

from safetensors.torch import save
from torch import Tensor, nn

from striate.core.bundle import (
    Architecture,
    Bundle,
    BundleSpec,
    Provenance,
    TensorSpec,
)
from striate.core.errors import PlatformError
from striate.core.files import write_atomic
from striate.train.assignment import Assignment, Outcome
from striate.train.checkpoint import Checkpoint, CheckpointStore
from striate.train.place import Place
from striate.train.report import Reporter
from striate.train.spool import SpoolWriter
from striate.train.state import TrainState
from striate.train.tasks.base import Tally


class Recorder:
    """The run's folder as seen from one worker; on ranks other than 0 most calls do nothing.

    Nothing here ends a run because the storage is full or away for a while: that is said in a
    note and tried again. Only the finished model must be written.
    """

    def __init__(self, run: Assignment, place: Place) -> None:
        self.run = run
        self.place = place
        self.store = CheckpointStore(run.checkpoints, run.recipe.checkpoint.keep)
        self._spool = SpoolWriter(run.spool) if place.first else None
        self._reporter = Reporter(place, self._spool, run.recipe.batch_size)
        pid = json.dumps({"pid": os.getpid(), "rank": place.rank})
        self._attempt(
            0,
            "The process ids of the workers",
            lambda: write_atomic(run.workers / f"rank-{place.rank}.json", pid.encode()),
        )

    def restore(self, state: TrainState) -> None:
        """Bring every rank to the checkpoint that rank 0 finds; none leaves `state` fresh.

        Raises:
            CheckpointError: there are checkpoints, and none is good.
        """
        payload = b""
        if self.place.first:
            self.store.sweep()
            checkpoint, complaints = self.store.load_latest()
            for complaint in complaints:
                assert checkpoint is not None
                text = f"{complaint} The run goes on from step {checkpoint.step}."
                self._reporter.note(checkpoint.step, text)
            payload = checkpoint.to_bytes() if checkpoint else b""
        payload = self.place.from_first(payload)
        if payload:
            state.restore(Checkpoint.from_bytes(payload), self.place)
            self._reporter.note(state.step, f"Restored from the checkpoint of step {state.step}.")
        self._reporter.rest()

    def loss(self, loss: Tensor) -> None:
        """Hold one step's loss until the next report."""
        self._reporter.add(loss)

    def report(
        self, step: int, rate: float, waited_s: float, damaged: Mapping[str, str] | None = None
    ) -> None:
        """Write all losses held, and how many samples were damaged; every rank must call.

        Args:
            step: optimiser steps done.
            rate: learning rate of the last step.
            waited_s: seconds waited for data since the start of the stream.
            damaged: name → reason of the samples that others stood in for, on this rank.
        """
        self._reporter.flush(step, rate, waited_s, damaged or {})

    def saves_at(self, step: int) -> bool:
        """Whether a checkpoint is due after `step` steps; the same on every rank."""
        return step % self.run.recipe.checkpoint.every_steps == 0 or step == self.run.total_steps

    def checkpoint(self, state: TrainState) -> None:
        """Write a checkpoint; every rank must call."""
        about = {"run_id": self.run.run_id, "recipe": self.run.recipe.name}
        checkpoint = state.capture(self.place, about)
        if self.place.first:
            self._attempt(
                state.step,
                f"The checkpoint of step {state.step}",
                lambda: self.store.save(checkpoint),
            )
        self._reporter.rest()

    def evaluation(self, state: TrainState, counts: Tally) -> None:
        """Report an evaluation, and keep the first layer's weights as they are now."""
        metrics = {f"test/{name}": value for name, value in counts.metrics().items()}
        self._reporter.metrics(state.step, metrics)
        weights = first_layer(state.network)
        if self.place.first and weights is not None:
            content = save({"weight": weights.detach().float().cpu().contiguous()})
            path = self.run.filters / f"step-{state.step:08d}.safetensors"
            self._attempt(
                state.step,
                f"The first layer at step {state.step}",
                lambda: write_atomic(path, content),
            )
        self._reporter.rest()

    def finish(self, state: TrainState, counts: Tally, seconds: float) -> None:
        """Write the bundle and what the run came to.

        Raises:
            PlatformError: the disk has no room.
        """
        if self._spool is None:
            return
        metrics = counts.metrics()
        spec = bundle_spec(self.run, state.network, metrics)
        Bundle.write(self.run.bundle, spec, state.network.state_dict())
        confusion = [] if counts.confusion is None else counts.confusion.long().tolist()
        outcome = Outcome.model_validate(
            {"metrics": metrics, "confusion": confusion, "steps": state.step, "seconds": seconds}
        )
        self._spool.close()
        write_atomic(self.run.outcome, outcome.model_dump_json(indent=1).encode())

    def _attempt(self, step: int, what: str, write: Callable[[], None]) -> None:
        try:
            write()
        except (OSError, PlatformError) as error:
            reason = error.message if isinstance(error, PlatformError) else f"{error}."
            text = f"{what} could not be written: {reason} Training goes on and tries again."
            self._reporter.note(step, text)


def first_layer(model: nn.Module) -> Tensor | None:
    """The kernels (out, in, height, width) of the first convolution, or None without one."""
    for kernels in model.parameters():
        if kernels.ndim == 4:
            return kernels
        if kernels.ndim == 3:  # one kernel a connection, as in LeNet's first layer
            return kernels.unsqueeze(1)
    return None


def bundle_spec(run: Assignment, model: nn.Module, metrics: dict[str, float]) -> BundleSpec:
    """What the bundle of a run says of its model."""
    recipe = run.recipe
    shape = tuple(int(size) for size in model.input_shape)  # type: ignore[union-attr]
    return BundleSpec(
        architecture=Architecture(name=recipe.model.name, arguments=recipe.model.arguments),
        task=recipe.task.name,
        input=TensorSpec(dtype="float32", shape=shape, layout="CHW", units="normalised intensity"),
        output=TensorSpec(dtype="float32", shape=(len(run.labels),), layout="C", units="logit"),
        preprocessing=recipe.data.preprocessing,
        labels=run.labels,
        provenance=Provenance(
            run_id=run.run_id,
            recipe=recipe.name,
            data_manifest_sha256=run.manifest_sha256,
            source_revision=f"striate {version('striate')}",
            metrics=metrics,
        ),
    )
