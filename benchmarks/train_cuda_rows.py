"""Training on a CUDA GPU: images (clips) a second in bf16, and the share of its matrix peak.

The peak is measured in the same run: a bf16 product of two 8192×8192 matrices. A training step
counts three times the forward pass's multiply-accumulates: forward, and backward to inputs and to
weights; the first layer's inputs need none, which is left out of account.
"""

import sys
import time
from collections.abc import Callable

import torch
from harness import Row, interleaved

from striate.data.stream.batch import Batch
from striate.models import MODELS
from striate.models.count import macs
from striate.train.config import DataConfig, ModelConfig, OptimizerConfig, Recipe
from striate.train.distributed.world import World
from striate.train.loop.state import TrainState
from striate.train.loop.train import train_step
from striate.train.tasks import TASKS

BATCHES = {"alexnet": 512, "vgg16": 128, "googlenet": 256, "c3d": 32}
_SIDE = 8192


def rows(quick: bool) -> list[Row]:
    """One row for each network; none, and a sentence, where there is no CUDA GPU."""
    if not torch.cuda.is_available():
        print("Training on a GPU is left out: there is no CUDA device here.", file=sys.stderr)
        return []
    print(f"GPU: {torch.cuda.get_device_name()}", file=sys.stderr)
    rounds = 3 if quick else 9
    return [_row(name, batch, rounds) for name, batch in BATCHES.items()]


def _row(name: str, batch: int, rounds: int) -> Row:
    step, work = _step(name, batch), _macs(name)
    for _ in range(5):
        step()  # warm: cuDNN chooses its ways
    rate, peak = interleaved([lambda: batch * 10 / _seconds(step, 10), _peak_macs_per_s], rounds)
    unit = "clips" if name == "c3d" else "images"
    title = f"{name}, batches of {batch}, {rate:,.0f} {unit}/s in bf16: the GPU's measured peak"
    return Row(title, 3 * work * rate / 1e12, peak / 1e12, "TMAC/s")


def _step(name: str, count: int) -> Callable[[], object]:
    world = World(device=torch.device("cuda"))
    recipe = Recipe(
        name="bench",
        model=ModelConfig(name=name),
        data=DataConfig(corpus="imagenet"),
        optimizer=OptimizerConfig(lr=1e-4),
        batch_size=count,
        epochs=1,
        precision="bf16",
        channels_last=True,
    )
    state = TrainState.fresh(recipe, world)
    shape, classes = state.model.input_shape, state.model.classes
    assert isinstance(shape, tuple) and isinstance(classes, int)
    task = TASKS[recipe.task.name](recipe.task, classes)
    inputs = torch.randn(count, *shape, device=world.device)
    labels = torch.randint(classes, (count,), device=world.device)
    batch = Batch({"images": inputs, "labels": labels}, count, 0, count)
    state.model.train()
    return lambda: train_step(state.model, state.optimizer, task, batch, recipe, world)


def _macs(name: str) -> int:
    with torch.device("meta"):
        model = MODELS[name]()
    shape = model.input_shape
    assert isinstance(shape, tuple)
    return macs(model, shape)


def _peak_macs_per_s() -> float:
    left = torch.randn(_SIDE, _SIDE, device="cuda", dtype=torch.bfloat16)
    right = torch.randn(_SIDE, _SIDE, device="cuda", dtype=torch.bfloat16)
    _seconds(lambda: left @ right, 5)
    return 20 * _SIDE**3 / _seconds(lambda: left @ right, 20)


def _seconds(action: Callable[[], object], times: int) -> float:
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(times):
        action()
    torch.cuda.synchronize()
    return time.perf_counter() - began
