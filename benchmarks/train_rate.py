"""AlexNet's training rate: Striate's settings against PyTorch's defaults, disk against memory.

Striate's side is the step of its own loop, `striate.train.loop.train.train_step`: bf16 under
autocast, channels-last, the fused optimiser, dropout by each sample's key. Plain PyTorch is float32
in the default layout with the optimiser's defaults. Both run in this process on all cores, in
turns.
"""

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.nn.functional as F
from harness import Row, interleaved, main
from ingest_images import CLASSES, write_photographs
from torch import Tensor

from striate.data.ingest.ingest import ingest
from striate.data.pipelines.registry import pipeline_of
from striate.data.stream.batch import Batch
from striate.data.stream.spec import StreamSpec
from striate.data.stream.stream import Stream
from striate.models import MODELS
from striate.train.config import Recipe
from striate.train.distributed.world import World
from striate.train.loop.state import TrainState
from striate.train.loop.train import train_step
from striate.train.recipes.resolve import resolve
from striate.train.tasks import TASKS

BATCH, QUICK_BATCH = 64, 32
NETWORKS = {
    "alexnet": ("AlexNet as published", 227),
    "alexnet_one_tower": ("AlexNet, single tower", 224),
}
PRECISION_AT_LEAST = 1.5
DISK_AT_LEAST = 0.9


def measure(quick: bool) -> list[Row]:
    """Striate's step against plain PyTorch's, then from shards against from memory."""
    torch.set_num_threads(os.cpu_count() or 1)
    size, steps, rounds = (QUICK_BATCH, 1, 2) if quick else (BATCH, 2, 5)
    found = [_against_plain(name, size, steps, rounds) for name in NETWORKS]
    with TemporaryDirectory() as folder:
        return [*found, _from_shards(Path(folder), size, *((3, 1) if quick else (6, 5)))]


def _against_plain(name: str, size: int, steps: int, rounds: int) -> Row:
    ours, peer = _striates_step(name), _plain_step(name)
    title, field = NETWORKS[name]
    batch = _memory_batch(size, field)
    for step in (ours, peer):
        step(batch)  # warm
    measures = [partial(_rate, step, cycle([batch]), steps) for step in (ours, peer)]
    figures = interleaved(measures, rounds)
    title += ", bf16 and channels-last: plain float32 PyTorch"
    return Row(title, figures[0], figures[1], "images/s", PRECISION_AT_LEAST)


def _from_shards(folder: Path, size: int, steps: int, rounds: int) -> Row:
    """The stream of training crops against the same batch over and over, both trained on."""
    write_photographs(folder / "train", 8 * size, distinct=size)
    ingest("imagenet", folder, folder / "shards", shard_mb=16)
    stream = Stream(
        folder / "shards",
        StreamSpec(
            "train",
            size,
            seed=0,
            pipeline=pipeline_of("imagenet-train", {"size": 224}, training=True),
            threads=1,
            prefetch=2,
        ),
    )
    step = _striates_step("alexnet_one_tower")
    memory = cycle([_memory_batch(size, 224).map(_channels_last)])  # as the stream's are
    for batches in (stream, memory):
        _rate(step, batches, 1)  # warm
    figures = interleaved([partial(_rate, step, b, steps) for b in (stream, memory)], rounds)
    stream.close()
    title = "AlexNet, single tower at 224, bf16, from shards: from memory"
    return Row(title, figures[0], figures[1], "images/s", DISK_AT_LEAST)


def _rate(step: Callable[[Batch], object], batches: Iterator[Batch], steps: int) -> float:
    """Images a second over so many steps."""
    began, images = time.perf_counter(), 0
    for _ in range(steps):
        batch = next(batches)
        step(batch)
        images += batch.global_size
    return images / (time.perf_counter() - began)


def _memory_batch(size: int, field: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(size, 3, field, field, generator=generator)
    labels = torch.randint(CLASSES, (size,), generator=generator)
    return Batch({"images": images, "labels": labels}, size, 0, size)


def _channels_last(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def recipe_of(name: str) -> Recipe:
    """The network's recipe for ImageNet, whose settings Striate's side has."""
    return resolve(f"{name.replace('_', '-')}-imagenet", ["scaling.gpu=false"])


def _striates_step(name: str) -> Callable[[Batch], object]:
    recipe, world = recipe_of(name), World()
    state = TrainState.fresh(recipe, world)
    task = TASKS[recipe.task.name](recipe.task, 1000)
    state.model.train()
    return lambda batch: train_step(state.model, state.optimizer, task, batch, recipe, world)


def _plain_step(name: str) -> Callable[[Batch], object]:
    model = MODELS[name]()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    def step(batch: Batch) -> None:
        loss = F.cross_entropy(model(batch.images), batch.labels)
        torch.autograd.backward(loss)
        optimizer.step()
        optimizer.zero_grad()

    return step


if __name__ == "__main__":
    main(
        measure,
        "The rate of training against plain PyTorch, and from disk against from memory.",
        f"batches of {QUICK_BATCH} images, a step a round, fewer rounds",
    )
