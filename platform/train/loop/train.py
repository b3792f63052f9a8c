"""The training loop: restore, stream, step, report, evaluate, checkpoint.

The same function runs in every worker. Nothing in it depends on how many there are but the share
of each batch: the order of samples, the global batches and what is random about each sample are
functions of the recipe alone.
"""

import time
from contextlib import closing
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from striate.data.stream.batch import Batch
from striate.models.layers.dropout import sample_keys
from striate.train.config import Recipe
from striate.train.distributed.parallel import compile_network, sync_gradients, wrap_model
from striate.train.distributed.precision import autocast, on_device
from striate.train.distributed.world import World
from striate.train.loop.attempt import begin_attempt, report_startup, write_process_id
from striate.train.loop.batches import open_stream
from striate.train.loop.checkpointing import Checkpointer
from striate.train.loop.evaluate import Evaluation, evaluate
from striate.train.loop.library_warnings import note_warnings
from striate.train.loop.lr_schedule import rate_at
from striate.train.loop.nonfinite import Guard, NanWatch
from striate.train.loop.optimizers import set_rate
from striate.train.loop.report_evaluation import report_evaluation
from striate.train.loop.results import write_bundle, write_outcome
from striate.train.loop.state import TrainState
from striate.train.run.attempts import AttemptWriter
from striate.train.run.folder import Run
from striate.train.run.spec import RunOutcome
from striate.train.tasks import task_of
from striate.train.tasks.base import Task
from striate.train.tasks.outputs import KEYS
from striate.train.tracking.reporter import Reporter

KEY_STEP = 0x9E3779B97F4A7C15  # far apart for neighbouring seeds


def train(run: Run, world: World) -> None:
    """Train a run to its end, from its latest good checkpoint if it has one.

    Every worker of the run calls this with its own `World`; rank 0 writes metrics, checkpoints and
    the bundle into the run's folder.

    Raises:
        TrainingFailed: a loss is not finite.
        DataError: a shard is damaged.
        CheckpointError: there are checkpoints, and none is good.
        DiskFull: the disk has no room for the bundle.
    """
    attempt = AttemptWriter(run.folder.path)
    with closing(attempt), note_warnings(run.folder.metric_log):
        _train(run, world, attempt)


def _train(run: Run, world: World, attempt: AttemptWriter) -> None:
    spec, recipe, folder, began = run.spec, run.spec.recipe, run.folder, time.perf_counter()

    # Restore
    state = TrainState.fresh(recipe, world)
    reporter = Reporter(world, folder.metric_log, recipe.batch_size)
    write_process_id(folder, world, reporter)
    checkpointer, watch = Checkpointer(run, world, reporter), NanWatch(run, world)
    checkpointer.restore(state)
    begin_attempt(attempt, folder, world, state.step, reporter)
    checkpointer.begin(state.step)
    reporter.rest()
    task = task_of(recipe.task, spec.labels)
    network = wrap_model(state.model, world)
    evaluation: Evaluation | None = None
    startup: dict[str, float] = {}

    # Train
    network.train()
    if recipe.compile:
        compile_network(network)
    stream = open_stream(spec, world, state.cursor)
    while state.step < spec.total_steps:
        batch = next(stream)
        share = rate_at(
            state.step, spec.total_steps, recipe.schedule, spec.steps_per_epoch, state.history
        )
        rate = recipe.optimizer.lr * share
        set_rate(state.optimizer, rate)
        world.seed(recipe.seed, state.step)
        loss, moved = train_step(network, state.optimizer, task, batch, recipe, world)
        state.advance(batch.cursor, moved)
        reporter.add(loss)
        if text := watch.hold(state.step, batch, moved):
            reporter.skip(state.step, state.skipped, text)
        attempt.advance(state.step)
        startup = startup or report_startup(folder, world, state.step, reporter)

        # Report, evaluate, checkpoint
        evaluates = spec.evaluates_at(state.step)
        saves = checkpointer.due(state.step)
        if evaluates or saves or state.step % recipe.report_every == 0:
            watch.check(reporter.flush(state.step, rate, stream.wait_s, stream.damaged))
        if evaluates:
            evaluation = evaluate(state.network, task, spec, world)
            state.history.append(evaluation.metrics[task.headline])
            report_evaluation(folder, world, state, evaluation, reporter)
        if saves:
            checkpointer.take(state)
        if evaluates or saves:
            reporter.rest()

    # Finish
    stream.close()
    evaluation = evaluation or evaluate(state.network, task, spec, world)  # resumed at its very end
    seconds = time.perf_counter() - began
    weights = state.weights()  # every worker of a sharded run has a part of them
    if not world.first:
        return
    checkpointer.finish(state.step)
    outcome = RunOutcome(
        metrics=evaluation.metrics,
        confusion=evaluation.confusion,
        mistakes=evaluation.mistakes.worst,
        steps=state.step,
        seconds=seconds,
        restarts=attempt.restarts,
        repeated_steps=attempt.repeated_steps,
        checkpoint_blocked_share=checkpointer.blocked_share,
        startup=startup,
    )
    write_bundle(run, state.network, weights, outcome, reporter)
    write_outcome(run, outcome, reporter)


class StepResult(NamedTuple):
    """What one step came to.

    Attributes:
        loss: summed over this worker's share, on the device and without a gradient.
        moved: False where the recipe skips a step that is not finite, and this one was.
    """

    loss: Tensor
    moved: bool


def train_step(
    network: nn.Module,
    optimizer: Optimizer,
    task: Task,
    batch: Batch,
    recipe: Recipe,
    world: World,
) -> StepResult:
    """One optimiser step on this worker's share of a global batch.

    The loss is the sum over the share, divided by the global batch size and multiplied by the
    number of workers, so that the mean over workers is the mean over the global batch, however
    unevenly it is split. Every worker cuts its share into as many parts.
    """
    batch = on_device(add_keys(batch, recipe.seed, world), recipe, world)
    parts = batch.parts(min(recipe.accumulate, batch.global_size // world.world_size))
    guard = Guard(network, world) if recipe.on_nan == "skip" else None
    loss: Tensor | None = None
    for part in parts:
        with sync_gradients(network, part is parts[-1]), sample_keys(part.tensors[KEYS]):
            with autocast(recipe, world):
                outputs = task.compute(network, part)
            summed = task.loss(outputs, part)
            (summed * (world.world_size / batch.global_size)).backward()  # type: ignore[no-untyped-call]
        loss = summed.detach() if loss is None else loss + summed.detach()
    assert loss is not None  # a share is never empty: see Recipe
    if recipe.clip_norm is not None:
        nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
    moved = guard is None or guard.passes(loss)
    if moved:
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return StepResult(loss, moved)


def add_keys(batch: Batch, seed: int, world: World) -> Batch:
    """A batch with what `SampleDropout` draws by: a key for each seed and place in the order."""
    first = batch.cursor - batch.global_size + world.rank
    origin = seed * KEY_STEP % 2**62
    last = origin + batch.cursor
    keys = torch.arange(origin + first, last, world.world_size, device=world.device)
    return replace(batch, tensors={**batch.tensors, KEYS: keys})
