"""What a network begins with: another one's weights, and which of its own learn."""

from pathlib import Path

import torch
from torch import nn

from striate.core.bundle import Bundle
from striate.core.errors import RecipeError
from striate.train.config import ModelConfig


@torch.no_grad()
def begin_with(model: nn.Module, config: ModelConfig) -> None:
    """Take the weights of the bundle that a recipe names, and hold still what shall not learn.

    A head for other classes keeps the weights it was built with, for its shape is another.

    Raises:
        RecipeError: no tensor of the bundle fits, or no parameter is to learn.
        BundleError: there is no such bundle, or it is damaged.
    """
    if config.weights is not None:
        own = model.state_dict()
        found = {
            name: tensor
            for name, tensor in Bundle.open(Path(config.weights)).state().items()
            if name in own and own[name].shape == tensor.shape
        }
        if not found:
            raise RecipeError(
                f"No weights of the bundle {config.weights} fit the model {config.name}.",
                "Name a bundle of the same architecture, width and field in model.weights.",
            )
        model.load_state_dict(found, strict=False)
    if not config.trainable:
        return
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(config.trainable))
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise RecipeError(
            f"No parameter of the model {config.name} has a name that begins with"
            f" {', '.join(config.trainable)}.",
            "Name parameters in model.trainable.",
        )
