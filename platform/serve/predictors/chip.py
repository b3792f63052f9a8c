"""A bundle on an emulated chip: its network as the chip's own program."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from striate.accelerators.compiler.constraints import check_tensors
from striate.accelerators.emulator.program import Program
from striate.core.bundle import Bundle
from striate.core.errors import BundleError
from striate.serve.predictors.network import NamedNetwork


def chip_network(bundle: Bundle, chip: str, program: Path) -> NamedNetwork:
    """The network as a chip's program computes it, integer by integer.

    Args:
        bundle: what the program must have been compiled from.
        chip: the chip that the program must be for.
        program: folder of a program compiled from this very bundle.

    Raises:
        BundleError: the program is damaged, for another chip, or of another network, or the bundle
            has several inputs or outputs, or inputs of no fixed size.
    """
    check_tensors(bundle.spec)
    loaded = Program.load(program)
    if loaded.info.spec.name != chip:
        raise BundleError(f"The program is for the chip {loaded.info.spec.name}, not for {chip}.")
    if not loaded.info.source.endswith(bundle.digest):
        raise BundleError(
            f"The program was compiled from {loaded.info.source or 'an unknown network'},"
            f" not from {bundle.spec.architecture.name} {bundle.digest}.",
            "Compile the model again for this chip.",
        )

    (input_name,), (output_name,) = bundle.spec.inputs, bundle.spec.outputs

    def network(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        with torch.inference_mode():
            return {output_name: torch.flatten(loaded.run(inputs[input_name]), 1)}

    return network
