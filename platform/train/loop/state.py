"""All that a step reads and changes, and its way into a checkpoint and back.

The order of samples and their random choices are pure functions of the cursor, and the learning
rate of the step and of past evaluations; so those few numbers stand for them.
"""

import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from striate.core.bundle import Architecture
from striate.models import build
from striate.train.checkpoint.store import Checkpoint
from striate.train.config import Recipe
from striate.train.distributed.parallel import distribute_like, gather_tensor, local, shard
from striate.train.distributed.precision import to_channels_last, type_of
from striate.train.distributed.world import World
from striate.train.loop.initial_weights import begin_with
from striate.train.loop.optimizers import build_optimizer


@dataclass
class TrainState:
    """The state of a run between two steps.

    Attributes:
        model: the network, on its device.
        optimizer: with its momenta.
        average: the network with averaged weights, or None when the recipe has no `ema_decay`.
        decay: of the averaged weights.
        sharded: whether tensors are divided among the workers, so that all must capture.
        step: optimiser steps done, those that were skipped included.
        cursor: samples seen since the start of training.
        skipped: steps that were skipped, for their gradient was not finite.
        history: the task's headline metric of every evaluation.
    """

    model: nn.Module
    optimizer: Optimizer
    average: nn.Module | None = None
    decay: float = 0.0
    sharded: bool = False
    step: int = 0
    cursor: int = 0
    skipped: int = 0
    history: list[float] = field(default_factory=list)

    @classmethod
    def fresh(cls, recipe: Recipe, world: World) -> "TrainState":
        """The seeded state before the first step, the same on every worker."""
        torch.manual_seed(recipe.seed)
        model = build(Architecture(name=recipe.model.name, arguments=recipe.model.arguments))
        begin_with(model, recipe.model)
        model.to(type_of(recipe))
        average = None if recipe.ema_decay is None else copy.deepcopy(model).requires_grad_(False)
        sharded = recipe.scaling.strategy == "fsdp" and world.world_size > 1
        for one in filter(None, (model, average)):
            if sharded:
                shard(one, world)  # wants contiguous weights, and moves them layer by layer
            else:
                one.to(world.device)
            if recipe.channels_last and not sharded:
                to_channels_last(one)
        optimizer = build_optimizer(model, recipe.optimizer)
        return cls(model, optimizer, average, recipe.ema_decay or 0.0, sharded)

    @property
    def network(self) -> nn.Module:
        """The network to evaluate and bundle: the averaged one where there is one."""
        return self.model if self.average is None else self.average

    def weights(self) -> dict[str, Tensor]:
        """Name → whole tensor of the network to bundle; every worker of a sharded run must call."""
        return {
            name: tensor.float() if tensor.dtype == torch.float64 else tensor
            for name, tensor in (
                (k, gather_tensor(v)) for k, v in self.network.state_dict().items()
            )
        }

    def advance(self, cursor: int, moved: bool) -> None:
        """Count a step, after which the stream is at `cursor`; unless skipped, it moved weights."""
        self.step, self.cursor = self.step + 1, cursor
        if not moved:
            self.skipped += 1
        elif self.average is not None:
            _follow(self.average, self.model, 1.0 if self.step == 1 else 1 - self.decay)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Names and whole tensors of the state, one at a time, on their device.

        Every worker of a sharded run must go through all of them; otherwise all workers hold the
        same.
        """
        modules = {"model": self.model, "average": self.average}
        for prefix, module in modules.items():
            for name, value in ({} if module is None else module.state_dict()).items():
                yield f"{prefix}.{name}", gather_tensor(value).detach()
        for name, parameter in self.model.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                yield f"optimizer.{name}.{key}", gather_tensor(value).detach()

    def document(self) -> dict[str, Any]:
        """The rest of the state, as JSON has it."""
        return {"cursor": self.cursor, "skipped": self.skipped, "history": list(self.history)}

    @torch.no_grad()
    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint, on this or another number of workers."""
        tensors, document = checkpoint.tensors, checkpoint.document
        modules = {"model": self.model, "average": self.average}
        for prefix, module in modules.items():
            for name, held in ({} if module is None else module.state_dict()).items():
                local(held).copy_(local(distribute_like(tensors[f"{prefix}.{name}"], held)))
        self._restore_optimizer(_under("optimizer.", tensors))
        self.step, self.cursor = checkpoint.step, document["cursor"]
        self.skipped, self.history = document["skipped"], list(document["history"])

    def _restore_optimizer(self, tensors: dict[str, Tensor]) -> None:
        parameters = dict(self.model.named_parameters())
        self.optimizer.state.clear()
        for path, value in tensors.items():
            name, _, key = path.rpartition(".")
            parameter = parameters[name]
            self.optimizer.state[parameter][key] = distribute_like(value, parameter)


def _follow(average: nn.Module, model: nn.Module, weight: float) -> None:
    """Move averaged weights and statistics towards the model's by the share `weight`."""
    held, now = _own_tensors(average), _own_tensors(model)
    torch._foreach_lerp_(
        [one for one in held if one.is_floating_point()],
        [other for other in now if other.is_floating_point()],
        weight,
    )
    for one, other in zip(held, now, strict=True):
        if not one.is_floating_point():
            one.copy_(other)


def _own_tensors(model: nn.Module) -> list[Tensor]:
    """This worker's parts of the parameters and buffers."""
    return [local(one.detach()) for one in itertools.chain(model.parameters(), model.buffers())]


def _under(prefix: str, values: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in values.items() if k.startswith(prefix)}
