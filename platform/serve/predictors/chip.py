"""Tagging on an emulated chip: the bundle's network as the chip's own program."""

from pathlib import Path

import torch
from torch import Tensor

from striate.accelerators.program import Program
from striate.core.bundle import Bundle
from striate.core.errors import BundleError
from striate.serve.predictors.tagging import DEFAULT_PIXELS, TaggingPredictor


def load_chip_tagging(
    bundle: Bundle, chip: str, program: Path, pixels: int = DEFAULT_PIXELS
) -> TaggingPredictor:
    """The tagging predictor whose logits a program computes, integer by integer.

    Args:
        bundle: says what goes in and what the outputs are called.
        chip: the chip that the program must be for.
        program: folder of a program compiled from this very bundle.
        pixels: largest decoded image.

    Raises:
        BundleError: the program is damaged, for another chip, or of another network.
    """
    loaded = Program.load(program)
    if loaded.info.spec.name != chip:
        raise BundleError(f"The program is for the chip {loaded.info.spec.name}, not for {chip}.")
    if not loaded.info.source.endswith(bundle.digest):
        raise BundleError(
            f"The program was compiled from {loaded.info.source or 'an unknown network'},"
            f" not from {bundle.spec.architecture.name} {bundle.digest}.",
            "Compile the model again for this chip.",
        )

    def logits(images: Tensor) -> Tensor:
        with torch.inference_mode():
            return torch.flatten(loaded.run(images), 1)

    return TaggingPredictor(bundle.spec, logits, pixels)
