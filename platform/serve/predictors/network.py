"""A bundle's network as a function on batches, on torch or as a chip's program."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from striate.core.bundle import Bundle
from striate.models import build_from

Network = Callable[[Tensor], Tensor]
"""From the network's input (N, …) to its output (N, …), on the CPU at both ends."""


def load_network(bundle: Bundle, device: str = "cpu", program: Path | None = None) -> Network:
    """The network of a bundle.

    Args:
        bundle: architecture and weights.
        device: a torch device, or the name of the chip that `program` is for.
        program: folder of the bundle's program for an emulated chip; None runs on torch.

    Raises:
        BundleError: the weights do not fit, or the program is not the bundle's own.
    """
    if program is not None:
        from striate.serve.predictors.chip import chip_network

        return chip_network(bundle, device, program)
    return torch_network(bundle, device)


def torch_network(bundle: Bundle, device: str = "cpu") -> Network:
    """The network on a torch device.

    Raises:
        BundleError: the weights do not fit the architecture.
    """
    model = build_from(bundle).to(device).eval()

    def network(inputs: Tensor) -> Tensor:
        with torch.inference_mode():
            output: Tensor = model(inputs.to(device))
        return output.cpu()

    return network
