"""Optimisers by name, and the learning rate as a pure function of the step."""

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.optim import Optimizer

from striate.train.config import OptimizerConfig, ScheduleConfig


def _sgd(groups: list[dict[str, object]], config: OptimizerConfig) -> Optimizer:
    return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, fused=True)


def _adamw(groups: list[dict[str, object]], config: OptimizerConfig) -> Optimizer:
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, fused=True)


OPTIMIZERS: dict[str, Callable[[list[dict[str, object]], OptimizerConfig], Optimizer]] = {
    "sgd": _sgd,
    "adamw": _adamw,
}


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> Optimizer:
    """An optimiser of the model's trainable parameters; vectors (biases, gains) do not decay."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups: list[dict[str, object]] = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return OPTIMIZERS[config.name]([group for group in groups if group["params"]], config)


def rate_at(step: int, total_steps: int, config: ScheduleConfig) -> float:
    """The learning rate over its peak for the step that comes after `step` steps.

    >>> [round(rate_at(s, 5, ScheduleConfig(name="cosine")), 2) for s in range(5)]
    [1.0, 0.9, 0.65, 0.35, 0.1]
    """
    warmup = round(config.warmup_share * total_steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if config.name == "constant":
        return 1.0
    progress = (step - warmup) / max(1, total_steps - warmup)
    cosine = (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return config.final_share + (1 - config.final_share) * cosine


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the learning rate of all groups."""
    for group in optimizer.param_groups:
        group["lr"] = rate
