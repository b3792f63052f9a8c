"""A bundle's network as a function on batches, and what makes one of it on torch."""

from collections.abc import Callable

import torch
from torch import Tensor

from striate.core.bundle import Bundle
from striate.models import build_from

Network = Callable[[Tensor], Tensor]
"""From the network's input (N, …) to its output (N, …), on the CPU at both ends."""


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
