"""Optimisers by name, on groups of parameters that learn at their own rates."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from striate.train.config import OptimizerConfig

ParameterGroup = dict[str, Any]
RATE_FACTOR = "rate_factor"


def _sgd(groups: list[ParameterGroup], config: OptimizerConfig) -> Optimizer:
    divided = any(isinstance(one, DTensor) for group in groups for one in group["params"])
    return torch.optim.SGD(
        groups,
        lr=config.lr,
        momentum=config.momentum,
        fused=not divided,  # the fused kernel of torch 2.13 does not know tensors that are divided
        foreach=divided,
    )


def _adamw(groups: list[ParameterGroup], config: OptimizerConfig) -> Optimizer:
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, fused=True)


OPTIMIZERS: dict[str, Callable[[list[ParameterGroup], OptimizerConfig], Optimizer]] = {
    "sgd": _sgd,
    "adamw": _adamw,
}


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> Optimizer:
    """An optimiser of the model's trainable parameters.

    Vectors (biases, gains) are a group of their own, with the recipe's rate and decay for them.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decay, decay_of_vectors = config.weight_decay, config.weight_decay * config.decay_biases
    weights = [parameter for parameter in trainable if parameter.ndim > 1]
    vectors = [parameter for parameter in trainable if parameter.ndim <= 1]
    groups: list[ParameterGroup] = [
        {"params": weights, "weight_decay": decay, RATE_FACTOR: 1.0},
        {"params": vectors, "weight_decay": decay_of_vectors, RATE_FACTOR: config.bias_lr},
    ]
    return OPTIMIZERS[config.name]([group for group in groups if group["params"]], config)


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the learning rate of all groups, each by its own factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group[RATE_FACTOR]
