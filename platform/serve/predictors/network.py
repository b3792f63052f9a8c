"""A bundle's network as a function on batches, and what makes one of it on torch."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from striate.core.bundle import Bundle, BundleSpec
from striate.models import build_from, name_outputs

PlainNetwork = Callable[[Tensor], Tensor]
"""From one input (N, …) to one output (N, …), on the CPU at both ends."""

NamedNetwork = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
"""From a bundle's inputs (N, …) by name to its outputs (N, …) by name, on the CPU at both ends."""


def torch_network(bundle: Bundle, device: str = "cpu") -> NamedNetwork:
    """The network on a torch device.

    Raises:
        BundleError: the bundle is no network, or the weights do not fit the architecture.
    """
    model = build_from(bundle).to(device).eval()
    spec = bundle.spec

    def network(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        with torch.inference_mode():
            given = model(*[inputs[name].to(device) for name in spec.inputs])
        return {name: output.cpu() for name, output in name_outputs(spec, given).items()}

    return network


def only_network(spec: BundleSpec, network: NamedNetwork) -> PlainNetwork:
    """The network of a bundle that has one input and one output, without their names.

    Raises:
        BundleError: it has several.
    """
    _ = spec.input, spec.output
    input_name, output_name = next(iter(spec.inputs)), next(iter(spec.outputs))
    return lambda inputs: network({input_name: inputs})[output_name]
