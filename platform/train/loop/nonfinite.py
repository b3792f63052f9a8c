"""Losses that are not finite: which samples were in the batch, and when to give up."""

import json
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from striate.core.errors import PlatformError, StriateError, TrainingFailed
from striate.core.files import write_atomic
from striate.data.stream.batch import Batch
from striate.data.stream.reader import SplitReader
from striate.train.distributed.parallel import gather_tensor, statistics
from striate.train.distributed.world import World
from striate.train.run.folder import Run
from striate.train.run.spec import RunSpec

MOST_SKIPS = 20
"""Steps skipped one after the other before the run is given up."""


class Guard:
    """Decides whether a step may move weights: the loss and the gradient are finite everywhere.

    Made before the forward pass, whose effect on running statistics it can undo. It waits for the
    device once a step.
    """

    def __init__(self, network: nn.Module, world: World) -> None:
        self._network = network
        self._world = world
        self._before = [one.clone() for one in statistics(network)]

    @torch.no_grad()
    def passes(self, loss: Tensor) -> bool:
        """Whether the step is good, the same on every worker, each of which calls.

        Args:
            loss: of this worker's share.
        """
        gradients = [one.grad for one in self._network.parameters() if one.grad is not None]
        norm = gather_tensor(nn.utils.get_total_norm(gradients))  # the same on all workers
        if bool(torch.isfinite(self._world.sum(loss.clone()) + norm)):
            return True
        for statistic, before in zip(statistics(self._network), self._before, strict=True):
            statistic.copy_(before)
        return False


_Ids = tuple[int, int, Tensor, Tensor]  # cursor, global size, rows, units


class NanWatch:
    """Keeps the ids of the latest batches until their losses are known to be finite.

    The losses come with the next report, so that no step waits for the device.

    Args:
        run: whose folder gets ``nan/step-…-rank-….json``.
        world: this process; all processes make the same calls.
    """

    def __init__(self, run: Run, world: World) -> None:
        self._run, self._folder, self._world = run.spec, run.folder, world
        self._ids: dict[int, _Ids] = {}
        self._in_a_row = 0

    def hold(self, step: int, batch: Batch, moved: bool) -> str:
        """Remember the batch of a step; one that was skipped is written down at once.

        Returns:
            One sentence for the user where the step was skipped, else nothing.

        Raises:
            TrainingFailed: too many steps were skipped one after the other.
        """
        self._ids[step] = (batch.cursor, batch.global_size, batch.rows, batch.units)
        self._in_a_row = 0 if moved else self._in_a_row + 1
        if moved:
            return ""
        where = self._write(step)
        if self._in_a_row >= MOST_SKIPS:
            self._world.agree()
            raise TrainingFailed(
                f"{MOST_SKIPS} steps in a row, up to step {step}, were skipped: their loss or"
                f" gradient is not finite. {where}",
                "Lower optimizer.lr, set clip_norm, or look at the samples.",
            )
        return f"Step {step} was skipped: its loss or gradient is not finite. {where}"

    def check(self, losses: Mapping[int, float]) -> None:
        """Go through the losses of all steps that are held.

        When the run stops, the batch before the first bad one is kept as well: its loss may have
        had a value, and its gradient none.

        Args:
            losses: step → loss over the whole batch, the same in every process.

        Raises:
            TrainingFailed: one of them is not finite, and the recipe says to stop then.
        """
        bad = [step for step, loss in losses.items() if not math.isfinite(loss)]
        if bad and self._run.recipe.on_nan == "stop":
            where = self._write(bad[0])
            if bad[0] - 1 in self._ids:  # whose gradient may have spoilt the weights
                self._write(bad[0] - 1)
            self._world.agree()  # the first to raise ends the others
            raise TrainingFailed(
                f"The loss is not finite at step {bad[0]}. {where}",
                "Lower optimizer.lr, set clip_norm, or skip such steps with on_nan=skip.",
            )
        latest = max(self._ids, default=0)
        self._ids = {step: ids for step, ids in self._ids.items() if step == latest}

    def _write(self, step: int) -> str:
        """Write down this process's samples of a step; gives back a sentence on where."""
        cursor, global_size, rows, units = self._ids[step]
        document: dict[str, Any] = {
            "step": step,
            "rank": self._world.rank,
            "workers": self._world.world_size,
            "first_position": cursor - global_size,
            "rows": rows.tolist(),
            "units": units.tolist(),
            "keys": keys_of(self._run, rows),
        }
        content = json.dumps(document, indent=1).encode()
        path = self._folder.not_finite / f"step-{step:08d}-rank-{self._world.rank}.json"
        try:
            write_atomic(path, content)
        except (OSError, PlatformError) as error:
            return f"The samples of its batch could not be written down: {error}"
        return f"The samples of its batch are in {path}."


def keys_of(run: RunSpec, rows: Tensor) -> list[str]:
    """The names that rows of the training split have in the corpus; none where shards are gone."""
    try:
        reader = SplitReader(run.shards, run.recipe.data.train_split)
        return [sample.key for sample in reader.stored(rows.cpu().numpy())]
    except StriateError:
        return []
