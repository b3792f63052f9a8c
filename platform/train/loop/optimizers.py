"""Optimisers by name, on groups of parameters that learn at their own rates."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from striate.core.errors import RecipeError
from striate.train.config import OptimizerConfig
from striate.train.loop.row_sgd import RowSgd

ParameterGroup = dict[str, Any]
RATE_FACTOR = "rate_factor"


def _sgd(groups: list[ParameterGroup], config: OptimizerConfig, sparse: bool) -> Optimizer:
    divided = any(isinstance(one, DTensor) for group in groups for one in group["params"])
    if sparse and divided:
        raise _refused("scaling.strategy=ddp")
    if sparse and (config.momentum or config.weight_decay):
        raise _refused("optimizer.momentum=0 and optimizer.weight_decay=0")
    if sparse:
        return RowSgd(groups, config.lr, config.longest_row_step)
    return torch.optim.SGD(
        groups,
        lr=config.lr,
        momentum=config.momentum,
        fused=not divided,  # the fused kernel of torch 2.13 does not know tensors that are divided
        foreach=divided,
    )


def _adamw(groups: list[ParameterGroup], config: OptimizerConfig, sparse: bool) -> Optimizer:
    if sparse:
        raise _refused("optimizer.name=sgd")
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, fused=True)


def _refused(what: str) -> RecipeError:
    return RecipeError(
        "A table with sparse gradients has no momenta and no decay, and is not divided.",
        f"Set {what}, or model.arguments.sparse=false.",
    )


OPTIMIZERS: dict[str, Callable[[list[ParameterGroup], OptimizerConfig, bool], Optimizer]] = {
    "sgd": _sgd,
    "adamw": _adamw,
}


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> Optimizer:
    """An optimiser of the model's trainable parameters.

    Vectors (biases, gains) are a group of their own, with the recipe's rate and decay for them. A
    model whose attribute ``sparse`` is true gives gradients of the rows alone that a batch used.

    Raises:
        RecipeError: the recipe's rule is not for such a model.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decay, decay_of_vectors = config.weight_decay, config.weight_decay * config.decay_biases
    weights = [parameter for parameter in trainable if parameter.ndim > 1]
    vectors = [parameter for parameter in trainable if parameter.ndim <= 1]
    groups: list[ParameterGroup] = [
        {"params": weights, "weight_decay": decay, RATE_FACTOR: 1.0},
        {"params": vectors, "weight_decay": decay_of_vectors, RATE_FACTOR: config.bias_lr},
    ]
    sparse = bool(getattr(model, "sparse", False))
    return OPTIMIZERS[config.name]([group for group in groups if group["params"]], config, sparse)


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the learning rate of all groups, each by its own factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group[RATE_FACTOR]
