"""Numbers and memory: the type that a run computes in, and how its images lie."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from striate.data.stream.batch import Batch
from striate.train.config import Recipe
from striate.train.distributed.world import World

CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


def type_of(recipe: Recipe) -> torch.dtype:
    """The type of weights and inputs."""
    return torch.float64 if recipe.precision == "fp64" else torch.float32


def autocast(recipe: Recipe, world: World) -> AbstractContextManager[object]:
    """What the network runs under."""
    if recipe.precision != "bf16":
        return nullcontext()
    return torch.autocast(world.device.type, dtype=torch.bfloat16)


def to_channels_last(model: nn.Module) -> None:
    """Put the kernels of a model into channels-last order, of images and of clips."""
    for parameter in model.parameters():
        if parameter.ndim in CHANNELS_LAST:
            form = CHANNELS_LAST[parameter.ndim]
            parameter.data = parameter.data.contiguous(memory_format=form)


def on_device(batch: Batch, recipe: Recipe, world: World) -> Batch:
    """A batch on the device, in the recipe's type and memory format."""
    kind = type_of(recipe)
    if world.device.type == "cpu" and kind == torch.float32 and not recipe.channels_last:
        return batch

    def ready(tensor: Tensor) -> Tensor:
        wanted = kind if tensor.is_floating_point() else tensor.dtype
        tensor = tensor.to(world.device, wanted, non_blocking=True)
        if recipe.channels_last and tensor.ndim in CHANNELS_LAST:
            return tensor.contiguous(memory_format=CHANNELS_LAST[tensor.ndim])
        return tensor

    return batch.map(ready)
