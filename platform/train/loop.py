"""The training loop: restore, stream, step, report, evaluate, checkpoint.

The same function runs in every worker. Nothing in it depends on how many there are but the share
of each batch: the order of samples and the global batches are functions of the recipe alone.
"""

import time
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from striate.data.batch import Batch
from striate.train.assignment import Assignment
from striate.train.config import Recipe
from striate.train.feed import open_evaluation, open_stream
from striate.train.optimize import rate_at, set_rate
from striate.train.place import Place
from striate.train.records import Recorder
from striate.train.state import TrainState
from striate.train.tasks import TASKS
from striate.train.tasks.base import Tally, Task


def train(run: Assignment, place: Place) -> None:
    """Train a run to its end, from its latest good checkpoint if it has one.

    Every worker of the run calls this with its own place; rank 0 writes metrics, checkpoints and
    the bundle into the run's folder.

    Raises:
        TrainingFailed: a loss is not finite.
        DataError: a shard is damaged.
        CheckpointError: there are checkpoints, and none is good.
        PlatformError: the disk has no room for the bundle.
    """
    recipe, began = run.recipe, time.perf_counter()

    # Restore
    state = TrainState.fresh(recipe, place)
    record = Recorder(run, place)
    record.restore(state)
    task = TASKS[recipe.task.name](recipe.task, len(run.labels))
    network = _distributed(state.model, place)
    counts: Tally | None = None

    # Train
    network.train()
    stream = open_stream(run, place, state.cursor)
    while state.step < run.total_steps:
        batch = next(stream)
        rate = recipe.optimizer.lr * rate_at(state.step, run.total_steps, recipe.schedule)
        set_rate(state.optimizer, rate)
        loss = train_step(network, state.optimizer, task, batch, recipe, place)
        state.step, state.cursor = state.step + 1, batch.cursor
        if state.average is not None:
            state.average.update_parameters(state.model)
        record.loss(loss)

        # Report, evaluate, checkpoint
        evaluates = run.evaluates_at(state.step)
        saves = record.saves_at(state.step)
        if evaluates or saves or state.step % recipe.report_every == 0:
            record.report(state.step, rate, stream.wait_s, stream.damaged)
        if evaluates:
            counts = evaluate(state.network, task, run, place)
            record.evaluation(state, counts)
        if saves:
            record.checkpoint(state)

    # Finish
    stream.close()
    counts = counts or evaluate(state.network, task, run, place)  # resumed at its very end
    record.finish(state, counts, time.perf_counter() - began)


def train_step(
    network: nn.Module,
    optimizer: Optimizer,
    task: Task,
    batch: Batch,
    recipe: Recipe,
    place: Place,
) -> Tensor:
    """One optimiser step on this worker's share of a global batch.

    The loss is the sum over the share, divided by the global batch size and multiplied by the
    number of workers, so that DDP's mean over workers is the mean over the global batch, however
    unevenly it is split.

    Returns:
        The summed loss of the share, on the device and without a gradient.
    """
    scale = place.world / batch.global_size
    total: Tensor | None = None
    parts = list(on_device(batch, recipe, place).parts(recipe.accumulate))
    for index, part in enumerate(parts):
        with _synced(network, index == len(parts) - 1):
            with _precision(recipe, place):
                output = network(part.inputs)
            loss = task.loss(output, part)
            (loss * scale).backward()  # type: ignore[no-untyped-call]
        total = loss.detach() if total is None else total + loss.detach()
    if recipe.clip_norm is not None:
        nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    assert total is not None  # a share is never empty: see Recipe
    return total


@torch.no_grad()
def evaluate(network: nn.Module, task: Task, run: Assignment, place: Place) -> Tally:
    """Counts over the whole evaluation split, the same on every rank."""
    recipe, was_training = run.recipe, network.training
    network.eval()
    counts = task.zero(place.device)
    for batch in open_evaluation(run, place, task.by_row):
        batch = on_device(batch, recipe, place)
        with _precision(recipe, place):
            output = task.predict(network, batch)
        counts = counts + task.count(output, batch)
    network.train(was_training)
    return task.unpack(place.sum(counts.pack()), place.device)


def on_device(batch: Batch, recipe: Recipe, place: Place) -> Batch:
    """A batch on the device, its images in the recipe's memory format."""
    if place.device.type != "cpu":
        batch = batch.mapped(lambda one: one.to(place.device, non_blocking=True))
    if recipe.channels_last and batch.inputs.ndim == 4:
        last = torch.channels_last
        batch = batch.mapped(lambda o: o.contiguous(memory_format=last) if o.ndim == 4 else o)
    return batch


def _distributed(model: nn.Module, place: Place) -> nn.Module:
    if place.world == 1:
        return model
    has_statistics = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules())
    return DistributedDataParallel(
        model,
        device_ids=None if place.device.type == "cpu" else [place.device],
        broadcast_buffers=has_statistics,  # constants, like LeNet-5's codes, need no traffic
        gradient_as_bucket_view=True,
    )


def _synced(network: nn.Module, last: bool) -> AbstractContextManager[None]:
    """Gradients are exchanged with the last part of a share only."""
    if last or not isinstance(network, DistributedDataParallel):
        return nullcontext()
    return network.no_sync()


def _precision(recipe: Recipe, place: Place) -> AbstractContextManager[object]:
    if recipe.precision == "fp32":
        return nullcontext()
    return torch.autocast(place.device.type, dtype=torch.bfloat16)
