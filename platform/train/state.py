"""All that a step reads and changes, and its way into a checkpoint and back.

The schedule and the order of samples are pure functions of the step and the cursor, so those two
integers stand for them.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from striate.core.bundle import Architecture
from striate.models import build
from striate.train.checkpoint import Checkpoint
from striate.train.config import Recipe
from striate.train.optimize import build_optimizer
from striate.train.place import Place


@dataclass
class TrainState:
    """The state of a run between two steps.

    Attributes:
        model: the network, on its device.
        optimizer: with its momenta.
        average: averaged weights, or None when the recipe has no `ema_decay`.
        step: optimiser steps done.
        cursor: samples seen since the start of training.
    """

    model: nn.Module
    optimizer: Optimizer
    average: AveragedModel | None
    step: int = 0
    cursor: int = 0

    @classmethod
    def fresh(cls, recipe: Recipe, place: Place) -> "TrainState":
        """The seeded state before the first step, the same on every rank."""
        torch.manual_seed(recipe.seed)
        model = build(Architecture(name=recipe.model.name, arguments=recipe.model.arguments))
        model.to(place.device)
        if recipe.channels_last:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        average = None
        if recipe.ema_decay is not None:
            rule = get_ema_multi_avg_fn(recipe.ema_decay)  # type: ignore[no-untyped-call]
            average = AveragedModel(model, multi_avg_fn=rule, use_buffers=True)
        state = cls(model, build_optimizer(model, recipe.optimizer), average)
        torch.manual_seed(recipe.seed * 1_000_003 + place.rank)  # dropout differs between ranks
        return state

    @property
    def network(self) -> nn.Module:
        """The network to evaluate and bundle: the averaged one where there is one."""
        return self.model if self.average is None else self.average.module

    def capture(self, place: Place, about: dict[str, Any]) -> Checkpoint:
        """The whole state; every rank must call, for each one's random state is in it."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        if self.average is not None:
            averaged = self.average.state_dict()
            tensors |= {f"average.{name}": value for name, value in averaged.items()}
        scalars: dict[str, Any] = {}
        for index, values in self.optimizer.state_dict()["state"].items():
            for name, value in values.items():
                into = tensors if isinstance(value, Tensor) else scalars
                into[f"optimizer.{index}.{name}"] = value
        tensors |= _random_states(place)
        document = {
            "cursor": self.cursor,
            "optimizer_groups": self.optimizer.state_dict()["param_groups"],
            "optimizer_scalars": scalars,
            **about,
        }
        whole = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
        return Checkpoint(self.step, whole, document)

    def restore(self, checkpoint: Checkpoint, place: Place) -> None:
        """Continue from a checkpoint, on this or another number of ranks."""
        tensors, document = checkpoint.tensors, checkpoint.document
        self.model.load_state_dict(_under("model.", tensors))
        if self.average is not None:
            self.average.load_state_dict(_under("average.", tensors))
        values: dict[int, dict[str, Any]] = {}
        flat = _under("optimizer.", {**tensors, **document["optimizer_scalars"]})
        for name, value in flat.items():
            index, _, key = name.partition(".")
            values.setdefault(int(index), {})[key] = value
        groups = document["optimizer_groups"]
        self.optimizer.load_state_dict({"state": values, "param_groups": groups})
        self.step, self.cursor = checkpoint.step, document["cursor"]
        _restore_random(tensors, place)


def _under(prefix: str, values: dict[str, Any]) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in values.items() if k.startswith(prefix)}


def _random_states(place: Place) -> dict[str, Tensor]:
    states = {f"random.{r}": s for r, s in enumerate(place.gather(torch.get_rng_state()))}
    if place.device.type == "cuda":
        own = torch.cuda.get_rng_state(place.device)
        states |= {f"random_cuda.{r}": s for r, s in enumerate(place.gather(own))}
    return states


def _restore_random(tensors: dict[str, Tensor], place: Place) -> None:
    """A rank that the checkpoint does not know keeps its fresh seed."""
    if f"random.{place.rank}" in tensors:
        torch.set_rng_state(tensors[f"random.{place.rank}"])
    if place.device.type == "cuda" and f"random_cuda.{place.rank}" in tensors:
        torch.cuda.set_rng_state(tensors[f"random_cuda.{place.rank}"], place.device)
