"""Evaluation: exact sums over the whole held-out split, however it is shared among workers."""

from dataclasses import dataclass

import torch
from torch import nn

from striate.train.distributed.parallel import broadcast_statistics, gather_model
from striate.train.distributed.precision import autocast, on_device
from striate.train.distributed.world import World
from striate.train.loop.batches import open_evaluation
from striate.train.run.spec import RunSpec
from striate.train.tasks.base import ShowsMistakes, Tally, Task
from striate.train.tasks.mistakes import Mistakes


@dataclass(frozen=True)
class Evaluation:
    """What a network makes of the evaluation split.

    Attributes:
        tally: the task's sums.
        mistakes: the most confident wrong answers, of a task that shows them.
    """

    tally: Tally
    mistakes: Mistakes

    @property
    def metrics(self) -> dict[str, float]:
        """The task's metrics over the whole split."""
        return self.tally.metrics()

    @property
    def confusion(self) -> tuple[tuple[int, ...], ...]:
        """Counts; row: true label, column: most likely one. Empty where the task counts none."""
        counts = self.tally.confusion
        return () if counts is None else tuple(map(tuple, counts.long().tolist()))


@torch.no_grad()
def evaluate(network: nn.Module, task: Task, run: RunSpec, world: World) -> Evaluation:
    """Evaluate over the whole split; every worker must call, and gets the same."""
    recipe, was_training = run.recipe, network.training
    network.eval()
    broadcast_statistics(network, world)
    tally, mistakes = task.zero(world.device), Mistakes()
    with gather_model(network):
        for batch in open_evaluation(run, world, task.by_row):
            batch = on_device(batch, recipe, world)
            with autocast(recipe, world):
                outputs = task.predict(network, batch)
            tally = tally + task.count(outputs, batch)
            if isinstance(task, ShowsMistakes):
                mistakes = mistakes + task.mistakes(outputs, batch)
    network.train(was_training)
    sums = task.unpack(world.sum(tally.pack()), world.device)
    return Evaluation(sums, Mistakes.merge(world.gather_bytes(mistakes.pack())))
